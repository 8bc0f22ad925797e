"""What is not OTLP gets a clear answer in the sender's own encoding, and nothing is booked."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest
from google.rpc.status_pb2 import Status

from tests.integration.server.conftest import MAX_BODY
from tests.integration.server.serving import JSON, PROTOBUF, Server, chat, span, traces

_DEEP = b'{"resourceSpans":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
_NESTED_VALUE = b'{"arrayValue":{"values":[' * 200 + b"]}}" * 200
_NESTED = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":' + _NESTED_VALUE + b"}]}}]}"


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status", "says"),
    [
        (b"\xff\xff\xff", PROTOBUF, "", 400, "not a valid OTLP request"),
        (b"{", JSON, "", 400, "not a valid OTLP request"),
        (b"[]", JSON, "", 400, "not an object"),
        (b'{"\\ud800": 1}', JSON, "", 400, "not a valid OTLP request"),
        (b"\xff{}", JSON, "", 400, "not a valid OTLP request"),
        (b'{"resourceSpans": 5, "resourceLogs": 5}', JSON, "", 400, "not a valid OTLP request"),
        (_DEEP, JSON, "", 400, "not a valid OTLP request"),
        (b"not gzip", PROTOBUF, "gzip", 400, "not valid gzip"),
        (gzip.compress(b"{}")[:-9], JSON, "gzip", 400, "ends too early"),
        (b"", JSON, "gzip", 400, "not a valid OTLP request"),
        (b"{}", JSON, "br", 415, "Content-Encoding must be"),
        (b"{}", JSON, "gzip, gzip", 415, "Content-Encoding must be"),
        (b"{}", "text/plain", "", 415, "Content-Type must be"),
        (b"{}", "", "", 415, "Content-Type must be"),
        (b" " * (MAX_BODY + 1), PROTOBUF, "", 413, f"larger than {MAX_BODY} bytes"),
        (gzip.compress(b" " * (MAX_BODY + 1)), JSON, "gzip", 413, "once decompressed"),
        (zlib.compress(b"\0" * 100_000_000), PROTOBUF, "deflate", 413, "once decompressed"),
    ],
    ids=[
        "no-protobuf", "no-json", "json-list", "half-a-character", "no-utf8", "wrong-type", "deep", "no-gzip",
        "torn-gzip", "empty-gzip", "brotli", "twice", "text", "no-type", "large", "large-inside", "bomb",
    ],
)  # fmt: skip
def test_refused_with_the_reason(
    server: Server, path: str, body: bytes, content_type: str, encoding: str, status: int, says: str
) -> None:
    response = server.send(body, content_type, path, **({"content_encoding": encoding} if encoding else {}))
    assert response.status_code == status
    if content_type == PROTOBUF:
        assert response.headers["content-type"] == PROTOBUF
        message = Status.FromString(response.content).message
    else:
        assert response.headers["content-type"] == JSON
        message = response.json()["message"]
    assert says in message
    assert server.summary()["total"] == server.summary(team="nobody")["total"]


def test_values_nested_beyond_reason_are_refused(server: Server) -> None:
    assert server.send(_NESTED, JSON).status_code == 400


def test_a_body_that_does_not_say_its_length_is_cut_off_too(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    response = server.http.post("/v1/traces", content=chunks(), headers={"content-type": JSON})
    assert response.status_code == 413


def test_the_largest_allowed_body_is_taken(server: Server) -> None:
    body = json.dumps({"resourceSpans": []}).encode()
    assert server.send(body.ljust(MAX_BODY), JSON).status_code == 200
    assert server.send(gzip.compress(body.ljust(MAX_BODY)), JSON, content_encoding="gzip").status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/traces", 405), ("GET", "/nothing", 404)])
def test_other_paths_and_methods_are_problems(server: Server, method: str, path: str, status: int) -> None:
    response = server.http.request(method, path)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["status"]) == (status, status)


def test_the_server_goes_on_after_all_that(server: Server) -> None:
    server.send(_DEEP, JSON)
    server.send(b"\xff", PROTOBUF)
    assert server.send(traces(span(chat()))).status_code == 200
    assert server.nano() > 0
