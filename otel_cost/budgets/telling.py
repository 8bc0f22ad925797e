"""Tells the outside what happens to budgets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from otel_cost import semconv, shield
from otel_cost.budgets.evaluate import BudgetEvent, events_of
from otel_cost.budgets.limits import Limit
from otel_cost.budgets.spec import Budget, RowKey
from otel_cost.budgets.stores.base import Alert, Posting

_log = logging.getLogger(semconv.LOGGER)
_QUIET_S: Final = 10.0
_ROWS_KEPT: Final = 10_000


class Teller:
    """Args:
    budgets: By name.
    on_event: Told of everything; must not block. None: what happens here is for others to tell.
    """

    def __init__(self, budgets: Mapping[str, Budget], on_event: Callable[[BudgetEvent], None] | None) -> None:
        self._budgets = budgets
        self._on_event = on_event
        self._blocked_at: dict[RowKey, float] = {}

    @property
    def is_heard(self) -> bool:
        return self._on_event is not None

    def tell(self, event: BudgetEvent) -> None:
        if self._on_event is None:
            return
        _log.log(self._level(event), "%s", event.message())
        # Whoever listens must not keep a limit from being a limit.
        shield.run("budget event", None, self._on_event, event)

    def _level(self, event: BudgetEvent) -> int:
        """A loop that is stopped asks again and again: its log lines are one in a while, the others for debugging."""
        if event.name != semconv.EVENT_BUDGET_BLOCKED:
            return logging.INFO if event.severity == "info" else logging.WARNING
        now = time.monotonic()
        if now - self._blocked_at.get(event.row, float("-inf")) < _QUIET_S:
            return logging.DEBUG
        if len(self._blocked_at) >= _ROWS_KEPT:
            self._blocked_at.clear()
        self._blocked_at[event.row] = now
        return logging.WARNING

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
