"""Metrics of the book that an app writes by itself: what waits, what is written, what is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation

from otel_cost import semconv
from otel_cost.budget_metrics import Observed
from otel_cost.model import nano_to_usd

if TYPE_CHECKING:
    from otel_cost.ledger.writer_outlet import Counts

CountsOf = Callable[[], "Counts"]


class LedgerMetrics:
    """``counts``: asked at collection; None where the app writes no book, and nothing is shown."""

    def __init__(self, counts: CountsOf | None) -> None:
        self._counts = counts

    def counters(self) -> tuple[Observed, ...]:
        if self._counts is None:
            return ()
        usd, record = semconv.UNIT_USD, "{record}"
        return (
            self._observed(semconv.METRIC_LEDGER_WRITTEN, record, "Records booked", lambda counts: counts.written),
            self._observed(semconv.METRIC_LEDGER_DROPPED, record, "Records lost", lambda counts: counts.dropped),
            self._observed(
                semconv.METRIC_LEDGER_DROPPED_USD,
                usd,
                "What the lost records come to",
                lambda counts: nano_to_usd(counts.dropped_nano),
            ),
        )

    def gauges(self) -> tuple[Observed, ...]:
        if self._counts is None:
            return ()
        record = "{record}"
        return (
            self._observed(semconv.METRIC_LEDGER_QUEUED, record, "Records in memory", lambda counts: counts.queued),
            self._observed(semconv.METRIC_LEDGER_SPOOLED, record, "Records on the disk", lambda counts: counts.spooled),
        )

    def _observed(self, name: str, unit: str, description: str, value: Callable[[Counts], float]) -> Observed:
        return Observed(name, unit, f"{description}, of the book that this app writes", partial(self._observe, value))

    def _observe(self, value: Callable[[Counts], float]) -> Iterable[Observation]:
        if self._counts is not None:
            yield Observation(value(self._counts()))
