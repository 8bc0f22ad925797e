"""Who is on this machine, where nobody has a key: no proxy, no page whose name resolves here, no other page."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from otel_cost.server.security_loopback import is_foreign_page, is_local


def _request(client: str | None, *headers: tuple[str, str]) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    where = (client, 1234) if client is not None else None
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw, "client": where, "scheme": "http"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:4319", "localhost:4319", "LOCALHOST", "[::1]:4319"])
@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine(client: str, host: str) -> None:
    assert is_local(_request(client, ("host", host)))


@pytest.mark.parametrize("client", [None, "10.1.2.3", "192.0.2.1", "::ffff:10.1.2.3", "fe80::1", "", "localhost.evil"])
def test_another_client(client: str | None) -> None:
    assert not is_local(_request(client, ("host", "127.0.0.1")))


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("host", ""),),
        (("host", "costs.example.com"),),
        (("host", "localhost.example.com:4319"),),
        (("host", "127.0.0.1.nip.io"),),
        (("host", "costs.example.com@127.0.0.1"),),
        (("host", "127.0.0.1/costs.example.com"),),
        (("host", "[::1].example.com"),),
        (("host", "127.0.0.1"), ("host", "costs.example.com")),
        *(
            (("host", "127.0.0.1"), (name, "127.0.0.1"))
            for name in ("x-forwarded-for", "forwarded", "via", "x-real-ip")
        ),
    ],
)
def test_somebody_who_asks_for_others(headers: tuple[tuple[str, str], ...]) -> None:
    assert not is_local(_request("127.0.0.1", *headers))


@pytest.mark.parametrize(
    ("method", "headers", "foreign"),
    [
        ("POST", {}, False),
        ("POST", {"origin": "http://127.0.0.1:4319"}, False),
        ("POST", {"origin": "https://costs.example.com"}, False),
        ("POST", {"origin": "https://evil.example.com"}, True),
        ("DELETE", {"origin": "null"}, True),
        ("POST", {"origin": "http://127.0.0.1:8000"}, True),
        ("POST", {"sec-fetch-site": "cross-site"}, True),
        ("POST", {"sec-fetch-site": "same-origin"}, False),
        ("GET", {"origin": "https://evil.example.com"}, False),
    ],
)
def test_pages_of_other_sites(method: str, headers: dict[str, str], foreign: bool) -> None:
    given = Headers({"host": "127.0.0.1:4319", **headers})
    assert is_foreign_page(method, given, ("https://costs.example.com",)) is foreign
