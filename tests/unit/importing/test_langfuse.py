"""Langfuse's observations, row by row: as exported, and as its API gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_cost import dialects, semconv
from otel_cost.dialects import Reading
from otel_cost.ended import EndedSpan
from otel_cost.importing import langfuse
from otel_cost.importing.calls import Costs
from otel_cost.importing.values import BadRow

_EXPORTED: dict[str, Any] = {
    "id": "00f067aa0ba902b7",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "type": "GENERATION",
    "parent_observation_id": "",
    "start_time": "2026-10-05 10:00:00.500000",
    "end_time": "2026-10-05 10:00:02.500000",
    "completion_start_time": "2026-10-05 10:00:01.000000",
    "name": "answer",
    "level": "DEFAULT",
    "provided_model_name": "gpt-4o-mini",
    "model_parameters": '{"temperature":0.7}',
    "usage_details": {"input": 600, "input_cached_tokens": 400, "output": 200, "total": 1200},
    "cost_details": {"input": 0.0001, "output": 0.0002, "total": 0.0003},
    "total_cost": 0.0003,
    "environment": "production",
    "user_id": "ada",
    "session_id": "s1",
    "trace_name": "chat",
    "tags": ["a", "b"],
    "metadata": {"team": "search", "other": {"x": 1}},
}
_OF_THE_API: dict[str, Any] = {
    "id": "00f067aa0ba902b7",
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
    "type": "GENERATION",
    "parentObservationId": None,
    "startTime": "2026-10-05T10:00:00.500Z",
    "endTime": "2026-10-05T10:00:02.500Z",
    "completionStartTime": "2026-10-05T10:00:01.000Z",
    "name": "answer",
    "level": "DEFAULT",
    "model": "gpt-4o-mini",
    "modelParameters": {"temperature": 0.7},
    "usageDetails": {"input": 600, "input_cached_tokens": 400, "output": 200, "total": 1200},
    "costDetails": {"input": 0.0001, "output": 0.0002, "total": 0.0003},
    "environment": "production",
    "userId": "ada",
    "sessionId": "s1",
    "traceName": "chat",
    "tags": ["a", "b"],
    "metadata": {"team": "search"},
}


def _call(row: dict[str, Any], costs: Costs = Costs.OURS, **changed: object) -> EndedSpan:
    (call,) = langfuse.calls({**row, **changed}, costs)
    assert isinstance(call, EndedSpan)
    return call


def _reading(call: EndedSpan) -> Reading:
    reading = dialects.read(call.scope, call.kind, call.attributes)
    assert reading is not None
    return reading


@pytest.mark.parametrize("row", [_EXPORTED, _OF_THE_API], ids=["export", "api"])
def test_an_observation_is_the_span_that_it_was_made_of(row: dict[str, Any]) -> None:
    call = _call(row)
    assert (call.trace_id, call.span_id) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert call.parent_span_id == ""
    reading = _reading(call)
    assert reading.usage is not None
    assert dict(reading.usage.counts) == {"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 200}
    assert (reading.operation, reading.model_requested, reading.streaming) == ("chat", "gpt-4o-mini", True)
    assert dict(call.labels) == {
        "team": "search", "user": "ada", "session": "s1", "environment": "production", "trace_name": "chat",
        "tags": "a,b",
    }  # fmt: skip


def test_a_csv_row_says_the_same() -> None:
    as_text = {
        name: json.dumps(value) if isinstance(value, dict | list) else "" if value is None else str(value)
        for name, value in _EXPORTED.items()
    }
    call, same = _call(as_text), _call(_EXPORTED)
    assert _reading(call) == _reading(same)
    assert (call.start_ns, call.labels) == (same.start_ns, same.labels)


def test_other_ids_stand_for_themselves() -> None:
    one = _call(_EXPORTED, id="my-observation", trace_id="3f1b7c1e-2b6a-4e0f-9d3c-1a2b3c4d5e6f")
    assert one.trace_id == "3f1b7c1e2b6a4e0f9d3c1a2b3c4d5e6f"
    assert len(one.span_id) == 16
    child = _call(_EXPORTED, parent_observation_id="my-observation")
    assert child.parent_span_id == one.span_id


def test_earlier_forms_of_usage_are_read() -> None:
    bare = {name: value for name, value in _OF_THE_API.items() if name != "usageDetails"}
    for form in (
        {"usage": {"input": 10, "output": 5, "total": 15, "unit": "TOKENS"}},
        {"promptTokens": 10, "completionTokens": 5},
    ):
        usage = _reading(_call(bare, **form)).usage
        assert usage is not None
        assert dict(usage.counts) == {"input_tokens": 10, "output_tokens": 5}
    assert _reading(_call(bare, promptTokens=0, completionTokens=0)).usage is None
    assert _reading(_call(bare, usage={"input": 10, "output": 5, "unit": "CHARACTERS"})).usage is None


def test_what_is_kept_of_the_span_is_used() -> None:
    metadata = {"attributes": {semconv.SYSTEM: "anthropic", semconv.RESPONSE_ID: "msg_1"}}
    reading = _reading(_call(_EXPORTED, metadata=metadata))
    assert (reading.provider, reading.response_id) == ("anthropic", "msg_1")


def test_spans_and_events_are_no_calls() -> None:
    assert langfuse.calls({**_EXPORTED, "type": "SPAN"}, Costs.OURS) == ()
    assert langfuse.calls({**_EXPORTED, "type": "EVENT"}, Costs.OURS) == ()
    empty = {**_EXPORTED, "type": "CHAIN", "usage_details": {}, "provided_model_name": ""}
    assert langfuse.calls(empty, Costs.OURS) == ()


def test_their_figure_is_a_second_opinion_or_the_charge() -> None:
    assert semconv.STATUS not in _call(_EXPORTED).attributes
    assert _call(_EXPORTED, Costs.THEIRS).attributes[semconv.CHARGE_AMOUNT_NANO] == 300_000
    parts = {"input": 0.0001, "output": 0.0002}
    summed = _call(_EXPORTED, Costs.THEIRS, cost_details=parts, total_cost=None)
    assert summed.attributes[semconv.CHARGE_AMOUNT_NANO] == 300_000
    assert semconv.STATUS not in _call(_EXPORTED, Costs.THEIRS, cost_details={}, total_cost=0).attributes


def test_an_observation_without_a_time_says_so() -> None:
    with pytest.raises(BadRow, match="starttime"):
        langfuse.calls({**_EXPORTED, "start_time": ""}, Costs.OURS)
