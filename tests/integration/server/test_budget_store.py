"""The server's budget store over HTTP: what an app's store does there, and what it makes of a server that fails.

FEATURES B3, C9, E5.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from otel_cost.book_settings import ServerSettings
from otel_cost.budget_settings import BudgetSettings, BudgetStoreSettings
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores import MemoryStore, Store, store_of, wire
from otel_cost.budgets.stores.base import Change, Control, Post, Refused, Reserved, Settlement, Stale, Want
from otel_cost.budgets.stores.http import HttpStore
from otel_cost.config import Config
from otel_cost.errors import BudgetStoreBusy, BudgetStoreError, BudgetStoreUnavailable, ConfigError
from otel_cost.ledger import Ledger
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from otel_cost.server.budgets import store_url
from tests.integration.server.conftest import MAX_BODY
from tests.integration.server.serving import NOW, Server, serving
from tests.support import ports, waiting

KEY = "a key of the server"
ROW = RowKey("b", (("team", "search"),), "2026-01")
WANT = Want(ROW, 60, 100)
PATIENT_S = 20.0


class Gated(MemoryStore):
    """A store in memory whose reservations of ``slow`` wait for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def reserve(self, hold_id: str, wants: Any, **more: int) -> Reserved | Refused | Stale:
        if hold_id == "slow":
            self.waiting.set()
            assert self.gate.wait(60)
        return super().reserve(hold_id, wants, **more)


@pytest.fixture
def kept() -> Gated:
    """What the server keeps budgets in."""
    return Gated()


@pytest.fixture
def server(ledger: Ledger, pricer: Pricer, kept: Gated) -> Iterator[Server]:
    config = Config(server=ServerSettings(max_body_bytes=MAX_BODY, key=KEY))
    with serving(create_app(config, ledger=ledger, store=kept, pricer=pricer, clock=lambda: NOW)) as running:
        yield running
        kept.gate.set()


@contextmanager
def over_http(url: str, key: str = KEY, timeout_s: float = PATIENT_S) -> Iterator[HttpStore]:
    store = HttpStore(url, key, timeout_s)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(server: Server) -> Iterator[HttpStore]:
    with over_http(server.url) as opened:
        yield opened


def reserved(store: Store, hold_id: str = "h") -> Reserved | Refused | Stale:
    return store.reserve(hold_id, [WANT], version=store.controls().version, now_ns=1, expires_ns=10)


def test_every_method_does_what_it_does_there(store: HttpStore, kept: Gated) -> None:
    assert isinstance(reserved(store), Reserved)
    assert isinstance(reserved(store), Reserved)  # the same again
    assert isinstance(refused := reserved(store, "other"), Refused)
    assert refused.row.reserved_nano == 60
    assert store.renew(["h", "unknown"], expires_ns=20) == {"h"}
    ((posting,),) = store.settle([Settlement("k", (Post(ROW, 50, 100, (500_000,)),), "h")], version=0, now_ns=2)  # type: ignore[misc]
    (alert,) = posting.alerts
    assert store.settle([Settlement("k", (Post(ROW, 50, 100),), "h")], version=0, now_ns=2) == [[]]
    assert store.claim_untold(before_ns=100) == [alert]
    store.told([alert.id])
    assert store.alerts("b", state="active")[0].told
    acknowledged = store.set_alert(alert.id, "acknowledged", actor="me", now_ns=3)
    assert acknowledged is not None
    assert acknowledged.state == "acknowledged"
    assert store.set_alert(99, "resolved", actor="me", now_ns=3) is None
    store.change(Change("set", "b", ROW.scope, "me", "more", Control(500, "block")), now_ns=4)
    assert store.controls() == (1, {("b", ROW.scope): Control(500, "block")})
    assert store.reserve("h2", [WANT], version=0, now_ns=1, expires_ns=10) == Stale(1)
    assert [entry.reason for entry in store.audit("b")] == ["more"]
    assert store.correct([Settlement("k", (Post(ROW, 40, 100),))], now_ns=5) == 1
    assert store.read([ROW])[0].spent_nano == 40
    store.void("k", now_ns=6)
    assert [row.spent_nano for row in store.rows("b")] == [0]
    assert isinstance(reserved(store, "lapsing"), Reserved)
    assert [one.hold_id for one in store.sweep(now_ns=11, charge={"b"})] == ["lapsing"]
    assert [one.charged for one in store.lost(limit=1)] == [True]
    assert isinstance(store.reserve("h3", [Want(ROW, 1)], version=1, now_ns=1, expires_ns=10), Reserved)
    store.release(["h3", "unknown"])
    assert kept.read([ROW])[0] == store.read([ROW])[0]
    assert store.read([ROW])[0].reserved_nano == 0


