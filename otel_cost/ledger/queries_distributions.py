"""How durations and costs of calls are spread: quantiles out of the numbers of calls in each bin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, func, select

from otel_cost.ledger.queries_entities import by_day, check_by_day
from otel_cost.ledger.questions import Distribution, SummaryQuery
from otel_cost.ledger.rollups import MEASURES, middle_of
from otel_cost.ledger.schema import dims
from otel_cost.ledger.schema import distributions as bins
from otel_cost.model import NANO

_DURATION, _COST = MEASURES
_FAILED: Final = "1"


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
    by = [*(dims.c[name] for name in query.group_by), dims.c.failed, bins.c.measure, bins.c.bin]
    statement = (
        select(*(column.label(f"by_{index}") for index, column in enumerate(by)), func.sum(bins.c.calls))
        .join_from(bins, dims, dims.c.id == bins.c.dims_id)
        .group_by(*by)
    )
    groups: dict[tuple[str, ...], _Group] = {}
    for *group, failed, measure, number, calls in connection.execute(by_day(statement, bins.c.day_ns, query)):
        groups.setdefault(tuple(group), _Group()).add(measure, number, int(calls), failed == _FAILED)
    answers = [found.answer(group, quantiles) for group, found in groups.items()]
    return tuple(sorted((one for one in answers if one.calls), key=lambda one: (-one.calls, one.group)))


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
