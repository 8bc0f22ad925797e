"""What the client does when the server is away, slow, busy, or is none: against a stand-in that does as it is told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from otel_cost.client import ApiDenied, ApiError, ApiInvalid, ApiNotFound, ApiUnavailable, Client
from otel_cost.client.transport import Transport, target
from otel_cost.client.values import Money
from otel_cost.errors import ConfigError
from tests.support import ports

_MONEY = b'{"nano_usd": 7, "usd": "0.000000007"}'
Behaviour = Callable[[BaseHTTPRequestHandler], None]


class StandIn:
    """Answers each request by the next behaviour, the last one for good. Remembers what came."""

    def __init__(self) -> None:
        self.behaviours: list[Behaviour] = []
        self.seen: list[tuple[str, str, bytes, str]] = []
        self.connections: set[int] = set()

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.seen.append((handler.command, handler.path, body, handler.headers.get("Authorization", "")))
        self.connections.add(handler.client_address[1])
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        behaviour(handler)


def says(status: int, body: bytes = _MONEY, **headers: str) -> Behaviour:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def problem(status: int, detail: str, field: str | None = None, **headers: str) -> Behaviour:
    said = {"type": "about:blank", "title": "x", "status": status, "detail": detail}
    return says(status, json.dumps({**said, "field": field} if field else said).encode(), **headers)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def half(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"key,usd\n")
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def url(stand_in: StandIn) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            stand_in.take(self)

        do_POST = do_PUT = do_GET

        def log_message(self, *_arguments: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError, ValueError):  # a behaviour closed the connection
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def transport(url: str, slept: list[float]) -> Iterator[Transport]:
    transport = Transport(url, "secret-key", 60.0, slept.append)
    yield transport
    transport.close()


def test_connections_are_kept_and_the_key_is_sent(stand_in: StandIn, transport: Transport) -> None:
    stand_in.behaviours = [says(200)]
    for _ in range(3):
        assert transport.get(Money, "/x", {}).nano_usd == 7
    assert len(stand_in.connections) == 1
    assert {seen[3] for seen in stand_in.seen} == {"Bearer secret-key"}


def test_a_read_is_repeated_as_long_as_the_server_asks_for(
    stand_in: StandIn, transport: Transport, slept: list[float]
) -> None:
    stand_in.behaviours = [problem(503, "busy", Retry_After="5"), problem(429, "slower", Retry_After="2"), says(200)]
    assert transport.get(Money, "/x", {}).nano_usd == 7
    assert slept == [5.0, 2.0]


def test_a_read_is_repeated_where_the_connection_breaks(
    stand_in: StandIn, transport: Transport, slept: list[float]
) -> None:
    stand_in.behaviours = [hangs_up, hangs_up, says(200)]
    assert transport.get(Money, "/x", {}).nano_usd == 7
    assert len(slept) == 2
    assert 0.05 <= slept[0] <= 0.1 <= slept[1] <= 0.2


def test_it_gives_up_in_the_end(stand_in: StandIn, transport: Transport) -> None:
    stand_in.behaviours = [problem(503, "the ledger cannot be read right now")]
    with pytest.raises(ApiUnavailable, match="cannot be read right now") as caught:
        transport.get(Money, "/x", {})
    assert (caught.value.status, len(stand_in.seen)) == (503, 4)


def test_it_waits_for_nothing_that_it_has_no_time_for(stand_in: StandIn, url: str, slept: list[float]) -> None:
    stand_in.behaviours = [problem(503, "busy", Retry_After="3600")]
    with closing(Transport(url, "", 5.0, slept.append)) as transport, pytest.raises(ApiUnavailable) as caught:
        transport.get(Money, "/x", {})
    assert (caught.value.retry_after_s, slept) == (3600.0, [])


def test_a_change_is_sent_once(stand_in: StandIn, transport: Transport) -> None:
    for behaviour in (problem(503, "busy"), hangs_up):
        stand_in.seen.clear()
        stand_in.behaviours = [behaviour]
        with pytest.raises(ApiUnavailable):
            transport.send(Money, "PUT", "/x", {}, {"a": 1}, repeatable=False)
        assert len(stand_in.seen) == 1


def test_what_the_server_knows_again_is_sent_again_the_same(stand_in: StandIn, url: str) -> None:
    stand_in.behaviours = [hangs_up, problem(400, "stop here", "kind")]
    with Client(url) as client, pytest.raises(ApiInvalid):
        client.record_llm("openai", "gpt-4o", 1, 2)
    assert len({body for _, _, body, _ in stand_in.seen}) == 1
    assert len(stand_in.seen) == 2
    assert json.loads(stand_in.seen[0][2])["id"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ApiInvalid), (409, ApiInvalid), (401, ApiDenied), (403, ApiDenied), (404, ApiNotFound), (500, ApiError)],
)
def test_problems_are_errors_of_their_kind(
    stand_in: StandIn, transport: Transport, status: int, kind: type[ApiError]
) -> None:
    stand_in.behaviours = [problem(status, "'tema' is not known", "tema")]
    with pytest.raises(ApiError) as caught:
        transport.get(Money, "/x", {})
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.field, error.detail) == (status, "tema", "'tema' is not known")
    assert str(error) == "tema: 'tema' is not known"
    assert len(stand_in.seen) == 1


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (says(200, b"<html>"), "is it an otel-cost serve of this version"),
        (says(200, b'{"usd": "1"}'), "nano_usd is missing"),
        (says(302, b""), "answered 302 without saying why"),
        (says(418, b"<html>a proxy"), "answered 418 without saying why"),
    ],
)
def test_another_server_is_told_apart(stand_in: StandIn, transport: Transport, behaviour: Behaviour, said: str) -> None:
    stand_in.behaviours = [behaviour]
    with pytest.raises(ApiError, match=said):
        transport.get(Money, "/x", {})


def test_nobody_there_says_so() -> None:
    (port,) = ports.free_ports(1)
    transport = Transport(f"http://127.0.0.1:{port}", "", 5.0, lambda _s: None)
    with pytest.raises(ApiUnavailable, match="cannot be reached") as caught:
        transport.get(Money, "/x", {})
    assert caught.value.status == 0


def test_an_answer_that_takes_too_long_is_not_waited_for(stand_in: StandIn, url: str) -> None:
    released = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        released.wait(20)

    stand_in.behaviours = [slow]
    try:
        with pytest.raises(ApiUnavailable, match="did not answer within"):
            Transport(url, "", 0.2, lambda _s: None).get(Money, "/x", {})
    finally:
        released.set()


def test_an_export_that_breaks_leaves_what_was_there(stand_in: StandIn, url: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    file.write_text("before")
    stand_in.behaviours = [half]
    with Client(url) as client, pytest.raises(ApiUnavailable, match="ended before its end"):
        client.export(file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
    assert len(stand_in.seen) == 1


def test_names_and_values_are_quoted() -> None:
    assert target("/x", {"a": "b c&d", "n": None, "yes": True, "no": False, "v": ["1", "2"], "none": []}) == (
        "/x?a=b+c%26d&yes=true&v=1&v=2"
    )
    assert target("/x", {}) == "/x"


@pytest.mark.parametrize(
    ("url", "key", "timeout_s", "said"),
    [
        ("localhost:4319", "", 1, "url: it needs http:// or https://"),
        ("http://u:p@h", "", 1, "has no place in it"),
        ("http://h", "a\nb", 1, "key: "),
        ("http://h", "", 0, "timeout_s is 0"),
    ],
)
def test_wrong_settings_say_which(url: str, key: str, timeout_s: float, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Client(url, key=key, timeout_s=timeout_s)
