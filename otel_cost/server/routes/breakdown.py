"""``GET /api/v1/costs/breakdown/{dimension}``, ``/top/{kind}`` and ``/stats``: who, what, and how it is spread."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import ENTITY_KINDS
from otel_cost.server.access import Access, Role
from otel_cost.server.parameters import GroupBy, PeriodWords, Words
from otel_cost.server.problems import BadRequest, described
from otel_cost.server.reading import Reader, is_entity
from otel_cost.server.schemas.breakdowns import QUANTILES, Breakdown, Slice, Statistics, StatisticsReport
from otel_cost.server.schemas.period import narrowed
from otel_cost.server.schemas.summary import Sums

_ENTITIES = ", ".join(ENTITY_KINDS)
_Dimension = Annotated[str, Path(max_length=80, description="Any field or label", examples=["team"])]
_Kind = Annotated[str, Path(max_length=80, description=f"{_ENTITIES}, or any field or label", examples=["session"])]
_Limit = Annotated[int, Query(ge=1, le=1000, description="Values at most, those of most cost", examples=[100])]
_Top = Annotated[int, Query(ge=1, le=1000, description="How many", examples=[10])]


def router(reader: Reader, words: Words, access: Access) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1/costs", tags=["costs"], dependencies=[Depends(access.needs(Role.VIEWER))],
        responses=described(),
    )  # fmt: skip

    def broken_down(request: Request, field: str, name: str, period: PeriodWords, limit: int) -> Breakdown:
        entity = is_entity(name)
        by = name if entity else words.name(field, name)
        asked = words.asked(request, words.period(period))
        asked = asked.in_whole_days() if entity else asked
        total = reader.summary(asked).total
        left_out: int | None = None
        if entity:
            slices = [
                Slice.of_total(one.entity, one.row, total, _instant(one.first_ns), _instant(one.last_ns))
                for one in reader.entities(by, asked, limit=limit)
            ]
        else:
            rows = reader.summary(asked.by(by)).rows
            slices = [Slice.of_total(row.group[0], row, total) for row in rows[:limit]]
            left_out = len(rows) - len(slices)
        return Breakdown.model_validate(
            {**narrowed(asked.query), "by": by, "total": Sums.of(total), "slices": slices, "left_out": left_out}
        )

    @routes.get("/breakdown/{dimension}", summary="Costs by one name", openapi_extra=words.described())
    def cost_breakdown(
        request: Request,
        dimension: _Dimension,
        period: Annotated[PeriodWords, Depends()],
        limit: _Limit = 100,
    ) -> Breakdown:
        """Cost, calls and tokens by any field or label, with the share of each value. By session, conversation,
        execution, user, agent_id and trace the period is widened to whole UTC days, and calls that have none are in the
        total only. Any other parameter is a filter."""
        return broken_down(request, "dimension", dimension, period, limit)

    @routes.get("/top/{kind}", summary="Who, or what, costs most", openapi_extra=words.described())
    def top_costs(
        request: Request, kind: _Kind, period: Annotated[PeriodWords, Depends()], limit: _Top = 10
    ) -> Breakdown:
        """The sessions, executions, users, agents, models, ... of most cost. As a breakdown, and shorter."""
        return broken_down(request, "kind", kind, period, limit)

    @routes.get("/stats", summary="How costs and durations are spread", openapi_extra=words.described())
    def cost_stats(
        request: Request,
        period: Annotated[PeriodWords, Depends()],
        group_by: GroupBy = ["provider", "model"],  # noqa: B006  (FastAPI copies it)
    ) -> StatisticsReport:
        """Calls, errors, tokens, cost, and percentiles of cost and duration of a call, by model unless by something
        else; of whole UTC days. Any other parameter is a filter."""
        names = words.names(group_by)
        if not names:
            raise BadRequest("group_by", "name something to group by, for instance model")
        asked = words.asked(request, words.period(period), names).in_whole_days()
        spreads = {one.group: one for one in reader.distributions(asked, tuple(QUANTILES.values()))}
        summary = reader.summary(asked)
        groups = [
            Statistics.of_group(dict(zip(names, row.group, strict=True)), row, spreads.get(row.group))
            for row in summary.rows
            if row.calls
        ]
        return StatisticsReport.model_validate(
            {**narrowed(asked.query), "group_by": list(names), "total": Sums.of(summary.total), "groups": groups}
        )

    return routes


def _instant(at_ns: int) -> str | None:
    return iso(at_ns) if at_ns else None
