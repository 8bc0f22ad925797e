"""A key with a scope sends and reads what is within it, and there is no way to anything else. FEATURES C13, B15.

What the other team has is marked: none of it may be in any answer, whatever is asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_cost import semconv, wire
from otel_cost.book_settings import ServerSettings
from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores import MemoryStore
from otel_cost.budgets.stores import wire as store_wire
from otel_cost.budgets.stores.base import Post, Settlement, Want
from otel_cost.budgets.stores.http import HttpStore
from otel_cost.config import Config, LabelSettings
from otel_cost.errors import BudgetStoreUnavailable
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.model import CostRecord
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from otel_cost.server.roles import Role
from tests.contract.ledger.books import NOON, by, priced, record
from tests.integration.server.keyed import bearer, client, key
from tests.integration.server.serving import NOW, Server, chat, pairs, request, serving, span, traces
from tests.support.expected import Call

PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd
MARK: Final = "zzmark"
"""In every name and value that is the other team's, so that it is seen in any answer."""
OTHER_NANO: Final = 987_654_321
EVER = {"from": "1970-01-01", "to": "2100-01-01"}


@dataclass(frozen=True)
class Place:
    server: Server
    ledger: SqlLedger
    store: MemoryStore
    sends: str
    reads: str

    def total(self, **filters: str) -> Any:
        return self.as_admin("/api/v1/costs/summary", **EVER, **filters).json()["total"]

    def nano(self, **filters: str) -> int:
        return int(self.total(**filters)["cost"]["nano_usd"])

    def as_admin(self, path: str, **parameters: str) -> httpx.Response:
        return self.server.http.get(path, params=parameters, headers={"x-api-key": ADMIN})

    def send(self, body: bytes, text: str = "", path: str = "/v1/traces") -> httpx.Response:
        response = self.server.send(body, path=path, **bearer(text or self.sends))
        assert response.status_code == 200, response.text
        return response


ADMIN: Final = "the key of the settings"


@pytest.fixture
def place(tmp_path: Path, pricer: Pricer) -> Iterator[Place]:
    """A server with two keys for the team search; the team chat has spent as well."""
    store = MemoryStore()
    config = Config(
        server=ServerSettings(key=ADMIN),
        labels=LabelSettings(static={"team": "platform"}),
        budgets=(
            BudgetSettings(name="by-team", amount_usd=Decimal(100), period="total", per=("team",), action="block"),
            BudgetSettings(name="all", amount_usd=Decimal(100), period="total", action="block"),
        ),
    )
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as ledger:
        ledger.write([_others(number) for number in range(3)], booked_at_ns=NOW)
        sends, reads = (key(ledger, role, team="search") for role in (Role.INGEST, Role.VIEWER))
        with serving(create_app(config, ledger=ledger, store=store, pricer=pricer, clock=lambda: NOW)) as server:
            yield Place(server, ledger, store, sends, reads)


def _others(number: int) -> CostRecord:
    """A call of the other team, marked all over."""
    made = record(
        900 + number,
        priced(OTHER_NANO, catalog=f"{MARK}-catalog"),
        team="chat",
        **{name: f"{MARK}-{name}" for name in ("user", "session", "execution", "workspace", "agent", "conversation")},
    )
    return replace(
        made,
        operation=f"{MARK}-operation",
        provider=f"{MARK}-provider",
        model_requested=f"{MARK}-model",
        model_answered=f"{MARK}-model",
        response_id=f"{MARK}-response-{number}",
    )


def _rejected(response: httpx.Response) -> tuple[int, str]:
    said = ExportTraceServiceResponse.FromString(response.content).partial_success
    return said.rejected_spans, said.error_message


# --- what it sends ----------------------------------------------------------------------------------------------------


def test_a_label_that_is_not_said_is_filled_in(place: Place) -> None:
    assert _rejected(place.send(traces(span(chat())))) == (0, "")
    assert _rejected(place.send(traces(span(chat()), team="search"))) == (0, "")
    assert place.nano(team="search") == 2 * PRICE
    assert place.nano(team="platform") == 0, "a label of the server's settings is not the sender's word"


