"""Sums over the book: in all, and by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import BaseModel, Field

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import Summary, SummaryRow, Unpriced
from otel_cost.model import COST_PARTS, Reason
from otel_cost.server.schemas.money import Money
from otel_cost.server.schemas.period import Narrowed, narrowed


class Sums(BaseModel):
    """Sums over operations. A wrapper or duplicate adds to ``operations`` only."""

    cost: Money = Field(description="Effective: after discounts")
    list_cost: Money = Field(description="At list price")
    parts: dict[str, Money] = Field(description=f"Disjoint parts of cost: {', '.join(COST_PARTS)}")
    calls: int = Field(description="Operations that stand for themselves: priced, estimated, unpriced", examples=[1200])
    operations: dict[str, int] = Field(description="All operations by status", examples=[{"priced": 1190}])
    input_tokens: int = Field(examples=[1_200_000])
    output_tokens: int = Field(examples=[90_000])

    @classmethod
    def of(cls, row: SummaryRow) -> Self:
        return cls.model_validate(sums(row))


class Group(Sums):
    key: dict[str, str] = Field(
        description="Value of each name in group_by; empty where there is none",
        examples=[{"team": "search", "model": "gpt-4o"}],
    )

    @classmethod
    def named(cls, names: Sequence[str], row: SummaryRow) -> Self:
        return cls.model_validate({**sums(row), "key": dict(zip(names, row.group, strict=True))})


class UnpricedCalls(BaseModel):
    """Calls of unknown cost: in no sum of money."""

    provider: str = Field(examples=["openai"])
    model: str = Field(examples=["ft:gpt-4o:acme"])
    reason: str = Field(examples=["unknown_model"])
    detail: str = Field(examples=["openai/ft:gpt-4o:acme"])
    calls: int = Field(examples=[12])
    input_tokens: int = Field(examples=[3100])
    output_tokens: int = Field(examples=[250])
    advice: str = Field(description="How to price them; empty where a price would not help")

    @classmethod
    def of(cls, calls: Unpriced) -> Self:
        return cls(
            provider=calls.provider,
            model=calls.model,
            reason=calls.reason,
            detail=calls.detail,
            calls=calls.operations,
            input_tokens=calls.input_tokens,
            output_tokens=calls.output_tokens,
            advice=advice(calls),
        )


class CostSummary(Narrowed):
    """``GET /api/v1/costs/summary``. ``from`` is inclusive, ``to`` exclusive, both by the start of the call, in UTC."""

    as_of: str | None = Field(examples=[None])
    group_by: list[str] = Field(examples=[["team", "model"]])
    total: Sums
    groups: list[Group]
    groups_left_out: int = Field(
        description="Groups of less cost beyond the limit; they are in the total", examples=[0]
    )
    unpriced: list[UnpricedCalls]

    @classmethod
    def of(cls, summary: Summary, unpriced: Sequence[Unpriced], limit: int | None = None) -> Self:
        query = summary.query
        shown = summary.rows[:limit] if query.group_by else ()
        return cls.model_validate(
            {
                **narrowed(query),
                "as_of": None if query.as_of_ns is None else iso(query.as_of_ns),
                "group_by": list(query.group_by),
                "total": Sums.of(summary.total),
                "groups": [Group.named(query.group_by, row) for row in shown],
                "groups_left_out": len(summary.rows) - len(shown) if query.group_by else 0,
                "unpriced": [UnpricedCalls.of(calls) for calls in unpriced],
            }
        )


class UnpricedReport(Narrowed):
    """``GET /api/v1/costs/unpriced``."""

    calls: int = Field(description="All of them", examples=[12])
    unpriced: list[UnpricedCalls] = Field(description="By provider, model and reason; the most frequent first")


def sums(row: SummaryRow) -> Mapping[str, object]:
    """The fields of :class:`Sums`."""
    return {
        "cost": Money.of(row.amount_nano),
        "list_cost": Money.of(row.list_nano),
        "parts": {part: Money.of(nano) for part, nano in zip(COST_PARTS, row.parts, strict=True)},
        "calls": row.calls,
        "operations": {str(status): count for status, count in row.operations.items()},
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
    }


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
