"""``GET /api/v1/dashboard``: the overview on one page."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from otel_cost.budgets.periods import PeriodSpan, period_span
from otel_cost.ledger.asking import iso
from otel_cost.model import Status
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.budget_views import BudgetViews
from otel_cost.server.parameters import Asked, TimeZone, Words, zone_of
from otel_cost.server.problems import described
from otel_cost.server.reading import Reader
from otel_cost.server.schemas.scopes import Dashboard, OfPeriod
from otel_cost.server.schemas.summary import Group, Sums

_Limit = Annotated[int, Query(ge=1, le=50, description="Agents, models, services, budgets at most", examples=[5])]
_ALERTS: Final = 1000


def router(reader: Reader, words: Words, access: Access, budgets: BudgetViews) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1", tags=["dashboard"], dependencies=[Depends(access.needs(Role.VIEWER))],
        responses=described(),
    )  # fmt: skip

    @routes.get("/dashboard", summary="The overview", openapi_extra=words.described())
    def dashboard(request: Request, timezone: TimeZone = "UTC", limit: _Limit = 5) -> Dashboard:
        """Today, this month and the one before; the agents, models and services of most cost this month; the budgets
        nearest to their limit. Any other parameter is a filter, of costs only."""
        zone, now, who = zone_of(timezone), words.clock(), principal_of(request)
        month = period_span("month", zone, now)
        asked = words.asked(request, (month.start_ns, month.end_ns))
        this_month = _of(reader, asked, month)

        def top(name: str) -> list[Group]:
            rows = reader.summary(asked.by(name)).rows
            return [Group.named((name,), row) for row in rows if row.group[0] and row.calls][:limit]

        return Dashboard(
            at=iso(now),
            timezone=timezone,
            filters=dict(asked.query.filters),
            today=_of(reader, asked, period_span("day", zone, now)),
            month=this_month,
            last_month=_of(reader, asked, period_span("month", zone, max(0, month.start_ns - 1))),
            top_agents=top("agent"),
            top_models=top("model"),
            top_services=top("service"),
            unpriced_calls=this_month.total.operations.get(Status.UNPRICED.value, 0),
            budgets=budgets.in_brief(who, limit),
            active_alerts=len(budgets.alerts(who, state="active", limit=_ALERTS)),
        )

    return routes


def _of(reader: Reader, asked: Asked, span: PeriodSpan) -> OfPeriod:
    total = reader.summary(asked.within(span.start_ns, span.end_ns)).total
    return OfPeriod.model_validate({"from": iso(span.start_ns), "to": iso(span.end_ns), "total": Sums.of(total)})