@pytest.mark.parametrize("text", ["\0", "\ud83d", "\ud83d\ude00", "é" * 500, '"\\\n', "\N{GRINNING FACE}"])
def test_hostile_labels_are_rows_of_their_own(store: HttpStore, text: str) -> None:
    row = RowKey("b", (("team", text),), "")
    store.settle([Settlement(f"k-{len(text)}", (Post(row, 2**62, 1),))], version=0, now_ns=1)
    assert [state.spent_nano for state in store.read([row, ROW])] == [2**62, 0]
    assert store.rows("b")[0].row == row


def test_calls_share_a_connection(server: Server) -> None:
    with counting_proxy(server.url) as (url, connections), over_http(url) as store:
        for number in range(5):
            reserved(store, f"h{number}")
        assert len(connections) == 1


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "x", "é".encode().hex()])
def test_another_key_is_refused_and_the_setting_named(
    server: Server, kept: Gated, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with over_http(server.url, key) as store:
        for _ in range(2):
            with pytest.raises(BudgetStoreUnavailable, match=r"401.*OTEL_COST_BUDGET_STORE_KEY"):
                reserved(store)
    assert kept.read([ROW])[0].reserved_nano == 0
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert KEY not in caplog.text


def test_without_a_key_only_this_machine_may(ledger: Ledger, pricer: Pricer) -> None:
    app = create_app(Config(), ledger=ledger, pricer=pricer, clock=lambda: NOW)
    with serving(app) as running, over_http(running.url, "") as store:
        assert store.controls().version == 0
        # A proxy on this machine, or a page whose name resolves to it.
        response = _post(running, "controls", host="budgets.example.com")
        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert "OTEL_COST_SERVER_KEY" in response.json()["detail"]


@pytest.mark.parametrize(("client", "status"), [("10.1.2.3", 403), ("::ffff:10.1.2.3", 403), ("::1", 200)])
async def test_the_client_s_address_counts(ledger: Ledger, pricer: Pricer, client: str, status: int) -> None:
    app = create_app(Config(), ledger=ledger, pricer=pricer, clock=lambda: NOW)
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
        response = await web.post(
            f"{wire.PATH}/controls", content=b'{"wire":1}', headers={"content-type": "application/json"}
        )
    assert response.status_code == status


def _post(server: Server, method: str, body: bytes = b'{"wire":1}', **headers: str) -> httpx.Response:
    named = {"content-type": "application/json", "authorization": f"Bearer {KEY}", **headers}
    return server.http.post(f"{wire.PATH}/{method}", content=body, headers=named)


@pytest.mark.parametrize(
    ("method", "body", "status", "says"),
    [
        ("close", b'{"wire":1}', 404, "has no method"),
        ("__init__", b'{"wire":1}', 404, "has no method"),
        ("controls", b"not JSON", 400, "no JSON"),
        ("controls", b'{"wire":99}', 400, "versions differ"),
        ("told", b'{"wire":1,"alert_ids":[1.5]}', 400, "int is expected"),
        ("told", b"x" * (MAX_BODY + 1), 413, "server.max_body_bytes"),
    ],
)
def test_what_cannot_be_done_is_a_problem(server: Server, method: str, body: bytes, status: int, says: str) -> None:
    response = _post(server, method, body)
    assert response.status_code == status
    assert says in response.json()["detail"]
    assert response.headers["content-type"] == "application/problem+json"


def test_a_form_s_content_type_is_refused(server: Server) -> None:
    response = server.http.post(
        f"{wire.PATH}/controls",
        content=b'{"wire":1}',
        headers={"content-type": "text/plain", "authorization": f"Bearer {KEY}"},
    )
    assert response.status_code == 415


# --- a server that fails ----------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    (port,) = ports.free_ports(1)
    with over_http(f"http://127.0.0.1:{port}") as store, pytest.raises(BudgetStoreUnavailable, match="be reached"):
        store.controls()


def test_a_server_that_never_answers_is_away_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            over_http(url, timeout_s=0.2) as store,
            pytest.raises(BudgetStoreUnavailable, match="did not answer within"),
        ):
            reserved(store)