def test_what_says_another_value_is_refused_and_the_rest_is_booked(place: Place) -> None:
    body = traces(span(chat()), span(chat(**{"otel_cost.team": "chat"})), span(chat(**{"otel_cost.team": "search"})))
    count, reason = _rejected(place.send(body))
    assert count == 1
    assert "team is 'chat', and this key is for team=search" in reason
    assert place.nano(team="search") == 2 * PRICE
    assert place.nano(team="chat") == 3 * OTHER_NANO
    assert _rejected(place.send(traces(span(chat()), span(chat()), team="chat")))[0] == 2


def _log(of: CostRecord) -> bytes:
    log = LogRecord(event_name=semconv.EVENT_CHARGE, attributes=pairs(wire.record_to_attributes(of)))  # type: ignore[arg-type]
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[log])])]
    ).SerializeToString()


def _rejected_logs(response: httpx.Response) -> tuple[int, str]:
    said = ExportLogsServiceResponse.FromString(response.content).partial_success
    return said.rejected_log_records, said.error_message


def test_charge_events_too(place: Place) -> None:
    unlabelled = replace(record(1, priced(111)), labels={})
    assert _rejected_logs(place.send(_log(unlabelled), path="/v1/logs")) == (0, "")
    assert place.nano(team="search") == 111
    count, reason = _rejected_logs(place.send(_log(record(2, priced(222), team="chat")), path="/v1/logs"))
    assert (count, "team is 'chat'" in reason) == (1, True)
    assert place.nano() == 111 + 3 * OTHER_NANO


def test_what_others_booked_is_not_corrected(place: Place) -> None:
    """Whoever knows the ids of a trace could else say that another's call cost something else, or nothing."""
    stolen = replace(_others(0), labels={"team": "search"}, charge=priced(1))
    count, reason = _rejected_logs(place.send(_log(stolen), path="/v1/logs"))
    assert (count, "booked under other labels" in reason) == (1, True)
    as_span = span(chat())
    as_span.trace_id, as_span.span_id = bytes.fromhex(stolen.trace_id), bytes.fromhex(stolen.span_id)
    assert _rejected(place.send(traces(as_span)))[0] == 1
    assert place.nano(team="chat") == 3 * OTHER_NANO
    assert place.nano() == 3 * OTHER_NANO


def test_its_own_is_corrected(place: Place) -> None:
    place.send(_log(record(1, priced(111))), path="/v1/logs")
    later = replace(record(1, priced(222)), usage=None)
    assert _rejected_logs(place.send(_log(replace(later, charge=priced(222, catalog="v1"))), path="/v1/logs"))[0] == 0
    assert place.total(team="search")["calls"] == 1


def _agent_and_call(team: str) -> tuple[bytes, Span]:
    """What an agent's framework said of one of its calls, and the span of that call, inside of it."""
    trace_id, outer_id = secrets.token_bytes(16), secrets.token_bytes(8)
    response = {semconv.RESPONSE_ID: f"resp-{trace_id.hex()}"}
    outer = span(chat(**response))
    outer.trace_id, outer.span_id = trace_id, outer_id
    inner = span(chat(**response), start_ns=outer.start_time_unix_nano + 1)
    inner.trace_id, inner.parent_span_id = trace_id, outer_id
    return traces(outer, scope="openinference.instrumentation.langchain", team=team), inner


def test_what_others_booked_is_not_taken_back(place: Place) -> None:
    """The same call seen by two: unscoped, the call's own span takes the money over; a scoped key cannot."""
    outer, inner = _agent_and_call("chat")
    place.send(outer, ADMIN)
    before = place.nano(team="chat")
    assert before == 3 * OTHER_NANO + PRICE
    assert _rejected(place.send(traces(inner))) == (0, "")
    assert place.nano(team="chat") == before
    assert place.nano(team="search") == 0, "nor is it counted twice"
    # The same with a key for everything: one of the two is counted, whichever it is.
    outer, inner = _agent_and_call("chat")
    place.send(outer, ADMIN)
    place.send(traces(inner, team="search"), ADMIN)
    assert place.nano() == before + PRICE
    # And in one scope.
    outer, inner = _agent_and_call("search")
    place.send(outer)
    place.send(traces(inner))
    assert place.nano() == before + 2 * PRICE


