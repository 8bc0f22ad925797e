"""What spending means for a budget: pure functions over (budget, limit, spent, reserved), and the events they lead
to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from otel_cost import semconv
from otel_cost.budgets.spec import PPM, Budget, RowKey, Scope
from otel_cost.model import nano_to_usd

Value = str | float


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """Something to hear about a budget: ``name`` is the event's, ``threshold`` a share of the limit (1 is 100 %).

    ``why`` says more, where there is more to say; ``actor`` is who did it, where a person did.
    """

    name: str
    budget: str
    row: RowKey
    severity: str
    threshold: Decimal
    spent_nano: int
    limit_nano: int
    why: str = ""
    actor: str = ""

    def message(self) -> str:
        """One sentence for a person."""
        spent = f"{money(self.spent_nano)} of {money(self.limit_nano)} USD are spent"
        what = {
            semconv.EVENT_BUDGET_THRESHOLD: f"has reached {self.threshold:.0%}",
            semconv.EVENT_BUDGET_BREACH: "is used up",
            semconv.EVENT_BUDGET_BLOCKED: "does not allow a call",
            semconv.EVENT_BUDGET_PAUSED: "is paused",
            semconv.EVENT_BUDGET_RESUMED: "goes on",
        }[self.name]
        return f"budget {self.budget!r}{in_words(self.row.scope)} {what}: {self.why or spent}"

    def attributes(self) -> dict[str, Value]:
        """The event's attributes. The scope is spelled ``team=search,project=x``."""
        found: dict[str, Value] = {
            semconv.BUDGET_NAME: self.budget,
            semconv.BUDGET_SCOPE: ",".join(f"{label}={value}" for label, value in self.row.scope),
            semconv.BUDGET_PERIOD: self.row.period,
            semconv.BUDGET_SEVERITY: self.severity,
            semconv.BUDGET_THRESHOLD: float(self.threshold),
            semconv.BUDGET_SPENT: nano_to_usd(self.spent_nano),
            semconv.BUDGET_LIMIT: nano_to_usd(self.limit_nano),
        }
        if self.actor:
            found[semconv.BUDGET_ACTOR] = self.actor
        return found


def in_words(scope: Scope) -> str:
    """`` (team='search')``; nothing for the empty scope."""
    return f" ({', '.join(f'{label}={value!r}' for label, value in scope)})" if scope else ""


def money(nano: int) -> str:
    """USD with six decimals, for people."""
    return f"{nano_to_usd(nano):.6f}"


def newly_reached(
    thresholds: Sequence[int], limit_nano: int, spent_nano: int, told: int, told_limit_nano: int
) -> tuple[tuple[int, ...], int]:
    """The thresholds (ascending, in millionths of the limit) that are reached and were not told; and the highest told.

    Going by what was told, not by steps: however a sum is split, over whatever processes and restarts, each threshold
    is told once. ``told`` is the highest that was told when the limit was ``told_limit_nano``. With another limit, what
    is still reached is not told again, and what is not reached any more will be.
    """
    # A limit of 0 is reached by the first money spent, not by having spent nothing.
    reached = [share for share in thresholds if spent_nano * PPM >= share * limit_nano and (limit_nano or spent_nano)]
    highest = reached[-1] if reached else 0
    if limit_nano != told_limit_nano:
        told = min(told, highest)
    return tuple(share for share in reached if share > told), max(told, highest)


def events_of(budget: Budget, row: RowKey, threshold: int, spent_nano: int, limit_nano: int) -> list[BudgetEvent]:
    """What to tell when ``threshold`` (millionths of the limit) is reached: the threshold, where it is one of the
    budget's, and a breach at the limit."""
    share = Decimal(threshold) / PPM
    names = [semconv.EVENT_BUDGET_THRESHOLD] if share in budget.thresholds else []
    if threshold == PPM:
        names.append(semconv.EVENT_BUDGET_BREACH)
    return [BudgetEvent(name, budget.name, row, severity(share), share, spent_nano, limit_nano) for name in names]


def pause_at(limit_nano: int, grace: Decimal) -> int:
    """Where ``action: pause`` pauses: the limit and the grace on top of it, in nano-USD."""
    return int(limit_nano * (1 + grace))


def severity(share: Decimal) -> str:
    """``critical`` from 95 % of the limit, ``warning`` from 75 %, ``info`` below."""
    if share >= Decimal("0.95"):
        return "critical"
    return "warning" if share >= Decimal("0.75") else "info"