def test_one_that_answers_drop_by_drop_does_not_last_longer() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    away = pytest.raises(BudgetStoreUnavailable, match="did not answer within")
    with answering(head, forever=b"x") as url, over_http(url, timeout_s=0.3) as store, away:
        store.controls()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "cannot be reached"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "of one version"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"wire":2,"result":1}', "of one version"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope", "is it an otel-cost serve of version"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "answered 502"),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\n[]", "answered 503"),
    ],
)
def test_something_else_answers(answer: bytes, says: str) -> None:
    with answering(answer) as url, over_http(url) as store, pytest.raises(BudgetStoreUnavailable, match=says):
        store.controls()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """Of 127.0.0.1, signed by itself, and the server's side of it."""
    own, key = tmp_path / "own.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-out", own, "-keyout", key], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    return own, context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.parametrize("trusted", [True, False])
def test_a_server_behind_tls_has_to_be_who_it_says(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    own, context = certificate
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(own))
    body = b'{"wire":1,"result":{"version":3,"by_scope":[]}}'
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    with answering(answer, tls=context) as url, over_http(url.replace("http:", "https:")) as store:
        if trusted:
            assert store.controls().version == 3
        else:
            with pytest.raises(BudgetStoreUnavailable, match="certificate"):
                store.controls()


def test_a_connection_that_was_closed_meanwhile_is_no_outage(server: Server) -> None:
    with counting_proxy(server.url) as (url, connections), over_http(url) as store:
        store.controls()
        connections[0].shutdown(socket.SHUT_RDWR)
        assert isinstance(reserved(store), Reserved)
        assert len(connections) == 2


def test_a_change_is_never_sent_twice(server: Server, kept: Gated) -> None:
    """The answer gets lost: who made the change hears so, and it stands in the audit log once."""
    lose = threading.Event()
    with counting_proxy(server.url, lose) as (url, _), over_http(url) as store:
        store.controls()  # a connection is open by now
        lose.set()
        with pytest.raises(BudgetStoreUnavailable):
            store.change(Change("pause", "b", (), "me", "why"), now_ns=1)
    assert len(kept.audit()) == 1


def test_waiting_for_others_is_busy_not_away(server: Server, kept: Gated) -> None:
    """A blocking budget is closed then; while a store that answers nobody leaves it open."""
    with over_http(server.url, timeout_s=3.0) as store, over_http(server.url) as other:
        failed: list[BudgetStoreError] = []

        def ask() -> None:
            try:
                reserved(store, "slow")
            except BudgetStoreError as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert kept.waiting.wait(30)
        assert isinstance(reserved(other), Reserved)
        asking.join(30)
        assert [type(error) for error in failed] == [BudgetStoreBusy]


def test_what_is_reserved_too_late_is_given_back(server: Server, kept: Gated) -> None:
    with over_http(server.url, timeout_s=1.0) as store:
        with pytest.raises(BudgetStoreUnavailable):
            reserved(store, "slow")
        assert kept.read([ROW])[0].reserved_nano == 0
        given_back = threading.Event()
        release = kept.release

        def released(hold_ids: Any) -> None:
            release(hold_ids)
            given_back.set()

        kept.release = released  # type: ignore[method-assign]
        kept.gate.set()
        assert given_back.wait(30)
        assert kept.read([ROW])[0].reserved_nano == 0


def test_a_store_that_fails_there_is_told_as_it_is(server: Server, kept: Gated) -> None:
    def fail(error: BudgetStoreError) -> Callable[[], Any]:
        def controls() -> Any:
            raise error

        return controls

    with over_http(server.url) as store:
        kept.controls = fail(BudgetStoreBusy("a lock"))  # type: ignore[method-assign]
        with pytest.raises(BudgetStoreBusy, match="a lock"):
            store.controls()
        kept.controls = fail(BudgetStoreUnavailable("postgresql://secret"))  # type: ignore[method-assign]
        with pytest.raises(BudgetStoreUnavailable, match="503") as caught:
            store.controls()
        assert "secret" not in str(caught.value)


