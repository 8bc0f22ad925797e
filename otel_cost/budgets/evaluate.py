"""What spending means for a budget: pure functions over (budget, before, after)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from otel_cost import semconv
from otel_cost.budgets.spec import PPM, Budget, RowKey
from otel_cost.model import nano_to_usd

Value = str | float


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """Something to hear about a budget: ``name`` is the event's, ``threshold`` a share of the limit (1 is 100 %)."""

    name: str
    budget: str
    row: RowKey
    severity: str
    threshold: Decimal
    spent_nano: int
    limit_nano: int
    why: str = ""

    def message(self) -> str:
        """One sentence for a person."""
        scope = f" ({', '.join(f'{label}={value!r}' for label, value in self.row.scope)})" if self.row.scope else ""
        spent = f"{nano_to_usd(self.spent_nano):.6f} of {nano_to_usd(self.limit_nano):.6f} USD are spent"
        what = {
            semconv.EVENT_BUDGET_THRESHOLD: f"has reached {self.threshold:.0%}",
            semconv.EVENT_BUDGET_BREACH: "is used up",
            semconv.EVENT_BUDGET_BLOCKED: f"does not allow a call: {self.why}",
        }[self.name]
        return f"budget {self.budget!r}{scope} {what}" + ("" if self.why else f": {spent}")

    def attributes(self) -> dict[str, Value]:
        """The event's attributes. The scope is spelled ``team=search,project=x``."""
        return {
            semconv.BUDGET_NAME: self.budget,
            semconv.BUDGET_SCOPE: ",".join(f"{label}={value}" for label, value in self.row.scope),
            semconv.BUDGET_PERIOD: self.row.period,
            semconv.BUDGET_SEVERITY: self.severity,
            semconv.BUDGET_THRESHOLD: float(self.threshold),
            semconv.BUDGET_SPENT: nano_to_usd(self.spent_nano),
            semconv.BUDGET_LIMIT: nano_to_usd(self.limit_nano),
        }


def newly_reached(
    thresholds: Sequence[int], limit_nano: int, spent_nano: int, told: int, told_limit_nano: int
) -> tuple[tuple[int, ...], int]:
    """The thresholds (ascending, in millionths of the limit) that are reached and were not told; and the highest told.

    Going by what was told, not by steps: however a sum is split, over whatever processes and restarts, each threshold is
    told once. ``told`` is the highest that was told when the limit was ``told_limit_nano``. With another limit, what is
    still reached is not told again, and what is not reached any more will be.
    """
    # A limit of 0 is reached by the first money spent, not by having spent nothing.
    reached = [share for share in thresholds if spent_nano * PPM >= share * limit_nano and (limit_nano or spent_nano)]
    highest = reached[-1] if reached else 0
    if limit_nano != told_limit_nano:
        told = min(told, highest)
    return tuple(share for share in reached if share > told), max(told, highest)


def blocked(budget: Budget, row: RowKey, spent_nano: int, why: str) -> BudgetEvent:
    """The event for a call that was not made."""
    limit = budget.limit_nano(row.scope)
    return replace(_event(semconv.EVENT_BUDGET_BLOCKED, budget, row, Decimal(1), spent_nano, limit), why=why)


def stops(budget: Budget, row: RowKey, spent_nano: int) -> bool:
    """Whether a further call is stopped: at the limit for ``block``, at the limit plus grace for ``pause``."""
    action = budget.action_for(row.scope)
    if action == "alert":
        return False
    limit = Decimal(budget.limit_nano(row.scope))
    return spent_nano >= (limit * (1 + budget.grace) if action == "pause" else limit)


def severity(share: Decimal) -> str:
    """``critical`` from 95 % of the limit, ``warning`` from 75 %, ``info`` below."""
    if share >= Decimal("0.95"):
        return "critical"
    return "warning" if share >= Decimal("0.75") else "info"


def _event(name: str, budget: Budget, row: RowKey, share: Decimal, spent_nano: int, limit_nano: int) -> BudgetEvent:
    return BudgetEvent(name, budget.name, row, severity(share), share, spent_nano, limit_nano)