@pytest.mark.parametrize("label", ["team", "tenant"])
@pytest.mark.parametrize("scoped", [True, False])
def test_what_is_sent_again_is_not_taken_back_either(place: Place, label: str, scoped: bool) -> None:
    """Whoever knows the ids of a span around could say that a call is inside of it; senders repeat their batches."""
    foreign = key(place.ledger, Role.INGEST, **{label: "foreign"})
    sender = key(place.ledger, Role.INGEST, **{label: "own"}) if scoped else ADMIN
    outer, inner = _agent_and_call("any")
    outer = traces(*_spans(outer), scope="openinference.instrumentation.langchain", **{label: "own"})
    inner.attributes.extend(pairs({semconv.RESPONSE_ID: "another"}))
    place.send(outer, sender)
    place.send(traces(inner), foreign)
    assert place.nano(**{label: "own"}) == PRICE
    place.send(outer, sender)
    assert place.nano(**{label: "own"}) == PRICE


def test_nor_after_a_restart(tmp_path: Path, pricer: Pricer) -> None:
    outer, inner = _agent_and_call("search")
    inner.attributes.extend(pairs({semconv.RESPONSE_ID: "another"}))
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as ledger:
        own, foreign = (key(ledger, Role.INGEST, team=team) for team in ("search", "chat"))
        for _ in range(2):
            app = create_app(Config(), ledger=ledger, store=MemoryStore(), pricer=pricer, clock=lambda: NOW)
            with serving(app, lifespan="on") as server:
                server.send(outer, **bearer(own))
                server.send(traces(inner), **bearer(foreign))
            assert by(ledger, "team") == {("search",): PRICE, ("chat",): PRICE}


@pytest.mark.parametrize("scoped", [True, False])
def test_nothing_is_inside_the_call_of_another_tenant(place: Place, scoped: bool) -> None:
    foreign = key(place.ledger, Role.INGEST, tenant="foreign")
    outer, inner = _agent_and_call("any")
    outer = traces(*_spans(outer), scope="openinference.instrumentation.langchain", tenant="own")
    place.send(traces(inner), foreign)
    place.send(outer, key(place.ledger, Role.INGEST, tenant="own") if scoped else ADMIN)
    assert (place.nano(tenant="own"), place.nano(tenant="foreign")) == (PRICE, PRICE)


def _spans(body: bytes) -> list[Span]:
    sent = ExportTraceServiceRequest.FromString(body)
    return [each for resource in sent.resource_spans for scope in resource.scope_spans for each in scope.spans]


def test_the_id_of_anothers_call_is_not_told(place: Place) -> None:
    outer, inner = _agent_and_call("chat")
    place.send(outer, ADMIN)
    place.send(traces(inner))
    (called,) = (
        call for call in place.ledger.calls_of_trace(inner.trace_id.hex()) if call.record.labels["team"] == "search"
    )
    assert called.record.counted_as == ""


def test_json_and_unscoped_keys_are_as_before(place: Place) -> None:
    sent = place.server.send(request(span(chat()), team="any").SerializeToString(), **bearer(ADMIN))
    assert sent.status_code == 200
    assert place.nano(team="any") == PRICE


# --- its budgets ------------------------------------------------------------------------------------------------------


def test_budgets_within_the_scope(place: Place) -> None:
    own, other = (RowKey("by-team", (("team", team),), "") for team in ("search", "chat"))
    place.store.settle([Settlement("k", (Post(other, 123_456_789, 10**9),))], version=0, now_ns=1)
    store = HttpStore(place.server.url, place.sends, 20.0)
    assert store.controls().version == 0
    store.reserve("h", [Want(own, 5)], version=0, now_ns=1, expires_ns=2**62)
    assert store.read([own])[0].reserved_nano == 5
    assert [state.row for state in store.rows("by-team")] == [own]
    for row in (other, RowKey("all", (), "")):
        with pytest.raises(BudgetStoreUnavailable, match=r"403.*which the key is bound to"):
            store.read([row])
    store.close()
    whole = HttpStore(place.server.url, ADMIN, 20.0)
    assert len(whole.rows("by-team")) == 2
    whole.close()


