"""Budgets and the overview, as ``otel_cost.client.values`` has costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from otel_cost.client.values import Group, Money, OfPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAtRunTime:
    amount: Money | None
    action: str | None
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetValue:
    scope: Mapping[str, str]
    amount: Money
    action: str
    paused: bool
    set: SetAtRunTime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the settings say, and what was set at run time."""

    name: str
    amount: Money
    period: str
    timezone: str
    per: tuple[str, ...]
    match: Mapping[str, str]
    action: str
    hard_limit: bool
    thresholds: tuple[Decimal, ...]
    grace: Decimal
    carry_over: bool
    notify: tuple[str, ...]
    set: SetAtRunTime | None
    values: tuple[BudgetValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetList:
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetInBrief:
    """Where one value of a budget stands in its present period."""

    name: str
    scope: Mapping[str, str]
    limit: Money
    spent: Money
    reserved: Money
    remaining: Money
    utilization: Decimal | None
    over: bool
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedBy:
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus(BudgetInBrief):
    period: str
    period_start: datetime | None
    period_end: datetime | None
    operations: int | None
    action: str
    hard_limit: bool
    active: bool
    paused_by: PausedBy | None
    alert_needed: bool
    thresholds_reached: tuple[Decimal, ...]
    severity: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatuses:
    name: str
    statuses: tuple[BudgetStatus, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether there is room for a cost. Nothing is reserved by it."""

    allowed: bool
    reason: str
    budget: str
    scope: Mapping[str, str]
    limit: Money | None
    spent: Money | None
    reserved: Money | None
    remaining: Money | None
    retry_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A threshold that a budget reached. ``period_start`` is as the budget's time zone has it."""

    id: int
    at: datetime
    budget: str
    scope: Mapping[str, str]
    period_start: str | None
    threshold: Decimal
    severity: str
    spent: Money
    limit: Money
    state: str
    actor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertList:
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    at: datetime
    timezone: str
    currency: str
    filters: Mapping[str, str]
    today: OfPeriod
    month: OfPeriod
    last_month: OfPeriod
    top_agents: tuple[Group, ...]
    top_models: tuple[Group, ...]
    top_services: tuple[Group, ...]
    unpriced_calls: int
    budgets: tuple[BudgetInBrief, ...]
    active_alerts: int
