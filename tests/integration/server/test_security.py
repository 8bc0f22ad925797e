"""What stands in front of all routes: headers on every answer, CORS, how often one may ask. FEATURES C13."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from otel_cost.book_settings import ServerSettings
from otel_cost.budgets.stores import wire
from otel_cost.config import Config
from otel_cost.ledger.sql import SqlLedger
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from otel_cost.server.roles import Role
from otel_cost.server.security import SECURITY_HEADERS
from tests.integration.server.keyed import bearer, client, key
from tests.integration.server.serving import JSON, NOW, Server, chat, serving, span, traces

PAGE = "https://costs.example.com"
SUMMARY = "/api/v1/costs/summary"


@contextmanager
def _with(ledger: SqlLedger, pricer: Pricer, settings: ServerSettings) -> Iterator[Server]:
    app = create_app(Config(server=settings), ledger=ledger, pricer=pricer, clock=lambda: NOW)

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("of the tests")

    with serving(app) as running:
        yield running


# --- headers ----------------------------------------------------------------------------------------------------------


def test_security_headers_are_on_every_answer(ledger: SqlLedger, pricer: Pricer) -> None:
    with _with(ledger, pricer, ServerSettings(max_body_bytes=1024, cors_origins=(PAGE,))) as server:
        answers = {
            200: server.http.get(SUMMARY),
            201: server.http.post("/api/v1/keys", json={"name": "x", "role": "viewer"}),
        }
        refused = server.http.get(SUMMARY)
        key_text = answers[201].json()["key"]
    with _with(ledger, pricer, ServerSettings(max_body_bytes=1024, cors_origins=(PAGE,), key="k" * 16)) as server:
        with client(server.url, "k" * 16) as admin:
            answers |= {
                400: admin.get(SUMMARY, params={"days": "x"}),
                404: admin.get("/absent"),
                405: admin.put(SUMMARY),
                413: admin.post("/v1/traces", content=b"x" * 2000, headers={"content-type": JSON}),
                415: admin.post("/v1/traces", content=b"x"),
                500: admin.get("/fails"),
            }
        answers |= {401: server.http.get(SUMMARY), 403: server.http.get("/api/v1/keys", headers=dict(bearer(key_text)))}
        preflight = server.http.options(SUMMARY, headers={"origin": PAGE, "access-control-request-method": "GET"})
        healthy = server.http.get("/healthz")
    assert refused.status_code in (200, 401)
    for status, answer in {**answers, 200: preflight}.items():
        assert answer.status_code == status, answer.text
    for answer in (*answers.values(), preflight, healthy, refused):
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.get(name) == value, (answer.status_code, name)
    assert "of the tests" not in answers[500].text
    assert answers[500].headers["content-type"] == "application/problem+json"


# --- other origins ----------------------------------------------------------------------------------------------------


def _preflight(server: Server, origin: str) -> dict[str, str]:
    asked = {
        "origin": origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }
    response = server.http.options(SUMMARY, headers=asked)
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def test_pages_of_other_origins_may_nothing_by_default(server: Server) -> None:
    assert _preflight(server, PAGE) == {}
    read = server.http.get(SUMMARY, headers={"origin": PAGE})
    assert not [name for name in read.headers if name.startswith("access-control-")]
    # A browser sends this without asking first.
    for sent in (
        server.http.post("/api/v1/keys", content=b'{"name":"x","role":"admin"}', headers={"origin": PAGE}),
        server.send(traces(span(chat())), origin="null"),
    ):
        assert sent.status_code == 403
    assert server.http.get("/api/v1/keys").json() == {"keys": []}


def test_pages_of_named_origins_may_with_a_key(ledger: SqlLedger, pricer: Pricer) -> None:
    text = key(ledger, Role.VIEWER)
    with _with(ledger, pricer, ServerSettings(cors_origins=(PAGE,))) as server:
        allowed = _preflight(server, PAGE)
        assert allowed["access-control-allow-origin"] == PAGE
        assert "authorization" in allowed["access-control-allow-headers"].lower()
        for origin in (
            f"{PAGE}.evil.example",
            "https://example.com",
            "null",
            "http://costs.example.com",
            f"{PAGE}:444",
        ):
            assert "access-control-allow-origin" not in _preflight(server, origin), origin
        assert "access-control-allow-credentials" not in allowed
        read = server.http.get(SUMMARY, headers={"origin": PAGE, **bearer(text)})
        assert read.headers["access-control-allow-origin"] == PAGE
        refused = server.http.get(SUMMARY, headers={"origin": PAGE})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)


# --- how often --------------------------------------------------------------------------------------------------------


def test_each_key_may_ask_so_often_in_a_minute(ledger: SqlLedger, pricer: Pricer) -> None:
    first, second = key(ledger, Role.ADMIN), key(ledger, Role.VIEWER)
    with (
        _with(ledger, pricer, ServerSettings(rate_limit=3)) as server,
        client(server.url, first) as asking,
        client(server.url, second) as other,
    ):
        answers = [asking.get(SUMMARY) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert answers[0].headers["ratelimit-policy"] == '"minute";q=3;w=60'
        assert 1 <= int(answers[3].headers["retry-after"]) <= 20
        assert "server.rate_limit" in answers[3].json()["detail"]
        assert other.get(SUMMARY).status_code == 200
        # What apps send while they work is not counted, nor are probes.
        for _ in range(5):
            assert asking.get("/healthz").status_code == 200
            sent = asking.post(
                "/v1/traces", content=traces(span(chat())), headers={"content-type": "application/x-protobuf"}
            )
            assert sent.status_code == 200
            called = asking.post(f"{wire.PATH}/controls", content=b'{"wire":1}', headers={"content-type": JSON})
            assert called.status_code == 200


def test_without_keys_each_address_may(ledger: SqlLedger, pricer: Pricer) -> None:
    with _with(ledger, pricer, ServerSettings(rate_limit=2)) as server:
        assert [server.http.get(path).status_code for path in (SUMMARY, "/absent", SUMMARY)] == [200, 404, 429]


def test_no_limit_by_default(server: Server) -> None:
    answers = [server.http.get(SUMMARY) for _ in range(5)]
    assert all(answer.status_code == 200 and "ratelimit" not in answer.headers for answer in answers)


def test_a_proxy_on_this_machine_speaks_for_others(server: Server) -> None:
    for headers in ({"x-forwarded-for": "127.0.0.1"}, {"via": "1.1 proxy"}, {"host": "costs.example.com"}):
        assert server.http.get(SUMMARY, headers=headers).status_code == 403
        assert server.http.get("/healthz", headers=headers).status_code == 200