def test_a_forked_child_has_connections_of_its_own(server: Server) -> None:
    with counting_proxy(server.url) as (url, connections), over_http(url) as store:
        reserved(store, "parent")
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os._exit(0 if isinstance(reserved(store, "child"), Refused) else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert store.read([ROW])[0].reserved_nano == 60
        assert len(connections) == 2


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://a:b", "http://me:secret@host", "http://host/?x=1", "http://ho st", "http://h\n"],
)
def test_a_wrong_url_is_said(url: str) -> None:
    with pytest.raises(ConfigError, match=r"budget_store\.url") as caught:
        HttpStore(url)
    assert "secret" not in str(caught.value)


def test_a_key_that_cannot_be_sent_is_said() -> None:
    with pytest.raises(ConfigError, match=r"budget_store\.key"):
        HttpStore("http://127.0.0.1", "two\r\nlines: x")


def test_the_settings_name_it() -> None:
    budgets = (BudgetSettings("b", Decimal(1), timeout="2s"), BudgetSettings("c", Decimal(1), timeout="100ms"))
    store = store_of(Config(budgets=budgets, budget_store=BudgetStoreSettings(url="https://host/below")))
    assert isinstance(store, HttpStore)
    store.close()


@pytest.mark.parametrize("key", ["short", "x" * 15, "x" * 15 + "é", "x" * 16 + "\n"])
def test_the_server_s_key_is_checked(key: str) -> None:
    with pytest.raises(ValueError, match="16 ASCII"):
        ServerSettings(key=key)


@pytest.mark.parametrize(
    ("book", "own", "expected"),
    [
        ("sqlite:///otel-cost.db", "", "sqlite:///otel-cost-budgets.db"),
        ("sqlite:////var/lib/book.sqlite?timeout=3", "", "sqlite:////var/lib/book-budgets.db"),
        ("sqlite://", "", ""),
        ("sqlite:///:memory:", "", ""),
        ("postgresql+psycopg://u:p%40@db:1/x", "", "postgresql://u:p%40@db:1/x"),
        ("sqlite:///otel-cost.db", "sqlite:///mine.db", "sqlite:///mine.db"),
    ],
)
def test_a_server_keeps_budgets_beside_its_book(book: str, own: str, expected: str) -> None:
    config = Config(server=ServerSettings(database=book), budget_store=BudgetStoreSettings(url=own))
    assert store_url(config) == expected


def test_a_server_that_is_told_to_ask_a_server_says_so() -> None:
    with pytest.raises(ConfigError, match="keeps the budgets itself"):
        store_url(Config(budget_store=BudgetStoreSettings(url="http://127.0.0.1:4319")))


# --- other ends of a connection ---------------------------------------------------------------------------------------


@contextmanager
def answering(answer: bytes, *, forever: bytes = b"", tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Something on a port that answers every request with ``answer``, closes, and before that goes on ``forever``."""
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ended.is_set():
            with suppress(OSError), _accepted(listener, tls) as connection:
                request = b""
                while not request.endswith(b"}") and (more := connection.recv(2**16)):
                    request += more  # whoever closes with something unread resets the connection
                connection.sendall(answer)
                while forever and not ended.wait(0.02):
                    connection.sendall(forever)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            with suppress(OSError):
                socket.create_connection(listener.getsockname()).close()
            thread.join()


def _accepted(listener: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    connection, _ = listener.accept()
    if tls is None:
        return connection
    with connection:
        return tls.wrap_socket(connection, server_side=True)


@contextmanager
def counting_proxy(url: str, lose: threading.Event | None = None) -> Iterator[tuple[str, list[socket.socket]]]:
    """A port that stands for ``url``, and the connections that clients made to it. Once ``lose`` is set, it closes a
    connection instead of passing an answer on."""
    target = ("127.0.0.1", int(url.rpartition(":")[2]))
    clients: list[socket.socket] = []
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def pass_on(source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                if is_answer and lose is not None and lose.is_set():
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection(target)
                clients.append(client)
                servers.append(server)
                for ends in ((client, server, False), (server, client, True)):
                    threads.append(threading.Thread(target=pass_on, args=ends))
                    threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=serve, args=(listener,))
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", clients
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for end in (*clients, *servers):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            waiting.until(lambda: not any(thread.is_alive() for thread in threads), "the proxy's threads to end")
            for end in (*clients, *servers):
                end.close()
