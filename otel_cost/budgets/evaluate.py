"""What spending means for a budget: pure functions over (budget, before, after)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from otel_cost import semconv
from otel_cost.budgets.spec import Budget, RowKey
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


def crossings(budget: Budget, row: RowKey, before_nano: int, after_nano: int) -> Iterator[BudgetEvent]:
    """Events for the thresholds that lie in (before, after], lowest first; a limit reached is a breach as well.

    Each threshold is crossed exactly once however a sum is split into steps, so that no event is lost or repeated.
    """
    limit = budget.limit_nano(row.scope)
    if after_nano < limit * budget.lowest_share:
        return
    for share in budget.thresholds:
        if _crossed(limit, share, before_nano, after_nano):
            yield _event(semconv.EVENT_BUDGET_THRESHOLD, budget, row, share, after_nano, limit)
    if _crossed(limit, Decimal(1), before_nano, after_nano):
        yield _event(semconv.EVENT_BUDGET_BREACH, budget, row, Decimal(1), after_nano, limit)


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


def _crossed(limit_nano: int, share: Decimal, before_nano: int, after_nano: int) -> bool:
    mark = share * limit_nano
    # A limit of 0 is reached by the first money spent, not by having spent nothing.
    return before_nano < mark <= after_nano or (mark == 0 and before_nano == 0 < after_nano)


def _event(name: str, budget: Budget, row: RowKey, share: Decimal, spent_nano: int, limit_nano: int) -> BudgetEvent:
    return BudgetEvent(name, budget.name, row, severity(share), share, spent_nano, limit_nano)
