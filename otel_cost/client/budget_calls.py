"""Budgets over the API: where they stand, and changing them while everything runs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal

from otel_cost.client.transport import Query, Transport, segment
from otel_cost.client.values_budgets import Budget, BudgetList, BudgetStatus, BudgetStatuses, Check
from otel_cost.model import EMPTY

_BUDGETS: Final = "/api/v1/budgets"


class BudgetCalls:
    """``client.budgets``. ``value`` names one value of a budget that is by label, several where it is by several.

    Changes take a reason, which goes into the audit log; they are sent once, and hold in all processes within a second.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> tuple[Budget, ...]:
        """Every budget: what the settings say, and what was set at run time."""
        return self._transport.get(BudgetList, _BUDGETS, {}).budgets

    def get(self, name: str) -> Budget:
        return self._transport.get(Budget, f"{_BUDGETS}/{segment(name)}", {})

    def status(self, name: str, *value: str, everything: bool = False) -> BudgetStatuses:
        """Where a budget stands: one value, or those nearest to their limit, or ``everything``."""
        query: Query = {"value": list(value), "all": everything}
        return self._transport.get(BudgetStatuses, f"{_BUDGETS}/{segment(name)}/status", query)

    def set(
        self,
        name: str,
        *value: str,
        reason: str,
        amount_usd: Decimal | str | int | None = None,
        action: Literal["alert", "block", "pause"] | None = None,
    ) -> tuple[BudgetStatus, ...]:
        """Put another limit or action in the place of the configured one."""
        said = {"amount_usd": None if amount_usd is None else str(amount_usd), "action": action, "reason": reason}
        body = {key: one for key, one in said.items() if one is not None}
        return self._change("PUT", segment(name), {"value": list(value)}, body)

    def clear(self, name: str, *value: str, reason: str) -> tuple[BudgetStatus, ...]:
        """Take back what was set at run time."""
        return self._change("DELETE", f"{segment(name)}/override", {"value": list(value), "reason": reason}, None)

    def pause(self, name: str, *value: str, reason: str) -> tuple[BudgetStatus, ...]:
        """Stop all calls that the budget applies to."""
        return self._change("POST", f"{segment(name)}/pause", {"value": list(value)}, {"reason": reason})

    def resume(self, name: str, *value: str, reason: str) -> tuple[BudgetStatus, ...]:
        return self._change("POST", f"{segment(name)}/resume", {"value": list(value)}, {"reason": reason})

    def reset(self, name: str, *value: str, reason: str) -> tuple[BudgetStatus, ...]:
        """Begin the present period anew: what was spent in it does not count any more."""
        return self._change("POST", f"{segment(name)}/reset", {"value": list(value)}, {"reason": reason})

    def check(
        self,
        estimated_usd: Decimal | str | int,
        *,
        labels: Mapping[str, str] = EMPTY,
        provider: str = "",
        model: str = "",
        operation: str = "chat",
    ) -> Check:
        """Whether there is room for a cost, and why not. Nothing is reserved by it."""
        body = {
            "estimated_usd": str(estimated_usd),
            "labels": dict(labels),
            "provider": provider,
            "model": model,
            "operation": operation,
        }
        return self._transport.send(Check, "POST", f"{_BUDGETS}/check", {}, body, repeatable=True)

    def _change(self, method: str, path: str, query: Query, body: object) -> tuple[BudgetStatus, ...]:
        changed = self._transport.send(BudgetStatuses, method, f"{_BUDGETS}/{path}", query, body, repeatable=False)
        return changed.statuses
