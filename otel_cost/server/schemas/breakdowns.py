"""Costs by one name, how they are spread, and where others see them differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, Field

from otel_cost.ledger.questions import Disagreement, Distribution, SummaryRow
from otel_cost.server.schemas.money import Money, share_text
from otel_cost.server.schemas.period import Narrowed
from otel_cost.server.schemas.summary import Sums, sums


class Slice(Sums):
    value: str = Field(description="Empty: calls that have none", examples=["search"])
    share: str | None = Field(description="Of the total's cost, 1 being all; null of nothing", examples=["0.2500"])
    first: str | None = Field(description="Start of the first call, where known", examples=["2026-09-14T08:00:00Z"])
    last: str | None = Field(description="Start of the last call, where known", examples=["2026-09-21T14:12:20Z"])

    @classmethod
    def of_total(
        cls, value: str, row: SummaryRow, total: SummaryRow, first: str | None = None, last: str | None = None
    ) -> Self:
        share = share_text(row.amount_nano, total.amount_nano)
        return cls.model_validate({**sums(row), "value": value, "share": share, "first": first, "last": last})


class Breakdown(Narrowed):
    """``GET /api/v1/costs/breakdown/{dimension}`` and ``/top/{kind}``."""

    by: str = Field(description="The name that was broken down by", examples=["team"])
    total: Sums = Field(description="Of the whole period, calls without a value included")
    slices: list[Slice] = Field(description="Those of most cost first")
    left_out: int | None = Field(description="Values beyond the limit; null where not known", examples=[0])


class Spread(BaseModel):
    """Quantiles, within 5 % of the true ones."""

    p50: float = Field(examples=[0.8])
    p90: float = Field(examples=[2.1])
    p95: float = Field(examples=[3.0])
    p99: float = Field(examples=[7.9])


QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class MoneySpread(BaseModel):
    """Quantiles, within 5 % of the true ones."""

    p50: Money
    p90: Money
    p95: Money
    p99: Money


class Statistics(Sums):
    key: dict[str, str] = Field(examples=[{"provider": "openai", "model": "gpt-4o"}])
    errors: int = Field(description="Calls that failed", examples=[3])
    error_rate: str | None = Field(description="Of all calls; null without any", examples=["0.0025"])
    mean_cost: Money | None = Field(description="A call; null without any")
    duration_s: Spread | None = Field(description="Null where none is known")
    cost_per_call: MoneySpread | None = Field(description="Null where none is known")

    @classmethod
    def of_group(cls, key: dict[str, str], row: SummaryRow, spread: Distribution | None) -> Self:
        calls, errors = (spread.calls, spread.errors) if spread is not None else (row.calls, 0)
        return cls.model_validate(
            {
                **sums(row),
                "key": key,
                "errors": errors,
                "error_rate": share_text(errors, calls),
                "mean_cost": Money.of(round_half_up(row.amount_nano, row.calls)) if row.calls else None,
                "duration_s": _spread(spread.duration_s) if spread is not None else None,
                "cost_per_call": _money_spread(spread.amount_nano) if spread is not None else None,
            }
        )


def round_half_up(nano: int, parts: int) -> int:
    """``nano`` over ``parts``, to the nearest nano-USD."""
    return (2 * nano + parts) // (2 * parts)


def _spread(values: Mapping[float, float]) -> Spread | None:
    return Spread(**{name: values[share] for name, share in QUANTILES.items()}) if values else None


def _money_spread(values: Mapping[float, float]) -> MoneySpread | None:
    return (
        MoneySpread(**{name: Money.of(round(values[share])) for name, share in QUANTILES.items()}) if values else None
    )


class StatisticsReport(Narrowed):
    """``GET /api/v1/costs/stats``, of whole UTC days."""

    group_by: list[str] = Field(examples=[["provider", "model"]])
    total: Sums
    groups: list[Statistics] = Field(description="Those of most cost first")


class DisagreementOf(BaseModel):
    """What one source says of the calls of one model, and what that was compared with."""

    provider: str = Field(examples=["openrouter"])
    model: str = Field(examples=["openai/gpt-4o"])
    source: str = Field(examples=["openrouter"])
    kind: str = Field(description="ours, provider (who sends the bill) or foreign", examples=["provider"])
    compared: int = Field(examples=[40])
    disagreeing: int = Field(description="Beyond the tolerance that is set", examples=[2])
    stated: Money = Field(description="The source's figures for those, in sum")
    against: Money = Field(description="What they were compared with, in sum")
    example: str | None = Field(description="The key of the call that is farthest off", examples=["4bf92f35-00f067aa"])

    @classmethod
    def of(cls, one: Disagreement) -> Self:
        return cls(
            provider=one.provider,
            model=one.model,
            source=one.source.value,
            kind=one.source.kind.value,
            compared=one.compared,
            disagreeing=one.disagreeing,
            stated=Money.of(one.stated_nano),
            against=Money.of(one.against_nano),
            example=one.example or None,
        )


class DisagreementReport(Narrowed):
    """``GET /api/v1/costs/disagreements``."""

    compared: int = Field(description="Second opinions that were compared, in all", examples=[40])
    disagreements: list[DisagreementOf] = Field(description="Those farthest off in sum first")
