"""Limits on spend: what applies to a call, what was spent, and what that means."""

from __future__ import annotations

from otel_cost.budgets.evaluate import BudgetEvent
from otel_cost.budgets.manager import Budgets, Hold
from otel_cost.budgets.spec import Budget, BudgetState, RowKey

__all__ = ["Budget", "BudgetEvent", "BudgetState", "Budgets", "Hold", "RowKey"]
