"""``GET /api/v1/workspaces/{id}/costs``: one workspace in one calendar period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException

from otel_cost.budgets.periods import PeriodSpan, period_span
from otel_cost.ledger.asking import instant_ns
from otel_cost.ledger.base import MAX_STORED
from otel_cost.server.access import Access, Role
from otel_cost.server.parameters import MAX_TEXT, Asked, TimeZone, Words, checked, only_own, text_of, zone_of
from otel_cost.server.parts import edges_of, filled, over_all
from otel_cost.server.problems import described
from otel_cost.server.reading import Reader, added, by_one
from otel_cost.server.schemas.breakdowns import round_half_up
from otel_cost.server.schemas.money import Money
from otel_cost.server.schemas.period import narrowed
from otel_cost.server.schemas.scopes import WorkspaceCosts
from otel_cost.server.schemas.series import series_of
from otel_cost.server.schemas.summary import Group
from otel_cost.server.wholes import NAMES, parts_of

_Id = Annotated[str, Path(alias="id", max_length=MAX_TEXT, examples=["acme"])]
_Period = Annotated[
    Literal["day", "week", "month"], Query(alias="period", description="Calendar period", examples=["month"])
]
_At = Annotated[
    str | None, Query(max_length=64, description="A time in the period; now if absent", examples=["2026-09-15"])
]
_LABEL: Final = "workspace"
_PROJECT: Final = "project"


def router(reader: Reader, words: Words, access: Access) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1", tags=["scopes"], responses=described(404),
        dependencies=[Depends(access.needs(Role.VIEWER)), Depends(only_own)],
    )  # fmt: skip

    @routes.get("/workspaces/{id:path}/costs", summary="What one workspace cost in a period")
    def workspace_costs(
        request: Request, workspace: _Id, period: _Period = "month", at: _At = None, timezone: TimeZone = "UTC"
    ) -> WorkspaceCosts:
        """One workspace in a calendar period of its time zone: totals, by kind, model, resource and project, and its
        days. A workspace that spent nothing in the period, but earlier or later, is all zero; one that the book never
        saw is a 404."""
        zone = zone_of(timezone)
        now = words.clock()
        span = period_span(period, zone, now if at is None else checked("at", lambda text: instant_ns(text, zone), at))
        asked = words.asked(
            request,
            (span.start_ns, span.end_ns),
            (*NAMES, _PROJECT),
            filters={_LABEL: text_of("id", workspace)},
        )
        rows = reader.summary(asked).rows
        if not rows and not _is_known(reader, asked):
            raise HTTPException(404, "the book has no workspace of that id")
        days = edges_of(span.start_ns, span.end_ns, "day", zone)
        trend = over_all(filled(reader.series(asked.by(), days), days).values(), len(days) - 1)
        return WorkspaceCosts.model_validate(
            {
                **narrowed(asked.query),
                "id": workspace,
                "period": period,
                "timezone": timezone,
                **_days(span, days, now, added(rows).amount_nano),
                **parts_of(rows),
                "by_project": [Group.named((_PROJECT,), row) for row in by_one(rows, len(NAMES))],
                "trend": series_of({}, days, trend).points,
            }
        )

    return routes


def _days(span: PeriodSpan, days: list[int], now_ns: int, amount_nano: int) -> Mapping[str, object]:
    elapsed = sum(1 for start in days[:-1] if start <= now_ns)
    return {
        "days": len(days) - 1,
        "days_elapsed": elapsed,
        "daily_average": Money.of(round_half_up(amount_nano, max(1, elapsed))),
    }


def _is_known(reader: Reader, asked: Asked) -> bool:
    return bool(reader.summary(asked.by().within(0, MAX_STORED)).total.operations)
