"""Limits on spend: what applies to a call, what was spent, and what that means."""

from __future__ import annotations

from otel_cost.budgets.asking import reserved_around
from otel_cost.budgets.checking import Decision
from otel_cost.budgets.evaluate import BudgetEvent
from otel_cost.budgets.holds import NO_HOLD, Hold
from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.spec import Budget, BudgetState, RowKey

__all__ = [
    "NO_HOLD",
    "Budget",
    "BudgetEvent",
    "BudgetState",
    "Budgets",
    "Decision",
    "Hold",
    "RowKey",
    "reserved_around",
]
