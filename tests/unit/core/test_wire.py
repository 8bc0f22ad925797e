"""A record as attributes and back: nothing is lost on the way to the book."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_cost import semconv, wire
from otel_cost.errors import InvalidUsage
from otel_cost.model import Charge, CostRecord, Layer, PricingModel, Reason, Status, Terms, Usage, record_key


def record() -> CostRecord:
    return CostRecord(
        key="t-s",
        trace_id="0" * 31 + "1",
        span_id="0" * 15 + "2",
        parent_span_id="",
        start_ns=1_790_000_000 * 10**9 + 1,
        end_ns=1_790_000_001 * 10**9 + 2,
        operation="chat",
        provider="openai",
        model_requested="gpt-4o",
        model_answered="gpt-4o-2024-08-06",
        charge=Charge(
            Status.PRICED,
            amount_nano=3_500_001,
            list_nano=4_000_000,
            parts=(1_000_000, 1_500_000, 500_000, 500_000, 1),
            pricing_model=PricingModel.BATCH,
            price_id="p",
            catalog="c",
            source="genai-prices",
        ),
        usage=Usage.of({"input_tokens": 1000, "output_tokens": 100, "web_searches": 2}),
        response_id="r1",
        labels={"team": "search", "session": "s"},
        scope="x",
        layer=Layer.FRAMEWORK,
        streaming=True,
        sampled=False,
        finish_reason="stop",
        error="",
    )


@pytest.mark.parametrize("terms", [Terms("flex", "eu.api.openai.com", usage_estimated=True), Terms(), None])
def test_what_a_price_goes_by_travels_and_not_known_is_not_none(terms: Terms | None) -> None:
    told = replace(record(), terms=terms)
    assert wire.record_from_attributes(wire.record_to_attributes(told)).terms == terms


def test_a_record_comes_back_whole() -> None:
    assert wire.record_from_attributes(wire.record_to_attributes(record())) == record()


@given(
    st.integers(0, 3_900_000 * 10**9),
    st.sampled_from(Status),
    st.sampled_from([None, *Reason]),
)
def test_a_verdict_on_a_span_is_adopted_to_the_nano_dollar(amount: int, status: Status, reason: Reason | None) -> None:
    amount = amount if status.counted else 0
    charge = Charge(status, reason, amount_nano=amount, list_nano=amount, parts=(amount, 0, 0, 0, 0))
    adopted = wire.verdict_on(wire.charge_to_attributes(charge))
    if reason in (Reason.PRICES_LOADING, Reason.FAULT):
        assert adopted is None
    else:
        assert adopted is not None
        assert adopted.charge == charge


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {semconv.STATUS: "paid"},
        {semconv.STATUS: 1},
        {semconv.STATUS: "priced", semconv.COST_AMOUNT: math.nan},
        {semconv.STATUS: "priced", semconv.COST_AMOUNT: -1.0},
        {semconv.STATUS: "priced", semconv.COST_AMOUNT: 1e300},
        {semconv.STATUS: "priced"},
        {semconv.STATUS: "priced", semconv.COST_AMOUNT: "0.5"},
        {semconv.STATUS: "priced", semconv.COST_AMOUNT: 100, semconv.COST_CURRENCY: "JPY"},
    ],
)
def test_verdicts_that_make_no_sense_are_not_adopted(attributes: dict[str, object]) -> None:
    assert wire.verdict_on(attributes) is None


def test_parts_cut_on_the_way_leave_the_amount() -> None:
    attributes = {semconv.STATUS: "priced", semconv.COST_AMOUNT: 0.5, semconv.COST_PART_PREFIX + "input": 0.1}
    adopted = wire.verdict_on(attributes)
    assert adopted is not None
    assert adopted.charge.amount_nano == 500_000_000
    assert adopted.charge.parts == (0, 0, 0, 0, 500_000_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (semconv.CHARGE_KEY, ""),
        (semconv.CHARGE_START_NS, "yesterday"),
        (semconv.CHARGE_START_NS, True),
        (semconv.CHARGE_END_NS, 2**70),
        (semconv.STATUS, "paid"),
        (semconv.CHARGE_AMOUNT_NANO, -5),
        (semconv.UNIT_PREFIX + "output_tokens", -1),
        (semconv.CHARGE_LAYER, "cable"),
    ],
)
def test_events_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidUsage):
        wire.record_from_attributes({**wire.record_to_attributes(record()), name: value})


def test_what_a_newer_release_says_beside_the_amount_does_not_lose_it() -> None:
    newer = {semconv.REASON: "newer_reason", semconv.UNIT_PREFIX + "newer_unit": 1}
    found = wire.record_from_attributes({**wire.record_to_attributes(record()), **newer})
    assert found == record()


def test_an_unpriced_record_carries_no_amount() -> None:
    unpriced = replace(record(), charge=Charge(Status.UNPRICED, Reason.UNKNOWN_MODEL, "openai/x"))
    attributes = wire.record_to_attributes(unpriced)
    assert semconv.COST_AMOUNT not in attributes
    assert wire.record_from_attributes(attributes).charge == unpriced.charge


@pytest.mark.parametrize(("limit", "whole"), [(48, True), (32, True), (16, False), (15, None)])
def test_a_key_that_was_cut_on_the_way_does_not_make_one_call_of_many(limit: int, whole: bool | None) -> None:
    """A limit on the length of attribute values: the span's id still tells the calls of a trace apart."""
    trace_id, span_ids = "0" * 31 + "1", ("0" * 15 + "2", "0" * 15 + "3")
    told = [replace(record(), key=record_key(trace_id, span_id), span_id=span_id) for span_id in span_ids]

    def read(one: CostRecord) -> str:
        attributes = wire.record_to_attributes(one).items()
        cut = {name: value[:limit] if isinstance(value, str) else value for name, value in attributes}
        return wire.record_from_attributes(cut).key

    if whole is None:
        with pytest.raises(InvalidUsage, match="cut to 15 characters"):
            read(told[0])
    else:
        keys = [read(one) for one in told]
        assert len({*keys}) == 2
        assert (keys == [one.key for one in told]) is whole
