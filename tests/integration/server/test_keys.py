"""Keys on a real server, on SQLite and PostgreSQL: who is let in, how keys are made and ended.

FEATURES B15, C13, E11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from otel_cost.book_settings import ServerSettings
from otel_cost.config import Config
from otel_cost.ledger import audit
from otel_cost.ledger.keys import AccessKeys
from otel_cost.ledger.schema import access_keys
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.pricing import Pricer
from otel_cost.server.access import FAILURES_A_MINUTE
from otel_cost.server.app import create_app
from otel_cost.server.roles import Role
from tests.integration.server.keyed import bearer, client, key
from tests.integration.server.serving import NOW, PROTOBUF, Server, chat, serving, span, traces
from tests.support import waiting
from tests.support.postgres import Postgres, postgres_server

OF_SETTINGS = "the key of the settings"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def book_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'book.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    name = f"keys_{abs(hash(request.node.name))}"
    server.run(f"CREATE DATABASE {name}")
    return server.url(name)


@pytest.fixture
def book(book_url: str) -> Iterator[SqlLedger]:
    with open_ledger(book_url) as opened:
        yield opened


Starts = Callable[..., Server]


@pytest.fixture
def start(book_url: str, pricer: Pricer) -> Iterator[Starts]:
    """Starts replicas over one database."""
    with ExitStack() as stack:

        def started(clock: Callable[[], int] = lambda: NOW, **settings: object) -> Server:
            ledger = stack.enter_context(open_ledger(book_url))
            config = Config(server=ServerSettings(**settings))  # type: ignore[arg-type]
            return stack.enter_context(serving(create_app(config, ledger=ledger, pricer=pricer, clock=clock)))

        yield started


def _status(server: Server, text: str, path: str = "/api/v1/costs/summary") -> int:
    return server.http.get(path, headers=dict(bearer(text))).status_code


def test_from_the_first_key_on_everybody_needs_one(start: Starts, book: SqlLedger) -> None:
    server = start()
    assert server.http.get("/api/v1/costs/summary").status_code == 200
    made = server.http.post("/api/v1/keys", json={"name": "ops", "role": "admin"})
    assert made.status_code == 201
    assert made.json()["state"] == "valid"
    text = made.json()["key"]
    for path in ("/api/v1/costs/summary", "/api/v1/keys", "/metrics", "/openapi.json", "/absent", "/healthz/x"):
        refused = server.http.get(path)
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"] == 'Bearer realm="otel-cost"'
        assert refused.headers["content-type"] == "application/problem+json"
    assert server.http.get("/healthz").status_code == 200
    assert _status(server, text) == 200
    assert server.http.get("/metrics", headers={"x-api-key": text}).status_code == 200
    assert [entry.actor for entry in audit.newest(book)] == ["local"]
    # The last one is over: it does not open the book to everybody again.
    key_id = made.json()["id"]
    assert server.http.delete(f"/api/v1/keys/{key_id}", headers=dict(bearer(text))).json()["state"] == "revoked"
    assert _status(server, text) == 401
    assert server.http.get("/api/v1/costs/summary").status_code == 401


def test_what_a_key_goes_through_by_rest(start: Starts, book: SqlLedger) -> None:
    server = start()
    with client(server.url, key(book, Role.ADMIN)) as admin:
        body = {"name": "search app", "role": "viewer", "scope": {"team": "search"}, "expires": "90d"}
        made = admin.post("/api/v1/keys", json=body).json()
        assert made["scope"] == {"team": "search"}
        assert made["expires"] > made["created"]
        assert _status(server, made["key"]) == 200
        turned = admin.post(f"/api/v1/keys/{made['id']}/rotate", json={"grace": "1h"})
        assert turned.status_code == 201
        assert [_status(server, text) for text in (made["key"], turned.json()["key"])] == [200, 200]
        at_once = admin.post(f"/api/v1/keys/{turned.json()['id']}/rotate", json={"grace": "0s"}).json()
        assert [_status(server, text) for text in (turned.json()["key"], at_once["key"])] == [401, 200]
        without = admin.post(f"/api/v1/keys/{at_once['id']}/rotate")
        assert without.status_code == 201, "the grace is a day where none is said"
        listed = admin.get("/api/v1/keys").json()["keys"]
        assert len(listed) == 5
        assert all("key" not in one and "hash" not in one for one in listed)
        assert made["key"].rpartition("_")[2] not in str(listed)
    assert [entry.action for entry in audit.newest(book)][:3] == ["key.rotated"] * 3


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"role": "viewer"}, "name", "Field required"),
        ({"name": "", "role": "viewer"}, "name", "printable"),
        ({"name": "x", "role": "root"}, "role", "ingest"),
        ({"name": "x", "role": "viewer", "scope": {"user": "ada"}}, "scope", "cannot be bound to 'user'"),
        ({"name": "x", "role": "admin", "scope": {"team": "a"}}, "scope", "an admin key has no scope"),
        ({"name": "x", "role": "viewer", "expires": "soon"}, "expires", "not a duration"),
        ({"name": "x", "role": "viewer", "hash": "0"}, "hash", "Extra inputs"),
    ],
)
def test_wrong_wishes_name_the_field(server: Server, body: object, field: str, says: str) -> None:
    response = server.http.post("/api/v1/keys", json=body)
    assert response.status_code == 400
    assert response.json()["field"] == field
    assert says in response.json()["detail"]
    assert server.http.get("/api/v1/keys").json() == {"keys": []}


def test_unknown_keys_are_404(server: Server) -> None:
    for response in (
        server.http.delete("/api/v1/keys/absent"),
        server.http.post("/api/v1/keys/absent/rotate", json={}),
    ):
        assert response.status_code == 404
        assert "keys list" in response.json()["detail"]


def test_roles_are_kept_apart(start: Starts, book: SqlLedger) -> None:
    server = start()
    may = {
        ("GET", "/api/v1/costs/summary"): {Role.VIEWER, Role.EDITOR, Role.ADMIN},
        ("GET", "/metrics"): {Role.VIEWER, Role.EDITOR, Role.ADMIN},
        ("GET", "/api/v1/keys"): {Role.ADMIN},
        ("POST", "/api/v1/keys"): {Role.ADMIN},
        ("DELETE", "/api/v1/keys/absent"): {Role.ADMIN},
        ("POST", "/v1/traces"): {Role.INGEST, Role.ADMIN},
        ("POST", "/v1/logs"): {Role.INGEST, Role.ADMIN},
        ("POST", "/api/v1/budget-store/reserve"): {Role.INGEST, Role.ADMIN},
        ("POST", "/api/v1/budget-store/controls"): set(Role) - {Role.EDITOR} | {Role.EDITOR},
        ("POST", "/api/v1/budget-store/change"): {Role.EDITOR, Role.ADMIN},
        ("POST", "/api/v1/budget-store/audit"): {Role.VIEWER, Role.EDITOR, Role.ADMIN},
        ("POST", "/api/v1/budget-store/void"): {Role.ADMIN},
        ("POST", "/api/v1/budget-store/correct"): {Role.ADMIN},
    }
    for role in Role:
        with client(server.url, key(book, role)) as asking:
            for (method, path), roles in may.items():
                response = asking.request(method, path, content=b"", headers={"content-type": "application/json"})
                assert (response.status_code == 403) is (role not in roles), (role, method, path, response.text)
                if role not in roles:
                    assert f"a key of role {role} may not do this" in response.text


def test_wrong_keys(start: Starts, book: SqlLedger) -> None:
    now = [NOW]
    server = start(clock=lambda: now[0])
    text = key(book, Role.VIEWER, expires_s=60.0)
    other = key(book, Role.ADMIN)
    wrong = [
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        text[:17] + other[17:],
        text.upper(),
        f"otc_{'0' * 12}_{text[17:]}",
        "otc_é_x".encode().decode("latin-1"),
        "Bearer",
    ]
    for guess in wrong:
        response = server.http.get("/api/v1/costs/summary", headers={"x-api-key": guess.encode("latin-1")})
        assert response.status_code == 401, guess
        assert response.json()["detail"] == "the key is wrong"
    assert _status(server, text) == 200
    now[0] += 60 * 10**9
    expired = server.http.get("/api/v1/costs/summary", headers=dict(bearer(text)))
    assert expired.status_code == 401
    assert "has expired" in expired.json()["detail"]


def test_revoked_on_one_replica_it_is_refused_by_all(start: Starts, book: SqlLedger) -> None:
    first, second = start(), start()
    text, admin = key(book, Role.VIEWER), key(book, Role.ADMIN)
    assert [_status(server, text) for server in (first, second)] == [200, 200]
    first.http.delete(f"/api/v1/keys/{text.split('_')[1]}", headers=dict(bearer(admin)))
    assert _status(first, text) == 401
    waiting.until(lambda: _status(second, text) == 401, "the other replica to refuse it")


def test_a_stream_ends_when_its_key_is_revoked(start: Starts, book: SqlLedger) -> None:
    server = start()
    text = key(book, Role.VIEWER)
    with (
        client(server.url, text) as mine,
        mine.stream("GET", "/api/v1/costs/stream", params={"heartbeat_s": "1"}) as stream,
    ):
        assert stream.status_code == 200
        AccessKeys(book).revoke(text.split("_")[1], actor="tests", now_ns=NOW)
        for number, _ in enumerate(stream.iter_text()):  # to its end
            assert number < 60, "it goes on, with a comment each second"


def test_a_key_made_elsewhere_closes_a_server_that_was_open(start: Starts, book: SqlLedger) -> None:
    server = start()
    assert server.http.get("/api/v1/costs/summary").status_code == 200
    key(book, Role.VIEWER)
    waiting.until(lambda: server.http.get("/api/v1/costs/summary").status_code == 401, "the server to hear of the key")


def test_when_it_was_used_is_written_down(start: Starts, book: SqlLedger) -> None:
    server = start()
    text = key(book, Role.VIEWER)
    for _ in range(3):
        assert _status(server, text) == 200
    keys = AccessKeys(book)

    def used() -> bool:
        return keys.all()[0].last_used_ns == NOW

    waiting.until(used, "the use to be written down")


def test_the_key_of_the_settings_is_an_admins(start: Starts) -> None:
    server = start(key=OF_SETTINGS)
    assert server.http.get("/api/v1/keys").status_code == 401
    assert _status(server, OF_SETTINGS + "x") == 401
    assert _status(server, OF_SETTINGS, "/api/v1/keys") == 200
    sent = server.send(traces(span(chat())), **bearer(OF_SETTINGS))
    assert sent.status_code == 200


def test_a_sender_of_otlp_is_told_in_its_own_words(start: Starts, book: SqlLedger) -> None:
    server = start(key=OF_SETTINGS)
    refused = server.send(traces(span(chat())))
    assert refused.status_code == 401
    assert refused.headers["content-type"] == PROTOBUF
    assert b"this takes a key" in refused.content
    as_json = server.send(b"{}", "application/json")
    assert "this takes a key" in as_json.json()["message"]
    reader = server.send(b"{}", "application/json", **bearer(key(book, Role.VIEWER)))
    assert (reader.status_code, "it takes ingest" in reader.json()["message"]) == (403, True)


def test_who_guesses_is_put_off_and_others_are_not(start: Starts, book: SqlLedger) -> None:
    server = start()
    text, later = key(book, Role.VIEWER), key(book, Role.VIEWER)
    assert _status(server, text) == 200
    guesses = [_status(server, f"otc_{number:012x}_{'0' * 64}") for number in range(FAILURES_A_MINUTE + 3)]
    assert guesses[:FAILURES_A_MINUTE] == [401] * FAILURES_A_MINUTE
    put_off = server.http.get("/api/v1/costs/summary", headers=dict(bearer("otc_guess")))
    assert put_off.status_code == 429
    assert int(put_off.headers["retry-after"]) >= 1
    assert "too many wrong keys" in put_off.json()["detail"]
    assert _status(server, text) == 200, "its key was right before"
    assert _status(server, later) == 429, "even a right guess is not told"


def test_keys_that_cannot_be_looked_up_open_nothing(start: Starts, book: SqlLedger, book_url: str) -> None:
    """A damaged table is no reason to let anybody in."""
    text = key(book, Role.VIEWER)
    server = start()
    with book.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE access_keys RENAME TO gone")
    response = server.http.get("/api/v1/costs/summary", headers=dict(bearer(text)))
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "access_keys" not in response.text
    assert server.http.get("/healthz").status_code == 200


def test_a_role_that_is_not_known_opens_nothing(start: Starts, book: SqlLedger) -> None:
    """A row of a newer release, or of somebody who edits tables."""
    text = key(book, Role.VIEWER)
    with book.transaction() as connection:
        connection.execute(update(access_keys).values(role="root"))
    response = start().http.get("/api/v1/costs/summary", headers=dict(bearer(text)))
    assert response.status_code == 401


async def test_without_keys_other_machines_are_refused_and_told_what_to_do(book: SqlLedger, pricer: Pricer) -> None:
    app = create_app(Config(), ledger=book, pricer=pricer, clock=lambda: NOW)
    for address, status in (("10.1.2.3", 403), ("127.0.0.1", 200)):
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
            response = await web.get("/api/v1/costs/summary")
            assert response.status_code == status
            if status == 403:
                assert "otel-cost keys create" in response.json()["detail"]
            assert (await web.get("/healthz")).status_code == 200
