"""Why a call is not made, in words, as an event and as the error that the app gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from otel_cost import semconv
from otel_cost.budgets.evaluate import BudgetEvent, money, pause_at
from otel_cost.budgets.limits import Limit
from otel_cost.budgets.spec import Budget
from otel_cost.budgets.stores.base import RowState, Want
from otel_cost.errors import BudgetExceeded
from otel_cost.model import NANO

_SOON_S = 1.0
"""When to ask again where only calls that are under way are in the way."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What said no, and why. ``retry_after_s``: None until the period ends, or for ever where it does not."""

    limit: Limit
    why: str
    spent_nano: int = 0
    reserved_nano: int = 0
    needed_nano: int = 0
    retry_after_s: float | None = None

    def event(self) -> BudgetEvent:
        limit = self.limit
        return BudgetEvent(
            semconv.EVENT_BUDGET_BLOCKED, limit.budget.name, limit.row, "critical", Decimal(1),
            self.spent_nano, limit.amount_nano, self.why,
        )  # fmt: skip

    def error(self, message: str, now_ns: int) -> BudgetExceeded:
        limit = self.limit
        wait_s = self.retry_after_s
        if wait_s is None and limit.ends_ns is not None and not limit.paused:
            wait_s = max(0.0, (limit.ends_ns - now_ns) / NANO)
        return BudgetExceeded(
            message,
            budget=limit.budget.name,
            scope=dict(limit.row.scope),
            limit_nano=limit.amount_nano,
            spent_nano=self.spent_nano,
            retry_after_s=wait_s,
            reserved_nano=self.reserved_nano,
            needed_nano=self.needed_nano,
        )


def paused_by_hand(limit: Limit, spent_nano: int) -> Refusal:
    return Refusal(limit, "somebody paused it (otel-cost budgets resume lets it go on)", spent_nano)


def unreachable(limit: Limit, error: Exception) -> Refusal:
    return Refusal(limit, f"{error}, and fail is closed", retry_after_s=1.0)


OfRow = Callable[[RowState, Sequence[Limit], Sequence[Want]], Refusal]
"""Why the row in a state said no to its want."""


def of_call(state: RowState, limits: Sequence[Limit], wants: Sequence[Want]) -> Refusal:
    """Why there is no room for what one call may cost."""

    def and_this(limit: Limit, needed: int, fits_later: bool) -> str:
        advice = f" (reserve: {limit.budget.reserve}; a lower output limit in the request needs less)"
        return f", and this call may cost up to {money(needed)}{'' if fits_later else advice}"

    return _of_row(state, limits, wants, and_this)


def of_amount(state: RowState, limits: Sequence[Limit], wants: Sequence[Want]) -> Refusal:
    """Why there is no room for what the app asked for itself, by its own estimate or without one."""

    def and_this(_limit: Limit, needed: int, _fits_later: bool) -> str:
        return f", and {money(needed)} more are asked for" if needed > 1 else ""

    return _of_row(state, limits, wants, and_this)


def _of_row(
    state: RowState, limits: Sequence[Limit], wants: Sequence[Want], and_this: Callable[[Limit, int, bool], str]
) -> Refusal:
    limit, want = next(pair for pair in zip(limits, wants, strict=True) if pair[1].row == state.row)
    spent, reserved, needed = state.spent_nano, state.reserved_nano, want.amount_nano
    if state.state == "paused":
        at = pause_at(limit.amount_nano, limit.budget.grace)
        return Refusal(limit, f"it paused itself at {money(at)} USD, and {money(spent)} are spent", spent, reserved)
    spent_of = f"{money(spent)} of {money(limit.amount_nano)} USD are spent{_in_period(limit.budget)}"
    if spent >= limit.amount_nano:
        return Refusal(limit, spent_of, spent, reserved, needed)
    held = f", {money(reserved)} are reserved for calls under way" if reserved else ""
    fits_later = spent + needed <= limit.amount_nano
    why = f"{spent_of}{held}{and_this(limit, needed, fits_later)}"
    return Refusal(limit, why, spent, reserved, needed, _SOON_S if fits_later else None)


def _in_period(budget: Budget) -> str:
    return "" if budget.period == "total" else f" in this {budget.period}"
