"""Budgets: what they are, where they stand, and what can be asked of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from otel_cost.budgets import Decision
from otel_cost.budgets.spec import PPM, Budget, Scope
from otel_cost.budgets.stores.base import Control
from otel_cost.model import NANO
from otel_cost.server.schemas.given import Given
from otel_cost.server.schemas.money import Money

_REASON = Field(min_length=1, max_length=1000, description="Why: it goes into the audit log", examples=["launch week"])


class SetAtRunTime(BaseModel):
    """What people have set; null: as the settings have it."""

    amount: Money | None
    action: str | None = Field(examples=["block"])
    paused: bool = Field(description="By hand", examples=[False])

    @classmethod
    def of(cls, control: Control) -> Self:
        amount = None if control.amount_nano is None else Money.of(control.amount_nano)
        return cls(amount=amount, action=control.action, paused=control.paused)


class BudgetValue(BaseModel):
    """One value of a budget that is by label, which has something of its own."""

    scope: dict[str, str] = Field(examples=[{"team": "research"}])
    amount: Money = Field(description="As the settings have it")
    action: str = Field(description="As the settings have it", examples=["alert"])
    paused: bool = Field(description="In the settings", examples=[False])
    set: SetAtRunTime | None

    @classmethod
    def of(cls, budget: Budget, scope: Scope, control: Control | None) -> Self:
        return cls(
            scope=dict(scope),
            amount=Money.of(budget.limit_nano(scope)),
            action=budget.action_for(scope),
            paused=budget.paused_in_settings(scope),
            set=None if control is None else SetAtRunTime.of(control),
        )


class BudgetOf(BaseModel):
    """What the settings say, and what was set at run time."""

    name: str = Field(examples=["team-month"])
    amount: Money = Field(description="The limit, of each value where it is by label")
    period: str = Field(description="hour, day, week, month, session, trace or total", examples=["month"])
    timezone: str = Field(examples=["UTC"])
    per: list[str] = Field(description="Labels of whose values each has a limit of its own", examples=[["team"]])
    match: dict[str, str] = Field(
        description="Calls that it is about; all where empty", examples=[{"environment": "production"}]
    )
    action: str = Field(description="At the limit: alert, block or pause", examples=["block"])
    hard_limit: bool = Field(description="Whether something stops at the limit", examples=[True])
    thresholds: list[str] = Field(description="Shares of the limit, 1 being all of it", examples=[["0.8", "0.95", "1"]])
    grace: str = Field(description="Share beyond the limit at which action pause pauses", examples=["0.1"])
    carry_over: bool = Field(examples=[False])
    notify: list[str] = Field(examples=[["finops"]])
    set: SetAtRunTime | None = Field(description="For all of it; null where nothing was")
    values: list[BudgetValue]

    @classmethod
    def of(cls, budget: Budget, control: Control | None, values: list[BudgetValue]) -> Self:
        return cls(
            name=budget.name,
            amount=Money.of(budget.amount_nano),
            period=budget.period,
            timezone=str(budget.timezone),
            per=list(budget.scope_labels),
            match=dict(budget.match),
            action=budget.action,
            hard_limit=budget.action != "alert",
            thresholds=[f"{Decimal(mark) / PPM:f}" for mark in budget.marks],
            grace=f"{budget.grace:f}",
            carry_over=budget.carry_over,
            notify=list(budget.notify),
            set=None if control is None else SetAtRunTime.of(control),
            values=values,
        )


class BudgetList(BaseModel):
    budgets: list[BudgetOf]


class BudgetInBrief(BaseModel):
    """Where one value of a budget stands in its present period."""

    name: str = Field(examples=["team-month"])
    scope: dict[str, str] = Field(description="The value; empty where it is one for all", examples=[{"team": "search"}])
    limit: Money
    spent: Money
    reserved: Money = Field(description="For calls under way")
    remaining: Money = Field(description="Neither spent nor reserved; at least 0")
    utilization: str | None = Field(
        description="Spent over the limit, 1 being all of it; null of a limit of 0", examples=["0.8125"]
    )
    over: bool = Field(description="The limit is spent", examples=[False])
    paused: bool = Field(examples=[False])


class PausedBy(BaseModel):
    actor: str = Field(examples=["key-7f3a"])
    reason: str = Field(examples=["runaway agent"])
    at: str = Field(examples=["2026-09-21T14:00:00Z"])


class BudgetStatus(BudgetInBrief):
    period: str = Field(examples=["month"])
    period_start: str | None = Field(
        description="UTC; null for a session, a trace or all time", examples=["2026-09-01T00:00:00Z"]
    )
    period_end: str | None = Field(examples=["2026-10-01T00:00:00Z"])
    operations: int | None = Field(
        description="Calls of the period that the book has; null where it does not keep them so", examples=[812]
    )
    action: str = Field(examples=["block"])
    hard_limit: bool = Field(description="Whether something stops at the limit", examples=[True])
    active: bool = Field(description="Not paused", examples=[True])
    paused_by: PausedBy | None = Field(description="Null where nobody did: it may have paused itself")
    alert_needed: bool = Field(description="A threshold is reached", examples=[True])
    thresholds_reached: list[str] = Field(examples=[["0.8"]])
    severity: str | None = Field(
        description="Of the highest threshold that is reached: info, warning or critical", examples=["warning"]
    )


class BudgetStatuses(BaseModel):
    name: str = Field(examples=["team-month"])
    statuses: list[BudgetStatus] = Field(description="Those nearest to their limit first")
    left_out: int = Field(description="Values beyond those shown: all=true shows them", examples=[0])


Usd = Annotated[
    Decimal,
    Field(ge=0, le=10**9, max_digits=30, description="USD: text is exact, a number is taken as written",
          examples=["250.00"]),
]  # fmt: skip


class Changed(Given):
    reason: Annotated[str, _REASON]


class LimitSet(Changed):
    """What takes the place of the configured limit; what is left out is as configured."""

    amount_usd: Usd | None = None
    action: Literal["alert", "block", "pause"] | None = Field(default=None, examples=["block"])


class CheckAsked(Given):
    """A call, or a piece of work, that is about to be paid for."""

    estimated_usd: Usd
    labels: dict[str, str] = Field(
        default={}, max_length=64, description="Who it is for", examples=[{"team": "search", "agent": "writer"}]
    )
    provider: str = Field(default="", max_length=256, description="With model: for budgets by these too")
    model: str = Field(default="", max_length=256, examples=["gpt-4o"])
    operation: str = Field(default="chat", max_length=256, examples=["chat"])


class CheckAnswer(BaseModel):
    """Nothing is reserved by it: what holds a limit is a budget with action block, which the SDKs' calls go through."""

    allowed: bool = Field(examples=[False])
    reason: str = Field(description="Why not", examples=["budget 'team-month' (team='search') does not allow a call"])
    budget: str = Field(description="That says no, else that has the least left; may be empty", examples=["team-month"])
    scope: dict[str, str] = Field(examples=[{"team": "search"}])
    limit: Money | None
    spent: Money | None
    reserved: Money | None
    remaining: Money | None
    retry_after_s: float | None = Field(description="Seconds until it is worth asking again", examples=[None])

    @classmethod
    def of(cls, decision: Decision) -> Self:
        return cls(
            allowed=decision.allowed,
            reason=decision.reason,
            budget=decision.budget,
            scope=dict(decision.scope),
            limit=_money(decision.limit_usd),
            spent=_money(decision.spent_usd),
            reserved=_money(decision.reserved_usd),
            remaining=_money(decision.remaining_usd),
            retry_after_s=decision.retry_after_s,
        )


def nano_of(usd: Decimal) -> int:
    """USD in nano-USD, to the nearest."""
    return int((usd * NANO).to_integral_value())


def _money(usd: Decimal | None) -> Money | None:
    return None if usd is None else Money.of(nano_of(usd))
