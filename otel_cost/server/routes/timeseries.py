"""``GET /api/v1/costs/timeseries``: costs by hour, day, week or month."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from otel_cost.server.access import Access, Role
from otel_cost.server.parameters import GroupBy, PeriodWords, TimeZone, Words, zone_of
from otel_cost.server.parts import edges_of, filled, over_all
from otel_cost.server.problems import BadRequest, described
from otel_cost.server.reading import Reader
from otel_cost.server.schemas.period import narrowed
from otel_cost.server.schemas.series import TimeSeries, series_of

Interval = Literal["hour", "day", "week", "month"]
_Interval = Annotated[Interval, Query(description="Length of a part. Weeks begin on Monday", examples=["day"])]
_Limit = Annotated[int, Query(ge=1, le=100, description="Groups at most, those of most cost", examples=[10])]


def router(reader: Reader, words: Words, access: Access) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1/costs", tags=["costs"], dependencies=[Depends(access.needs(Role.VIEWER))],
        responses=described(),
    )  # fmt: skip

    @routes.get("/timeseries", summary="Costs over time", openapi_extra=words.described())
    def cost_timeseries(
        request: Request,
        period: Annotated[PeriodWords, Depends()],
        interval: _Interval = "day",
        timezone: TimeZone = "UTC",
        group_by: GroupBy = [],  # noqa: B006  (FastAPI copies it)
        limit: _Limit = 10,
    ) -> TimeSeries:
        """Cost, calls and tokens by hour, day, week or month of a time zone, in all and by group. Each series has a
        point for every part of the period, of 0 where there was nothing. Any other parameter is a filter."""
        zone = zone_of(timezone)
        start, end = words.period(period, zone=zone)
        asked = words.asked(request, (start, end), words.names(group_by))
        try:
            edges = edges_of(start, end, interval, zone)
        except ValueError as error:
            raise BadRequest("interval", str(error)) from error
        groups = filled(reader.series(asked, edges), edges)
        names = asked.query.group_by
        ranked = sorted(groups.items(), key=lambda item: (-sum(row.amount_nano for row in item[1]), item[0]))
        shown = ranked[:limit] if names else []
        return TimeSeries.model_validate(
            {
                **narrowed(asked.query),
                "interval": interval,
                "timezone": timezone,
                "group_by": list(names),
                "total": series_of({}, edges, over_all(groups.values(), len(edges) - 1)),
                "groups": [series_of(dict(zip(names, group, strict=True)), edges, rows) for group, rows in shown],
                "groups_left_out": len(ranked) - len(shown) if names else 0,
            }
        )

    return routes
