"""Records for ledger tests, and a look at a book."""

from __future__ import annotations

from dataclasses import replace

from otel_cost.ledger import Ledger, SummaryQuery, SummaryRow
from otel_cost.ledger.base import MAX_STORED
from otel_cost.model import Charge, CostRecord, Reason, Status, Terms, Usage, record_key

NOON = 1_790_000_000 * 10**9
"""Some time in 2026, in ns."""


def priced(nano: int, *, catalog: str = "v1", status: Status = Status.PRICED) -> Charge:
    """A charge of ``nano``, split into input and output."""
    output = nano // 4
    return Charge(
        status=status,
        reason=Reason.USAGE_ESTIMATED if status is Status.ESTIMATED else None,
        amount_nano=nano,
        list_nano=nano,
        parts=(nano - output, output, 0, 0, 0),
        price_id="some:price",
        catalog=catalog,
    )


def unpriced(reason: Reason = Reason.UNKNOWN_MODEL) -> Charge:
    return Charge(status=Status.UNPRICED, reason=reason, detail="no price", catalog="v1")


def settled_elsewhere(reason: Reason = Reason.SAME_CALL) -> Charge:
    return Charge(status=Status.DUPLICATE, reason=reason)


def record(number: int, charge: Charge | None = None, **labels: str) -> CostRecord:
    """The ``number``-th record: one second after the one before it, 100 input and 10 output tokens."""
    trace_id, span_id = f"{number:032x}", f"{number:016x}"
    return CostRecord(
        key=record_key(trace_id, span_id),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id="",
        start_ns=NOON + number * 10**9,
        end_ns=NOON + number * 10**9 + 500_000_000,
        operation="chat",
        provider="openai",
        model_requested="gpt-5",
        model_answered="gpt-5-2025-08-07",
        charge=priced(1000) if charge is None else charge,
        usage=Usage.of({"input_tokens": 100, "output_tokens": 10}),
        labels={"team": "search", **labels},
        scope="tests",
        terms=Terms("flex", "api.openai.com"),
    )


def again(earlier: CostRecord, charge: Charge, *, counted_as: str = "") -> CostRecord:
    """The same record, arriving once more with another verdict."""
    return replace(earlier, charge=charge, counted_as=counted_as)


EVER = SummaryQuery(0, MAX_STORED)


def total(ledger: Ledger) -> SummaryRow:
    return ledger.summary(EVER).total


def by(ledger: Ledger, *names: str) -> dict[tuple[str, ...], int]:
    """Amount in nano-USD by group."""
    rows = ledger.summary(replace(EVER, group_by=names)).rows
    return {row.group: row.amount_nano for row in rows}
