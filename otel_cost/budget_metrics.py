"""Metrics of budgets: what happened to them, where they stand, and how asking them goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from opentelemetry.metrics import Observation

from otel_cost import semconv
from otel_cost.budgets import BudgetEvent, Budgets, BudgetState
from otel_cost.model import NANO, nano_to_usd

Observe = Callable[[], Iterable[Observation]]


class Observed(NamedTuple):
    """An observable instrument to be: its name, unit, description, and what it shows."""

    name: str
    unit: str
    description: str
    observe: Observe


class BudgetMetrics:
    """Thread-safe. ``budgets``: None where there are none, so that only what :meth:`count` gets is shown."""

    def __init__(self, budgets: Budgets | None) -> None:
        self._budgets = budgets
        self.clear()

    def clear(self) -> None:
        """Start from zero, as a forked child does."""
        self._lock = threading.Lock()
        self._events: dict[tuple[str, str, str], int] = {}

    def count(self, event: BudgetEvent) -> None:
        """One more event of its name, budget and severity."""
        key = (event.name, event.budget, event.severity)
        with self._lock:
            self._events[key] = self._events.get(key, 0) + 1

    def counters(self) -> tuple[Observed, ...]:
        breaches = partial(self._observe_events, semconv.EVENT_BUDGET_BREACH)
        blocked = partial(self._observe_events, semconv.EVENT_BUDGET_BLOCKED)
        usd = semconv.UNIT_USD
        return (
            Observed(semconv.METRIC_BUDGET_BREACHES, "{breach}", "Budgets that reached 100 %", breaches),
            Observed(semconv.METRIC_BUDGET_BLOCKED, "{call}", "Calls that a budget blocked", blocked),
            *(
                Observed(name, unit, description, partial(self._observe_count, count))
                for name, unit, description, count in (
                    (semconv.METRIC_BUDGET_CACHE_HITS, "{call}", "Calls let through from memory", _hits),
                    (semconv.METRIC_BUDGET_CACHE_MISSES, "{call}", "Calls that asked the budget store", _misses),
                    (
                        semconv.METRIC_BUDGET_UNREACHABLE,
                        "{call}",
                        "Calls without the budget store's word",
                        _unreachable,
                    ),
                    (semconv.METRIC_BUDGET_LOST, usd, "Reservations whose call never settled", _lost),
                    (semconv.METRIC_BUDGET_UNSETTLED, usd, "Spend that the budget store was never told", _unsettled),
                )
            ),
        )

    def gauges(self) -> tuple[Observed, ...]:
        usd = semconv.UNIT_USD
        return tuple(
            Observed(name, unit, description, partial(self._observe_states, value))
            for name, unit, description, value in (
                (semconv.METRIC_BUDGET_SPENT, usd, "Spent in the budget's period", _spent),
                (semconv.METRIC_BUDGET_RESERVED, usd, "Reserved for calls that are under way", _reserved),
                (semconv.METRIC_BUDGET_LIMIT, usd, "The budget's limit", _limit),
                (semconv.METRIC_BUDGET_UTILIZATION, "{ratio}", "Spent over limit", _utilization),
            )
        )

    def _observe_events(self, event: str) -> Iterable[Observation]:
        with self._lock:
            counts = [(budget, severity, n) for (name, budget, severity), n in self._events.items() if name == event]
        for budget, severity, count in counts:
            yield Observation(count, {semconv.BUDGET_NAME: budget, semconv.BUDGET_SEVERITY: severity})

    def _observe_count(self, count: Callable[[Budgets], float]) -> Iterable[Observation]:
        if self._budgets is not None and self._budgets.present and not self._budgets.store.local:
            yield Observation(count(self._budgets))

    def _observe_states(self, value: Callable[[BudgetState], float]) -> Iterable[Observation]:
        for state in self._budgets.gauges() if self._budgets is not None else ():
            yield Observation(value(state), state.attributes())


def _hits(budgets: Budgets) -> float:
    return budgets.decisions.hits


def _misses(budgets: Budgets) -> float:
    return budgets.decisions.misses


def _unreachable(budgets: Budgets) -> float:
    return budgets.unreachable


def _lost(budgets: Budgets) -> float:
    return budgets.lost_nano / NANO


def _unsettled(budgets: Budgets) -> float:
    return budgets.unsettled_nano / NANO


def _spent(state: BudgetState) -> float:
    return nano_to_usd(state.spent_nano)


def _reserved(state: BudgetState) -> float:
    return nano_to_usd(state.reserved_nano)


def _limit(state: BudgetState) -> float:
    return nano_to_usd(state.limit_nano)


def _utilization(state: BudgetState) -> float:
    return state.utilization
