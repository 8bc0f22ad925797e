"""How durations and costs of calls are spread: quantiles out of the numbers of calls in each bin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Select, case, func, select

from otel_cost.ledger.queries_entities import check_by_day, filtered, within_days
from otel_cost.ledger.questions import Distribution, SummaryQuery
from otel_cost.ledger.rollups import MEASURES, middle_of
from otel_cost.ledger.schema import dims
from otel_cost.ledger.schema import distributions as bins
from otel_cost.model import NANO

_DURATION, _COST = MEASURES
_FAILED: Final = "1"
_COSTS: Final = 2**16
"""Added to the bins of costs, to tell them from those of durations."""


@dataclass(slots=True)
class _Group:
    """Calls by bin, for each measure."""

    calls: dict[str, dict[int, int]] = field(default_factory=lambda: {measure: {} for measure in MEASURES})
    errors: int = 0

    def add(self, measure: str, number: int, calls: int, failed: bool) -> None:
        found = self.calls[measure]
        found[number] = found.get(number, 0) + calls
        if failed and measure == _DURATION:  # which every call has
            self.errors += calls

    def answer(self, group: tuple[str, ...], quantiles: Sequence[float]) -> Distribution:
        durations = _quantiles(self.calls[_DURATION], quantiles)
        return Distribution(
            group=group,
            calls=sum(self.calls[_DURATION].values()),
            errors=self.errors,
            duration_s={share: middle / NANO for share, middle in durations.items()},
            amount_nano=_quantiles(self.calls[_COST], quantiles),
        )


def distributions(connection: Connection, query: SummaryQuery, quantiles: Sequence[float]) -> tuple[Distribution, ...]:
    check_by_day(query)
    for share in quantiles:
        if not 0 <= share <= 1:
            raise ValueError(f"{share} is no quantile; allowed: 0 to 1")
    groups: dict[tuple[str, ...], _Group] = {}
    for *group, failed, number, calls in connection.execute(_statement(query)):
        measure, number = (_COST, number - _COSTS) if number > _COSTS // 2 else (_DURATION, number)
        groups.setdefault(tuple(group), _Group()).add(measure, number, int(calls), failed == _FAILED)
    answers = [found.answer(group, quantiles) for group, found in groups.items()]
    return tuple(sorted((one for one in answers if one.calls), key=lambda one: (-one.calls, one.group)))


def _statement(query: SummaryQuery) -> Select[*tuple[Any, ...]]:
    """Summed by two numbers before anything has a name: sorting tens of thousands of rows takes nearly all the time."""
    number = (bins.c.bin + case((bins.c.measure == _COST, _COSTS), else_=0)).label("number")
    by = (bins.c.dims_id, number)
    rows = select(*by, func.sum(bins.c.calls).label("calls")).where(*within_days(bins.c.day_ns, query)).group_by(*by)
    summed = rows.subquery()
    names = (*(dims.c[name] for name in query.group_by), dims.c.failed)
    statement = select(
        *(name.label(f"by_{index}") for index, name in enumerate(names)), summed.c.number, summed.c.calls
    )
    return statement.join_from(summed, dims, dims.c.id == summed.c.dims_id).where(*filtered(query))


def _quantiles(calls: Mapping[int, int], quantiles: Sequence[float]) -> dict[float, float]:
    """The middle of the bin that has the call of that rank; nothing where there are no calls."""
    standing = sorted((number, count) for number, count in calls.items() if count > 0)
    whole = sum(count for _, count in standing)
    answers: dict[float, float] = {}
    for share in quantiles if whole else ():
        rank, passed = max(1, math.ceil(share * whole)), 0
        for number, count in standing:
            passed += count
            if passed >= rank:
                answers[share] = middle_of(number)
                break
    return answers
