"""Request logs with one JSON object a line: ours, and those that have only the usual fields."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.ended import EndedSpan
from otel_cost.importing import jsonl
from otel_cost.importing.calls import Costs
from otel_cost.importing.values import BadRow

_ROW: dict[str, Any] = {
    "timestamp": "2026-10-05T10:00:00.123456Z",
    "request_id": "r-1",
    "user_id": "ada",
    "ip_address": "10.0.0.7",
    "provider": "openai",
    "model": "gpt-4o-mini",
    "endpoint": "/v1/chat/completions",
    "is_streaming": True,
    "input_tokens": 1000,
    "output_tokens": 200,
    "total_tokens": 1200,
    "input_cost": Decimal("0.00015"),
    "output_cost": Decimal("0.00012"),
    "total_cost": Decimal("0.00027"),
    "finish_reason": "stop",
}


def _call(costs: Costs = Costs.THEIRS, **changed: object) -> EndedSpan:
    (call,) = jsonl.foreign({**_ROW, **changed}, costs)
    assert isinstance(call, EndedSpan)
    return call


def test_the_figures_of_a_log_are_kept_as_written() -> None:
    """FEATURES D1."""
    call = _call()
    assert call.attributes[semconv.CHARGE_AMOUNT_NANO] == 270_000
    assert call.attributes[semconv.CHARGE_PART_NANO_PREFIX + "input"] == 150_000
    assert call.attributes[semconv.CHARGE_PART_NANO_PREFIX + "output"] == 120_000
    assert call.attributes[semconv.COST_SOURCE] == "import"
    assert call.attributes[semconv.CALLER_ROUTE] == "/v1/chat/completions"
    assert call.attributes[semconv.CALLER_ADDRESS] == "10.0.0.7"
    assert dict(call.labels) == {"user": "ada"}


def test_a_cost_of_0_is_not_known() -> None:
    for nothing in (0, None, "", Decimal(0)):
        call = _call(total_cost=nothing, input_cost=nothing, output_cost=nothing)
        assert semconv.STATUS not in call.attributes
    assert _call(total_cost=None).attributes[semconv.CHARGE_AMOUNT_NANO] == 270_000, "the sum of the others"


def test_the_catalog_prices_it_where_that_is_wanted() -> None:
    call = _call(Costs.OURS)
    assert semconv.STATUS not in call.attributes
    assert call.attributes[semconv.COST_AMOUNT] == Decimal("0.00027")
    assert _call(Costs.OURS, total_cost=None).attributes[semconv.COST_AMOUNT] == Decimal("0.00027")


def test_a_line_is_known_by_request_and_time_else_by_all_of_it() -> None:
    key = (_call().trace_id, _call().span_id)
    assert (_call(model="x").trace_id, _call(model="x").span_id) == key
    assert _call(timestamp="2026-10-05T10:00:01Z").trace_id != key[0]
    nameless = _call(request_id=None)
    assert nameless.trace_id == _call(request_id="").trace_id != key[0]
    assert nameless.trace_id != _call(request_id=None, model="x").trace_id


@pytest.mark.parametrize(
    ("said", "expected_ns"),
    [
        ("2026-10-05T12:00:00+02:00", 1_791_194_400 * 10**9),
        ("2026-10-05 10:00:00", 1_791_194_400 * 10**9),
        (1_791_194_400, 1_791_194_400 * 10**9),
        (Decimal("1791194400.25"), 1_791_194_400_250_000_000),
        (1_791_194_400_250, 1_791_194_400_250_000_000),
        ("1791194400250000", 1_791_194_400_250_000_000),
        (1_791_194_400_250_000_000, 1_791_194_400_250_000_000),
    ],
)
def test_times_are_read_as_people_write_them(said: object, expected_ns: int) -> None:
    assert _call(timestamp=said).start_ns == expected_ns


def test_the_endpoint_says_what_was_done() -> None:
    assert _call(endpoint="/v1/embeddings").attributes[semconv.OPERATION_NAME] == "embeddings"
    assert _call(endpoint="/v1/completions").attributes[semconv.OPERATION_NAME] == "text_completion"
    assert _call(endpoint=None).attributes[semconv.OPERATION_NAME] == "chat"


@pytest.mark.parametrize(
    "changed", [{"timestamp": None}, {"timestamp": True}, {"total_cost": "NaN"}, {"total_cost": -1}]
)
def test_a_line_that_cannot_be_booked_says_why(changed: dict[str, Any]) -> None:
    with pytest.raises(BadRow, match=next(iter(changed))):
        _call(**changed)


def test_a_line_of_ours_that_cannot_be_read_is_no_crash() -> None:
    for line in (b'{"book": 1}', b'{"book": {"format": 99}}', b'{"book": {"format": 1, "record": {}}}'):
        with pytest.raises(BadRow):
            jsonl.ours({}, line)