def test_a_check_says_nothing_of_what_others_spent(place: Place) -> None:
    """Neither in figures nor by its yes or no: asked often enough, that would be a figure as well."""
    own, everybody = RowKey("by-team", (("team", "search"),), ""), RowKey("all", (), "")
    place.store.settle([Settlement("k", (Post(everybody, 99 * 10**9 + 123_456_789, 10**11),))], version=0, now_ns=1)
    place.store.settle([Settlement("k2", (Post(own, 40 * 10**9, 10**11),))], version=0, now_ns=1)

    def check(text: str, usd: str) -> httpx.Response:
        response = place.server.http.post(
            "/api/v1/budgets/check", json={"estimated_usd": usd}, headers={"x-api-key": text}
        )
        assert response.status_code == 200, response.text
        return response

    for text in (place.sends, place.reads):
        assert check(text, "59").json()["allowed"] is True
        assert check(text, "61").json()["allowed"] is False
        assert check(text, "61").json()["budget"] == "by-team"
        assert "123456789" not in check(text, "61").text
    assert check(ADMIN, "59").json()["budget"] == "all"


def test_no_call_of_the_budget_store_answers_with_anothers_row(place: Place) -> None:
    other = RowKey("by-team", (("team", f"{MARK}-chat"),), "")
    place.store.settle([Settlement("k", (Post(other, 123_456_789, 200_000_000, (500_000,)),))], version=0, now_ns=1)
    place.store.reserve(f"{MARK}-hold", [Want(other, 5)], version=0, now_ns=1, expires_ns=2)
    arguments: Mapping[str, Mapping[str, object]] = {
        "rows": {"budget": "by-team"},
        "renew": {"hold_ids": [f"{MARK}-hold"], "expires_ns": 2**62},
        "sweep": {"now_ns": 2**61, "charge": ["by-team"]},
        "claim_untold": {"before_ns": 2**61},
        "release": {"hold_ids": ["hold"]},
        "set_alert": {"alert_id": 1, "state": "resolved", "actor": "me", "now_ns": 1},
        "told": {"alert_ids": [1]},
    }
    editor = key(place.ledger, Role.EDITOR, team="search")
    for method in store_wire.METHODS:
        for text in (place.sends, editor, place.reads):
            response = place.server.http.post(
                f"{store_wire.PATH}/{method}",
                content=store_wire.call_body(arguments.get(method, {})),
                headers={"content-type": "application/json", **bearer(text)},
            )
            assert response.status_code in (200, 400, 403), (method, response.text)
            assert "123456789" not in response.text, method
            # What the caller said itself may be in the answer, for instance in what is wrong with it.
            assert f"{MARK}-chat" not in response.text, method
    assert place.store.read([other])[0].reserved_nano == 5
    assert not place.store.alerts()[0].told


# --- what it reads ----------------------------------------------------------------------------------------------------


def test_the_summary_is_of_the_scope(place: Place) -> None:
    place.send(traces(span(chat())))
    with client(place.server.url, place.reads) as mine:

        def total(**filters: str) -> Any:
            return mine.get("/api/v1/costs/summary", params={**EVER, **filters}).json()

        assert total()["total"]["cost"]["nano_usd"] == PRICE
        assert total()["filters"] == {"team": "search"}
        assert total(team="search")["total"]["calls"] == 1
        for foreign in ({"team": "chat"}, {"team": ""}, {"label.team": "chat"}):
            empty = total(**foreign, group_by="team,model")
            assert (empty["total"]["calls"], empty["groups"], empty["unpriced"]) == (0, [], [])
        assert [group["key"] for group in total(group_by="team,provider")["groups"]] == [
            {"team": "search", "provider": "openai"}
        ]


def test_sums_over_everything_take_a_key_for_everything(place: Place) -> None:
    with client(place.server.url, place.reads) as mine:
        refused = mine.get("/metrics")
        assert refused.status_code == 403
        assert "bound to a scope" in refused.json()["detail"]
    with client(place.server.url, key(place.ledger, Role.VIEWER)) as all_of_it:
        assert all_of_it.get("/metrics").status_code == 200


def _foreign_values(name: str) -> list[str]:
    """What an attacker who knows a lot would try for a parameter of that name."""
    other = _others(0)
    return [
        "chat",
        other.key,
        other.trace_id,
        *(f"{MARK}-{kind}" for kind in ("user", "session", "execution", "workspace", "model", "provider", "response")),
        "team,provider,model,user",
        "team:chat",
        "1",
        f"x' OR team='chat' -- {name}",
    ]


