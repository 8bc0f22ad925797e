"""Costs over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, Field

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import SummaryRow
from otel_cost.model import Status
from otel_cost.server.schemas.money import Money
from otel_cost.server.schemas.period import Narrowed, Period


class Point(Period):
    """One hour, day, week or month; the first and the last may be cut by the period that was asked for."""

    cost: Money
    calls: int = Field(examples=[40])
    unpriced_calls: int = Field(examples=[0])
    input_tokens: int = Field(examples=[12_000])
    output_tokens: int = Field(examples=[900])

    @classmethod
    def over(cls, start_ns: int, end_ns: int, row: SummaryRow) -> Self:
        return cls.model_validate(
            {
                "from": iso(start_ns),
                "to": iso(end_ns),
                "cost": Money.of(row.amount_nano),
                "calls": row.calls,
                "unpriced_calls": row.operations.get(Status.UNPRICED, 0),
                "input_tokens": row.input_tokens,
                "output_tokens": row.output_tokens,
            }
        )


class Series(BaseModel):
    key: dict[str, str] = Field(
        description="Value of each name in group_by; empty where there is none", examples=[{"model": "gpt-4o"}]
    )
    cost: Money = Field(description="The sum of all points")
    points: list[Point] = Field(description="One for each part of the period, also where there was nothing")


class TimeSeries(Narrowed):
    """``GET /api/v1/costs/timeseries``."""

    interval: str = Field(examples=["day"])
    timezone: str = Field(examples=["Europe/Berlin"])
    group_by: list[str] = Field(examples=[["model"]])
    total: Series
    groups: list[Series] = Field(description="Those of most cost first")
    groups_left_out: int = Field(description="Groups beyond the limit; they are in the total", examples=[0])


def series_of(key: dict[str, str], edges: Sequence[int], rows: Sequence[SummaryRow]) -> Series:
    """One row for each part between two ``edges``."""
    points = [Point.over(edges[place], edges[place + 1], row) for place, row in enumerate(rows)]
    return Series(key=key, cost=Money.of(sum(row.amount_nano for row in rows)), points=points)
