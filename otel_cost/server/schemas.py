"""The bodies of the REST API. Amounts are exact twice: as decimal text in USD, and as an integer in nano-USD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, Field

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import Summary, SummaryRow, Unpriced
from otel_cost.model import COST_PARTS, NANO, Reason


def usd_text(nano: int) -> str:
    """Nano-USD as a plain decimal number of USD with nine places, never in exponent form."""
    return f"{Decimal(nano) / NANO:.9f}"


class Money(BaseModel):
    usd: str = Field(description="USD, exact, as a decimal number", examples=["0.001250000"])
    nano_usd: int = Field(description="The same in nano-USD (1e-9 USD)", examples=[1250000])

    @classmethod
    def of(cls, nano: int) -> Self:
        return cls(usd=usd_text(nano), nano_usd=nano)


class Sums(BaseModel):
    """Sums over operations. A wrapper or duplicate adds to ``operations`` only."""

    cost: Money = Field(description="Effective: after discounts")
    list_cost: Money = Field(description="At list price")
    parts: dict[str, Money] = Field(description=f"Disjoint parts of cost: {', '.join(COST_PARTS)}")
    calls: int = Field(description="Operations that stand for themselves: priced, estimated, unpriced")
    operations: dict[str, int] = Field(description="All operations by status")
    input_tokens: int
    output_tokens: int


class Group(Sums):
    key: dict[str, str] = Field(description="Value of each name in group_by; empty where there is none")


class UnpricedCalls(BaseModel):
    """Calls of unknown cost: not in any sum of money above."""

    provider: str
    model: str
    reason: str
    detail: str
    calls: int
    input_tokens: int
    output_tokens: int
    advice: str = Field(description="How to price them; empty where a price would not help")


class CostSummary(BaseModel):
    """``GET /api/v1/costs/summary``. ``from`` is inclusive, ``to`` exclusive, both by the start of the call, in UTC."""

    from_: str = Field(alias="from", serialization_alias="from")
    to: str
    as_of: str | None
    currency: str = "USD"
    group_by: list[str]
    filters: dict[str, str]
    total: Sums
    groups: list[Group]
    groups_left_out: int = Field(description="Groups of less cost beyond the limit; they are in the total")
    unpriced: list[UnpricedCalls]

    @classmethod
    def of(cls, summary: Summary, unpriced: Sequence[Unpriced], limit: int | None = None) -> Self:
        query = summary.query
        shown = summary.rows[:limit] if query.group_by else ()
        return cls.model_validate(
            {
                "from": iso(query.from_ns),
                "to": iso(query.to_ns),
                "as_of": None if query.as_of_ns is None else iso(query.as_of_ns),
                "group_by": list(query.group_by),
                "filters": dict(query.filters),
                "total": Sums.model_validate(_sums(summary.total)),
                "groups": [_group(query.group_by, row) for row in shown],
                "groups_left_out": len(summary.rows) - len(shown) if query.group_by else 0,
                "unpriced": [_unpriced(calls) for calls in unpriced],
            }
        )


class Problem(BaseModel):
    """RFC 9457 problem details. ``field`` names the parameter that was wrong, where one was."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = None


class Health(BaseModel):
    status: str = Field(examples=["ok"])
    detail: str = ""


def _sums(row: SummaryRow) -> Mapping[str, object]:
    return {
        "cost": Money.of(row.amount_nano),
        "list_cost": Money.of(row.list_nano),
        "parts": {part: Money.of(nano) for part, nano in zip(COST_PARTS, row.parts, strict=True)},
        "calls": row.calls,
        "operations": {str(status): count for status, count in row.operations.items()},
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
    }


def _group(names: Sequence[str], row: SummaryRow) -> Group:
    return Group.model_validate({**_sums(row), "key": dict(zip(names, row.group, strict=True))})


def _unpriced(calls: Unpriced) -> UnpricedCalls:
    return UnpricedCalls(
        provider=calls.provider,
        model=calls.model,
        reason=calls.reason,
        detail=calls.detail,
        calls=calls.operations,
        input_tokens=calls.input_tokens,
        output_tokens=calls.output_tokens,
        advice=advice(calls),
    )


_WANTS_PRICE = (Reason.UNKNOWN_MODEL, Reason.UNKNOWN_PROVIDER, Reason.NO_RATE)


def advice(calls: Unpriced) -> str:
    """What to do so that such calls have a price."""
    if calls.reason not in _WANTS_PRICE:
        return ""
    return (
        "add to a file named in OTEL_COST_PRICES: prices: [{provider: "
        f"{calls.provider or '<provider>'}, model: {calls.model or '<model>'}, "
        "per_1m: {input: <USD>, output: <USD>}}]"
    )
