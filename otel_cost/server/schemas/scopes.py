"""What one execution, session, trace or workspace cost; and the overview."""

from __future__ import annotations

from pydantic import BaseModel, Field

from otel_cost.server.schemas.budgets import BudgetInBrief
from otel_cost.server.schemas.calls import Entry
from otel_cost.server.schemas.money import Money
from otel_cost.server.schemas.period import Narrowed, Period
from otel_cost.server.schemas.series import Point
from otel_cost.server.schemas.summary import Group, Sums


class Whole(BaseModel):
    """All that something cost, over its whole life."""

    kind: str = Field(description="What it is", examples=["execution"])
    id: str = Field(examples=["run-17"])
    currency: str = Field(default="USD", examples=["USD"])
    first: str | None = Field(description="Start of its first call, where known", examples=["2026-09-21T14:00:00Z"])
    last: str | None = Field(description="Start of its last call, where known", examples=["2026-09-21T14:12:20Z"])
    total: Sums
    by_kind: list[Group] = Field(description="llm, tool, infrastructure")
    by_model: list[Group] = Field(description="Model calls, by provider and model")
    by_resource: list[Group] = Field(description="Tools and infrastructure, by name")


class TraceCosts(Whole):
    calls: list[Entry] = Field(description="Every call, by start, wrappers and duplicates as well")
    calls_left_out: int = Field(description="Calls beyond the first 1000; they are in the sums", examples=[0])


class WorkspaceCosts(Narrowed):
    """``GET /api/v1/workspaces/{id}/costs``: one calendar period."""

    id: str = Field(examples=["acme"])
    period: str = Field(examples=["month"])
    timezone: str = Field(examples=["UTC"])
    days: int = Field(description="Days in the period", examples=[30])
    days_elapsed: int = Field(description="Of them begun by now", examples=[21])
    daily_average: Money = Field(description="Over the days that have begun")
    total: Sums
    by_kind: list[Group] = Field(description="llm, tool, infrastructure")
    by_model: list[Group] = Field(description="Model calls, by provider and model")
    by_resource: list[Group] = Field(description="Tools and infrastructure, by name")
    by_project: list[Group]
    trend: list[Point] = Field(description="By day")


class OfPeriod(Period):
    """What a calendar period has cost so far."""

    total: Sums


class Dashboard(BaseModel):
    """``GET /api/v1/dashboard``: the overview."""

    at: str = Field(examples=["2026-09-21T14:13:20Z"])
    timezone: str = Field(examples=["UTC"])
    currency: str = Field(default="USD", examples=["USD"])
    filters: dict[str, str] = Field(examples=[{"environment": "production"}])
    today: OfPeriod
    month: OfPeriod
    last_month: OfPeriod = Field(description="All of the month before")
    top_agents: list[Group] = Field(description="Of this month")
    top_models: list[Group] = Field(description="Of this month")
    top_services: list[Group] = Field(description="Of this month")
    unpriced_calls: int = Field(description="Of this month: calls whose cost is not known", examples=[0])
    budgets: list[BudgetInBrief] = Field(description="Those nearest to their limit")
    active_alerts: int = Field(examples=[1])
