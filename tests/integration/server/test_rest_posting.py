"""Costs by hand over REST: priced here, booked once."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from otel_cost.ledger.asking import iso
from otel_cost.model import NANO
from tests.integration.server.serving import NOW, Server, chat, span, traces
from tests.integration.server.shop import get, nano, problem
from tests.support.expected import Call

PATH = "/api/v1/costs/entries"
AT = {"at": "2026-09-21T14:12:20Z"}
LLM = {**AT, "kind": "llm", "provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 100}
PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd


def _post(server: Server, body: object, path: str = PATH, **headers: str) -> httpx.Response:
    return server.http.post(path, json=body, headers=headers)


def _booked(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    answer = _post(server, body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_models_call_is_priced_here(server: Server) -> None:
    """FEATURES A1, A11, B17: by provider, model and tokens; the answer has the charge."""
    labels = {"team": "search", "execution": "run-9"}
    booked = _booked(server, {**LLM, "id": "one", "labels": labels, "at": "2026-09-20T10:00:00Z", "duration_s": 1.5})
    assert (nano(booked["cost"]), booked["status"], booked["created"]) == (PRICE, "priced", True)
    assert sum(nano(part) for part in booked["parts"].values()) == PRICE
    (entry,) = get(server, "/costs/entries", team="search")["entries"]
    assert (entry["key"], nano(entry["cost"]), entry["at"]) == (booked["key"], PRICE, "2026-09-20T10:00:00Z")
    assert (entry["duration_s"], entry["labels"]) == (1.5, labels)
    assert nano(get(server, "/executions/run-9/costs")["total"]["cost"]) == PRICE
    assert server.metric("otel_cost_book_spend_usd_total") == pytest.approx(PRICE / 1e9)


def test_a_calls_price_is_that_of_its_time_and_tier(server: Server) -> None:
    """FEATURES A1: further units, tiers."""
    cached = _booked(server, {**LLM, "usage": {"cache_read_tokens": 800}})
    assert 0 < nano(cached["parts"]["cache_read"]) < nano(cached["cost"]) < PRICE
    batch = _booked(server, {**LLM, "model": "gpt-6.1-terra", "service_tier": "batch"})
    whole = _booked(server, {**LLM, "model": "gpt-6.1-terra"})
    assert (2 * nano(batch["cost"]), batch["pricing_model"]) == (nano(whole["cost"]), "batch")


def test_tools_and_infrastructure(server: Server) -> None:
    """FEATURES A2, A3: USD is exact as text, and taken as written as a number."""
    tool = _booked(server, {**AT, "kind": "tool", "name": "maps_api", "usd": "0.000000001", "operation": "route"})
    assert (nano(tool["cost"]), tool["source"]) == (1, "given")
    number = _booked(server, {**AT, "kind": "tool", "name": "maps_api", "usd": 0.1})
    assert nano(number["cost"]) == 100_000_000
    index = _booked(server, {**AT, "kind": "infrastructure", "resource": "vector_index", "usd": 1.25})
    assert nano(index["cost"]) == 1_250_000_000
    unknown = _booked(
        server, {**AT, "kind": "infrastructure", "resource": "cpu_core", "quantity": "2.5", "unit": "hour"}
    )
    assert (unknown["status"], unknown["reason"], nano(unknown["cost"])) == ("unpriced", "no_rate", 0)
    entries = get(server, "/costs/entries", kind="tool")["entries"]
    assert {entry["labels"].get("tool_operation", "") for entry in entries} == {"route", ""}


def test_a_model_that_has_no_price_is_booked_as_such(server: Server) -> None:
    """FEATURES D6: never a silent $0."""
    booked = _booked(server, {**LLM, "model": "unheard-of"})
    assert (booked["status"], booked["reason"]) == ("unpriced", "unknown_model")
    assert get(server, "/costs/unpriced")["calls"] == 1


def test_posted_again_it_is_booked_once(server: Server) -> None:
    """FEATURES A11: a client repeats what it had no answer to."""
    first = _post(server, {**LLM, "id": "one"})
    again = _post(server, {**LLM, "id": "one"})
    by_header = _post(server, LLM, **{"Idempotency-Key": "one"})
    assert [answer.status_code for answer in (first, again, by_header)] == [201, 200, 200]
    assert [answer.json()["created"] for answer in (first, again, by_header)] == [True, False, False]
    assert first.json() == again.json() | {"created": True}
    assert server.nano() == PRICE
    assert _post(server, LLM).json()["id"] != _post(server, LLM).json()["id"]
    assert server.nano() == 3 * PRICE


def test_at_once_by_many_it_is_booked_once(server: Server) -> None:
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(_post(server, {**LLM, "id": "one"}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert {nano(answer.json()["cost"]) for answer in answers} == {PRICE}
    assert server.nano() == PRICE


def test_another_cost_under_the_same_id_is_a_conflict(server: Server) -> None:
    _booked(server, {**LLM, "id": "one"})
    others: list[dict[str, Any]] = [
        {"input_tokens": 1001},
        {"model": "gpt-5"},
        {"provider": "azure"},
        {"labels": {"team": "x"}},
        {"at": "2026-01-01"},
    ]
    tool = {**AT, "kind": "tool", "id": "one", "name": "gpt-4o", "usd": 1}
    for wanted in (*({**LLM, "id": "one", **other} for other in others), tool):
        assert "'one' is booked already" in problem(_post(server, wanted), 409)["detail"]
    assert server.nano() == PRICE


def test_a_call_that_was_seen_elsewhere_is_counted_once(server: Server) -> None:
    """FEATURES A11: the same response id, by a span and by hand."""
    server.send(traces(span(chat(**{"gen_ai.response.id": "chatcmpl-1"}))))
    booked = _booked(server, {**LLM, "response_id": "chatcmpl-1"})
    assert booked["status"] == "duplicate"
    assert server.nano() == PRICE


def test_it_joins_a_trace(server: Server) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    _booked(server, {**AT, "kind": "tool", "name": "maps_api", "usd": 1, "trace_id": trace_id})
    assert nano(get(server, f"/traces/{trace_id}/costs")["total"]["cost"]) == 10**9


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_booked_as_a_whole(server: Server) -> None:
    entries = [{**LLM, "labels": {"team": f"t{number % 3}"}} for number in range(1000)]
    answer = _post(server, {"entries": entries}, f"{PATH}/batch", **{"Idempotency-Key": "night"})
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["entries"]) == 1000
    assert server.nano() == 1000 * PRICE
    again = _post(server, {"entries": entries[:500]}, f"{PATH}/batch", **{"Idempotency-Key": "night"})
    assert (again.status_code, server.nano()) == (200, 1000 * PRICE)
    assert not any(entry["created"] for entry in again.json()["entries"])
    new = {"entries": [LLM, {**LLM, "id": "x"}]}
    some_new = _post(server, new, f"{PATH}/batch", **{"Idempotency-Key": "day"})
    assert [entry["id"] for entry in some_new.json()["entries"]] == ["day#0", "x"]


def test_one_that_is_wrong_keeps_all_out(server: Server) -> None:
    body = {"entries": [LLM, {**LLM, "input_tokens": -1}]}
    assert problem(_post(server, body, f"{PATH}/batch"), 400)["field"] == "entries.1.input_tokens"
    twice = {"entries": [{**LLM, "id": "a"}, {**LLM, "id": "a"}]}
    assert problem(_post(server, twice, f"{PATH}/batch"), 400)["field"] == "entries.1.id"
    too_many = {"entries": [LLM] * 1001}
    assert problem(_post(server, too_many, f"{PATH}/batch"), 400)["field"] == "entries"
    assert problem(_post(server, {"entries": []}, f"{PATH}/batch"), 400)["field"] == "entries"
    assert server.nano() == 0


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "gpu"}, "body"),
        ({"provider": None}, "provider"),
        ({"model": ""}, "model"),
        ({"input_tokens": "many"}, "input_tokens"),
        ({"input_tokens": 1.5}, "input_tokens"),
        ({"output_tokens": 10**13}, "output_tokens"),
        ({"usage": {"bananas": 1}}, "usage"),
        ({"usage": {"cache_read_tokens": 1001}}, "usage"),
        ({"usage": {"input_tokens": 1}}, "usage"),
        ({"at": "yesterday"}, "at"),
        ({"at": "1969-01-01"}, "at"),
        ({"at": "2026-09-22"}, "at"),
        ({"duration_s": -1}, "duration_s"),
        ({"duration_s": "NaN"}, "duration_s"),
        ({"labels": {"a b": "x"}}, "labels"),
        ({"labels": {"model": "x"}}, "labels"),
        ({"labels": {"team": "x" * 257}}, "labels"),
        ({"labels": {f"l{number}": "x" for number in range(33)}}, "labels"),
        ({"labels": {"team": 7}}, "labels.team"),
        ({"labels": {"team": "a\0b"}}, "labels"),
        ({"provider": "a\0b"}, "provider"),
        ({"trace_id": "xyz"}, "trace_id"),
        ({"id": "two words"}, "id"),
        ({"usd": 1}, "usd"),
        ({"operation": "create_agent"}, "body.operation"),
    ],
)
def test_a_wrong_field_is_named(shop: Server, change: dict[str, Any], field: str) -> None:
    assert problem(_post(shop, {**LLM, **change}), 400)["field"] == field
    assert shop.nano() == 66 * NANO


@pytest.mark.parametrize("usd", ["-1", "NaN", "Infinity", "1000001", "one", "1e400", True])
def test_no_amount_of_money(shop: Server, usd: object) -> None:
    answer = _post(shop, {"kind": "tool", "name": "x", "usd": usd})
    assert problem(answer, 400)["field"] == "usd"


def test_bodies_that_are_none(server: Server) -> None:
    json_type = {"content-type": "application/json"}
    broken = server.http.post(PATH, content=b"{", headers=json_type)
    assert problem(broken, 400)["field"] == "body"
    problem(server.http.post(PATH, content=b"[" * 50_000, headers=json_type), 400)
    assert problem(server.http.post(PATH, content=b"", headers=json_type), 400)["field"] == "body"
    half = b'{"kind": "llm", "provider": "\\ud800", "model": "m"}'
    assert problem(server.http.post(PATH, content=half, headers=json_type), 400)["field"] == "provider"
    assert problem(_post(server, LLM, **{"Idempotency-Key": "a b"}), 400)["field"] == "Idempotency-Key"
    assert problem(_post(server, {**LLM, "id": "a"}, **{"Idempotency-Key": "b"}), 400)["field"] == "id"
    assert problem(server.http.post(f"{PATH}?dry_run=1", json=LLM), 400)["field"] == "dry_run"


def test_times_default_to_now(server: Server) -> None:
    booked = _booked(server, {"kind": "tool", "name": "x", "usd": 1, "duration_s": 60})
    assert booked["at"] == iso(NOW - 60 * NANO)