_HARMLESS: Final = frozenset(
    {"limit", "from", "to", "as_of", "at", "days", "timezone", "interval", "format", "all", "own", "state", "tier"}
)
"""Parameters that name nobody."""


def _asked(path: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Paths and parameters of requests that try to see what is the other team's."""
    parameters = operation.get("parameters", [])
    in_path = [one["name"] for one in parameters if one["in"] == "path"]
    in_query = [one["name"] for one in parameters if one["in"] == "query"]
    paths = [path]
    for name in in_path:
        paths = [one.replace("{" + name + "}", value) for one in paths for value in _foreign_values(name)]
    for one in paths:
        yield one, {}
        yield one, {**EVER, "team": "chat"}
        if in_path:
            continue
        yield one, EVER
        yield one, {**EVER, "label.team": "chat"}
        yield one, {**EVER, "group_by": "team,provider,model"}
        for name in in_query:
            if name not in _HARMLESS:
                for value in _foreign_values(name):
                    yield one, {**EVER, name: value}


def _read(mine: httpx.Client, path: str, parameters: Mapping[str, str]) -> tuple[int, str]:
    """The status and the beginning of a body; of a stream that never ends, what comes at once."""
    body = b""
    with mine.stream("GET", path, params=dict(parameters), timeout=httpx.Timeout(30, read=5)) as response:
        endless = "text/event-stream" in response.headers.get("content-type", "")
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if endless and len(body) > 1000:
                    break
        except httpx.ReadTimeout:
            assert endless, path
    return response.status_code, body.decode("utf-8", "replace")


def test_no_way_to_read_anything_of_another_scope(place: Place) -> None:
    """Every GET of the description, with foreign ids in its path, foreign values in its parameters, all groupings."""
    place.send(traces(span(chat())))
    described = place.as_admin("/openapi.json").json()["paths"]
    tried = 0
    with client(place.server.url, place.reads) as mine:
        for path, operations in described.items():
            if "get" not in operations or "stream" in path:
                continue
            for asked, parameters in _asked(path, operations["get"]):
                status, text = _read(mine, asked, parameters)
                tried += 1
                assert status < 500, (asked, parameters, text)
                said = " ".join([asked, *parameters.values()])
                _check_nothing_foreign(text, said, (asked, parameters))
                if "{" in path and any(value in asked for value in _foreign_values("")[1:3]):
                    assert status != 200 or MARK not in text, (asked, text)
    assert tried > 20


def _check_nothing_foreign(text: str, said: str, where: object) -> None:
    # What the request itself said may come back: in an answer's filters, in what is wrong with it.
    for kind in ("user", "session", "execution", "workspace", "agent", "model", "provider", "response", "catalog"):
        if f"{MARK}-{kind}" not in said:
            assert f"{MARK}-{kind}" not in text, where
    for amount in (OTHER_NANO, 2 * OTHER_NANO, 3 * OTHER_NANO):
        assert str(amount) not in text.replace(".", ""), where
    for number in range(3):
        other = _others(number)
        for value in (other.trace_id, other.span_id):
            if value not in said:
                assert value not in text, where


@pytest.mark.parametrize("since", ["", "0", "1"])
def test_the_stream_is_of_the_scope(place: Place, since: str) -> None:
    place.send(_log(_others(11)), ADMIN, "/v1/logs")  # what a client may ask for anew
    headers = {"last-event-id": since} if since else {}
    with (
        client(place.server.url, place.reads) as mine,
        mine.stream("GET", "/api/v1/costs/stream", params={"heartbeat_s": "1"}, headers=headers) as stream,
    ):
        place.send(_log(_others(12)), ADMIN, "/v1/logs")
        own = span(chat())
        place.send(traces(own))
        seen = ""
        for text in stream.iter_text():
            seen += text
            if own.trace_id.hex() in seen:
                break
    assert own.trace_id.hex() in seen
    assert MARK not in seen
    assert str(OTHER_NANO) not in seen


def test_the_attack_would_see_it(place: Place) -> None:
    """With a key for everything the marks are there: the test above can fail."""
    text = place.as_admin("/api/v1/costs/summary", **EVER, group_by="team,provider,model").text
    with pytest.raises(AssertionError):
        _check_nothing_foreign(text, "", "")
    assert NOON < NOW + 10**15
