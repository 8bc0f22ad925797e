"""Tells the outside what happens to budgets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from otel_cost import semconv, shield
from otel_cost.budgets.evaluate import BudgetEvent, events_of
from otel_cost.budgets.limits import Limit
from otel_cost.budgets.spec import Budget, RowKey
from otel_cost.budgets.stores.base import Alert, Posting

_log = logging.getLogger(semconv.LOGGER)


class Teller:
    """Args:
    budgets: By name.
    on_event: Told of everything; must not block.
    """

    def __init__(self, budgets: Mapping[str, Budget], on_event: Callable[[BudgetEvent], None]) -> None:
        self._budgets = budgets
        self._on_event = on_event

    def tell(self, event: BudgetEvent) -> None:
        _log.log(logging.INFO if event.severity == "info" else logging.WARNING, "%s", event.message())
        # Whoever listens must not keep a limit from being a limit.
        shield.run("budget event", None, self._on_event, event)

    def alerts(self, alerts: Sequence[Alert]) -> None:
        """Thresholds that were reached. Those of budgets that are not configured here are told by nobody here."""
        for alert in alerts:
            budget = self._budgets.get(alert.row.budget)
            if budget is not None:
                for event in events_of(budget, alert.row, alert.threshold, alert.spent_nano, alert.limit_nano):
                    self.tell(event)

    def paused_itself(self, limit: Limit, posting: Posting) -> None:
        self.tell(_of_row(semconv.EVENT_BUDGET_PAUSED, limit, posting.row, posting.after_nano))

    def by_hand(self, name: str, limit: Limit, spent_nano: int, *, actor: str, reason: str) -> None:
        """Somebody paused a budget or let it go on."""
        why = f"{reason} ({actor})"
        self.tell(_of_row(name, limit, limit.row, spent_nano, why=why, actor=actor))


def _of_row(name: str, limit: Limit, row: RowKey, spent_nano: int, *, why: str = "", actor: str = "") -> BudgetEvent:
    severity = "info" if name == semconv.EVENT_BUDGET_RESUMED else "critical"
    share = Decimal(spent_nano) / limit.amount_nano if limit.amount_nano else Decimal(1)
    return BudgetEvent(name, row.budget, row, severity, share, spent_nano, limit.amount_nano, why, actor)
