"""Budgets in Prometheus, as the server sees them: where each stands, and what happened to it."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from otel_cost import semconv
from otel_cost.budgets import BudgetEvent, Budgets, BudgetState
from otel_cost.errors import BudgetStoreError
from otel_cost.model import nano_to_usd
from otel_cost.server.metrics import prometheus_name

_OWN: Final = ("budget", "period")
_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_]|^(?=[0-9])")
_GAUGES: Final[tuple[tuple[str, str, Callable[[BudgetState], float]], ...]] = (
    (semconv.METRIC_BOOK_BUDGET_SPENT, "Spent in the budget's period, USD.", lambda one: nano_to_usd(one.spent_nano)),
    (
        semconv.METRIC_BOOK_BUDGET_RESERVED,
        "Reserved for calls under way, USD.",
        lambda one: nano_to_usd(one.reserved_nano),
    ),
    (semconv.METRIC_BOOK_BUDGET_LIMIT, "The budget's limit, USD.", lambda one: nano_to_usd(one.limit_nano)),
    (semconv.METRIC_BOOK_BUDGET_UTILIZATION, "Spent over limit.", lambda one: one.utilization),
    (semconv.METRIC_BOOK_BUDGET_PAUSED, "1 while the budget is paused, else 0.", lambda one: float(one.paused)),
)


class BookBudgetMetrics(Collector):
    """Thread-safe. Apps show the same budgets under names of their own: a sum over all series counts nothing twice.

    Where the store cannot be read there are no gauges.
    """

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._lock = threading.Lock()
        self._events: Counter[tuple[str, str, str]] = Counter()

    def count(self, event: BudgetEvent) -> None:
        """One more event. Each is told by one process only, this one or an app's."""
        with self._lock:
            self._events[event.budget, event.name.rpartition(".")[2], event.severity] += 1

    def collect(self) -> Iterator[Metric]:
        states = self._states()
        for metric, text, value in _GAUGES:
            gauge = GaugeMetricFamily(prometheus_name(metric), text)
            for state in states:
                gauge.add_sample(gauge.name, _labels(state), value(state))
            yield gauge
        with self._lock:
            counts = dict(self._events)
        events = CounterMetricFamily(
            prometheus_name(semconv.METRIC_BOOK_BUDGET_EVENTS),
            "What happened to budgets and was found out here.",
            labels=("budget", "event", "severity"),
        )
        for labels, count in sorted(counts.items()):
            events.add_metric(labels, count)
        yield events
        yield CounterMetricFamily(
            prometheus_name(semconv.METRIC_BOOK_BUDGET_UNSETTLED),
            "Booked spend in USD that the budget store was never told.",
            value=nano_to_usd(self._budgets.unsettled_nano),
        )

    def _states(self) -> list[BudgetState]:
        try:
            return list(self._budgets.gauges())
        except BudgetStoreError:
            return []


def _labels(state: BudgetState) -> dict[str, str]:
    """The budget, its period's kind, and one label for each ``per:`` label."""
    found: dict[str, str] = dict(zip(_OWN, (state.budget.name, state.budget.period), strict=True))
    for label, value in state.row.scope:
        name = _NOT_IN_A_NAME.sub("_", label)
        while name in found:
            name += "_"
        found[name] = value.encode("utf-8", "replace").decode()
    return found
