"""A record is the same after it was a line of a JSONL book (FEATURES D1)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_cost.errors import OtelCostError
from otel_cost.ledger import jsonl_rows
from otel_cost.ledger.base import MAX_AMOUNT, MAX_STORED, Correction, EntryKind
from otel_cost.ledger.posting import standing_of
from otel_cost.model import (
    Caller,
    Charge,
    CostRecord,
    Kind,
    Layer,
    Opinion,
    OpinionSource,
    PricingModel,
    Reason,
    Status,
    Terms,
    Usage,
    Void,
)
from otel_cost.units import MAX_COUNT
from tests.contract.ledger.books import NOON, priced, record, settled_elsewhere, unpriced

D1 = (
    *("timestamp", "request_id", "user_id", "ip_address", "provider", "model", "endpoint", "is_streaming"),
    *("input_tokens", "output_tokens", "total_tokens", "input_cost", "output_cost", "total_cost", "finish_reason"),
)
NANO = st.integers(0, MAX_AMOUNT)
TIMES = st.integers(0, MAX_STORED)
TEXT = st.text(max_size=20)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)

OPINIONS = st.builds(Opinion, st.sampled_from(OpinionSource), st.none() | NANO, st.none() | NANO, st.booleans())

charges = st.builds(
    Charge,
    status=st.sampled_from(Status),
    reason=st.none() | st.sampled_from(Reason),
    detail=TEXT,
    amount_nano=NANO,
    list_nano=NANO,
    parts=st.tuples(NANO, NANO, NANO, NANO, NANO),
    pricing_model=st.sampled_from(PricingModel),
    price_id=TEXT,
    catalog=TEXT,
    source=TEXT,
    paying_list_nano=st.none() | NANO,
)
records = st.builds(
    CostRecord,
    **dict.fromkeys(("key", "trace_id", "span_id", "parent_span_id", "operation", "provider"), TEXT),
    **dict.fromkeys(("model_requested", "model_answered", "response_id", "process", "scope"), TEXT),
    **dict.fromkeys(("finish_reason", "error", "counted_as"), TEXT),
    start_ns=TIMES,
    end_ns=TIMES,
    charge=charges,
    usage=st.none() | st.dictionaries(st.just("input_tokens"), st.integers(0, MAX_COUNT)).map(Usage.of),
    kind=st.sampled_from(Kind),
    layer=st.sampled_from(Layer),
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    caller=st.builds(Caller, TEXT, TEXT, TEXT),
    streaming=st.booleans(),
    sampled=st.booleans(),
    time_to_first_chunk_s=st.none() | SECONDS,
    opinions=st.lists(OPINIONS, max_size=2).map(tuple),
    terms=st.none() | st.builds(Terms, TEXT, TEXT, st.booleans()),
)  # fmt: skip


def line_of(one: CostRecord) -> bytes:
    return jsonl_rows.line_of(standing_of(one).entry(EntryKind.CHARGE, 1, 0), NOON, one, one)


@given(records)
def test_a_record_reads_back_as_it_was(one: CostRecord) -> None:
    line = line_of(one)
    assert line.count(b"\n") == 1
    assert line.isascii()
    read = jsonl_rows.read_line(line)
    assert (read.booked_ns, read.step) == (NOON, one)


def test_a_line_has_what_readers_of_request_logs_look_for() -> None:
    one = replace(
        record(1, priced(1_234_567), user="ann"),
        caller=Caller("/v1/ask", "192.0.2.1", "hash"),
        streaming=True,
        finish_reason="stop",
    )
    found = json.loads(line_of(one))
    assert {name: found[name] for name in D1} == {
        "timestamp": "2026-09-21T14:13:21.000000+00:00",
        "request_id": one.key,
        "user_id": "ann",
        "ip_address": "192.0.2.1",
        "provider": "openai",
        "model": "gpt-5-2025-08-07",
        "endpoint": "/v1/ask",
        "is_streaming": True,
        "input_tokens": 100,
        "output_tokens": 10,
        "total_tokens": 110,
        "input_cost": 0.000925926,
        "output_cost": 0.000308641,
        "total_cost": 0.001234567,
        "finish_reason": "stop",
    }
    assert (found["status"], found["entry"], found["operations"]) == ("priced", "charge", 1)


@pytest.mark.parametrize(("charge", "cost"), [(unpriced(), None), (settled_elsewhere(), 0)], ids=["unpriced", "twin"])
def test_no_price_is_no_cost_and_another_spans_money_is_0(charge: Charge, cost: float | None) -> None:
    found = json.loads(line_of(record(1, charge)))
    assert (found["input_cost"], found["output_cost"], found["total_cost"]) == (cost, cost, cost)


def test_what_is_taken_back_is_negative_and_no_step() -> None:
    back = standing_of(record(1, priced(1000))).entry(EntryKind.CORRECTION, -1, 1)
    line = jsonl_rows.line_of(back, NOON, None)
    found = json.loads(line)
    assert (found["total_cost"], found["total_tokens"], found["entry"]) == (-0.000001, -110, "correction")
    assert jsonl_rows.read_line(line).step is None


@pytest.mark.parametrize("step", [Void("a-b", Reason.SAME_CALL, "c-d"), Correction("a-b", 2, priced(7))], ids=type)
def test_voids_and_corrections_read_back(step: Void | Correction) -> None:
    line = jsonl_rows.line_of(standing_of(record(1)).entry(EntryKind.VOID, 1, 2), NOON, step)
    assert jsonl_rows.read_line(line).step == step


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[1]",
        b'{"timestamp":"2026-01-01","total_cost":1.5}',
        b'{"book":{"format":2,"booked_ns":1}}',
        b'{"book":{"format":1,"booked_ns":true}}',
        b'{"book":{"format":1,"booked_ns":1,"record":{"key":"k"}}}',
        b'{"book":{"format":1,"booked_ns":1,"correct":[]}}',
        b'{"book":{"format":1,"booked_ns":1,"void":{"key":"k","reason":"no such","counted_as":""}}}',
        b"[" * 100_000,
        line_of(record(1))[:-40],
        line_of(record(1)).replace(b'"amount_nano":1000', b'"amount_nano":"1000"'),
        line_of(record(1)).replace(b'"usage":{"input_tokens":100', b'"usage":{"input_tokens":-1'),
    ],
    ids=lambda line: line[:40].decode("ascii", "replace"),
)
def test_what_is_no_row_is_refused_as_that(line: bytes) -> None:
    with pytest.raises((ValueError, OtelCostError)):
        jsonl_rows.read_line(line)
