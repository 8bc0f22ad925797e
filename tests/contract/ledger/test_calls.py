"""The calls themselves, one by one, as the book has them now."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from otel_cost.ledger import BookedCall, CallQuery, Correction, Ledger
from otel_cost.ledger.base import MAX_STORED
from otel_cost.model import Caller, CostRecord, Kind, Layer, PricingModel, Reason, Terms, Usage, Void
from tests.contract.ledger.books import NOON, again, priced, record, settled_elsewhere, unpriced
from tests.contract.ledger.crowd import END, MIDNIGHT, live

EVER = CallQuery(0, MAX_STORED)


def _complete() -> CostRecord:
    """A record with something in every field."""
    charge = replace(
        priced(1000), detail="d", pricing_model=PricingModel.BATCH, source="supplement", paying_list_nano=400,
    )  # fmt: skip
    return replace(
        record(1, charge, session="s", **{"cost.center": "4711"}),
        parent_span_id="p" * 16,
        usage=Usage.of({"input_tokens": 7, "cache_read_tokens": 3, "output_tokens": 0}),
        kind=Kind.TOOL,
        response_id="resp",
        caller=Caller("/chat", "10.0.0.1", "hash"),
        process="process",
        layer=Layer.FRAMEWORK,
        streaming=True,
        sampled=False,
        finish_reason="stop",
        error="timeout",
        time_to_first_chunk_s=0.25,
        terms=Terms("flex", "api.openai.com", True),
    )


def test_a_call_comes_back_as_it_was_booked(ledger: Ledger) -> None:
    bare = replace(record(2, unpriced()), usage=None, labels={}, terms=None, model_answered="", scope="")
    ledger.write([_complete(), bare], booked_at_ns=NOON)
    assert list(ledger.calls(EVER)) == [BookedCall(bare, NOON, False), BookedCall(_complete(), NOON, False)]


def test_a_corrected_call_has_its_last_verdict(ledger: Ledger) -> None:
    first = _complete()
    ledger.write([first], booked_at_ns=NOON)
    better = replace(priced(70, catalog="v2"), pricing_model=PricingModel.FLEX, paying_list_nano=30)
    ledger.correct([Correction(first.key, 0, better)], booked_at_ns=NOON + 1)
    assert list(ledger.calls(EVER)) == [BookedCall(replace(first, charge=better), NOON + 1, True)]


def test_a_void_is_seen_with_what_it_was_counted_as(ledger: Ledger) -> None:
    wire, framework = record(1), record(2)
    ledger.write([wire, framework], [Void(framework.key, Reason.SAME_CALL, wire.key)], booked_at_ns=NOON)
    voided, _ = ledger.calls(EVER)
    assert voided.corrected
    assert (voided.record.counted_as, voided.record.charge.reason) == (wire.key, Reason.SAME_CALL)
    assert voided.record.usage == framework.usage, "what it used is known all the same"


def test_the_newest_come_first_page_by_page(ledger: Ledger) -> None:
    live(ledger, Random(40), calls=60)
    twins = [replace(record(500 + number), start_ns=MIDNIGHT, end_ns=MIDNIGHT) for number in range(30)]
    ledger.write(twins, booked_at_ns=NOON)
    query = CallQuery(MIDNIGHT, END, limit=1000)
    whole = list(ledger.calls(query))
    places = [(call.record.start_ns, call.record.key) for call in whole]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == len(places) > 50
    pages: list[BookedCall] = []
    after: tuple[int, str] | None = None
    while page := ledger.calls(replace(query, after=after, limit=20)):
        assert len(page) == 20 or len(pages) + len(page) == len(whole)
        pages += page
        after = (page[-1].record.start_ns, page[-1].record.key)
    assert pages == whole


def test_calls_by_fields_verdicts_and_labels(ledger: Ledger) -> None:
    ledger.write(
        [
            record(1, session="s", **{"cost.center": "4711"}),
            record(2, unpriced(Reason.NO_USAGE), session="s"),
            record(3, priced(5, catalog="v2"), session="t", user="ada"),
            again(record(4), settled_elsewhere()),
        ],
        booked_at_ns=NOON,
    )

    def found(**filters: str) -> list[str]:
        return [call.record.key for call in ledger.calls(replace(EVER, filters=filters))]

    one, two, three, four = (record(number).key for number in range(1, 5))
    assert found() == [four, three, two, one], "duplicates as well"
    assert found(session="s") == [two, one]
    assert found(session="") == [four]
    assert found(session="s", status="priced") == [one]
    assert found(status="unpriced", reason="no_usage") == [two]
    assert found(user="ada", catalog="v2") == [three]
    assert found(**{"cost.center": "4711"}) == [one]
    assert found(team="search' OR '1'='1") == found(session="nobody") == []


def test_calls_of_a_session_that_came_back_after_days(ledger: Ledger) -> None:
    calls = [
        replace(record(n, session="s" if n % 50 == 0 else "t"), start_ns=MIDNIGHT + n * 10**13) for n in range(120)
    ]
    ledger.write(calls, booked_at_ns=NOON)
    ledger.write([again(calls[50], settled_elsewhere(), counted_as=calls[51].key)], booked_at_ns=NOON + 1)
    found = ledger.calls(replace(EVER, filters={"session": "s"}))
    assert [call.record.key for call in found] == [calls[100].key, calls[50].key, calls[0].key]
    part = CallQuery(calls[1].start_ns, calls[100].start_ns, {"session": "s"})
    assert [call.record.key for call in ledger.calls(part)] == [calls[50].key]


@pytest.mark.parametrize(
    "filters",
    [
        {"session": "s1"},
        {"user": "ada", "status": "priced"},
        {"session": "s2", "user": "ada"},
        {"session": "s0", "catalog": "v1"},
    ],
)
def test_pages_of_one_session(ledger: Ledger, filters: dict[str, str]) -> None:
    live(ledger, Random(42), calls=80)

    def asked(call: BookedCall) -> bool:
        record = call.record
        said = {**record.labels, "status": str(record.charge.status), "catalog": record.charge.catalog}
        return all(said.get(name) == value for name, value in filters.items())

    period = CallQuery(MIDNIGHT + 10**13, END - 10**13, limit=1000)
    expected = [call for call in ledger.calls(period) if asked(call)]
    assert len(expected) > 5
    pages: list[BookedCall] = []
    after: tuple[int, str] | None = None
    while page := ledger.calls(replace(period, filters=filters, after=after, limit=4)):
        pages += page
        after = (page[-1].record.start_ns, page[-1].record.key)
    assert pages == expected


def test_the_calls_of_a_trace_in_their_order(ledger: Ledger) -> None:
    live(ledger, Random(41), calls=24)
    for number in range(12):
        trace_id = f"{number:032x}"
        found = ledger.calls_of_trace(trace_id)
        assert [call.record.trace_id for call in found] == [trace_id] * len(found)
        starts = [call.record.start_ns for call in found]
        assert starts == sorted(starts)
    of_all = [len(ledger.calls_of_trace(f"{number:032x}")) for number in range(12)]
    assert sum(of_all) == len(ledger.calls(CallQuery(MIDNIGHT, END, limit=1000)))
    assert max(of_all) == 2
    assert list(ledger.calls_of_trace("")) == list(ledger.calls_of_trace("0")) == []


@pytest.mark.parametrize("hostile", ["%", "_" * 32, "'; DROP TABLE records; --", "\0", "\ud800", "x" * 5000])
def test_a_trace_that_is_none(ledger: Ledger, hostile: str) -> None:
    ledger.write([record(1)], booked_at_ns=NOON)
    assert list(ledger.calls_of_trace(hostile)) == []
