"""``GET /api/v1/costs/summary``, ``/unpriced`` and ``/disagreements``: sums over the book, for a period."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from otel_cost.server.access import Access, Role
from otel_cost.server.parameters import AsOf, GroupBy, PeriodWords, Words
from otel_cost.server.problems import described
from otel_cost.server.reading import Reader
from otel_cost.server.schemas.breakdowns import DisagreementOf, DisagreementReport
from otel_cost.server.schemas.period import narrowed
from otel_cost.server.schemas.summary import CostSummary, UnpricedCalls, UnpricedReport

_Limit = Annotated[int, Query(ge=1, le=10_000, description="Groups at most, those of most cost", examples=[100])]
_All = Annotated[bool, Query(alias="all", description="Also sources that never disagree", examples=[True])]


def router(reader: Reader, words: Words, access: Access) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1/costs", tags=["costs"], dependencies=[Depends(access.needs(Role.VIEWER))],
        responses=described(),
    )  # fmt: skip

    @routes.get("/summary", summary="Sums of a period", openapi_extra=words.described())
    def cost_summary(
        request: Request,
        period: Annotated[PeriodWords, Depends()],
        group_by: GroupBy = [],  # noqa: B006  (FastAPI copies it)
        as_of: AsOf = None,
        limit: _Limit = 1000,
    ) -> CostSummary:
        """Cost, calls and tokens of a period, in all and by group; what has no price is listed apart, with what to do.

        Any other parameter is a filter: `team=search`, `status=priced`, `label.ticket=4711`.
        """
        asked = words.asked(request, words.period(period), words.names(group_by), as_of)
        return CostSummary.of(reader.summary(asked), reader.unpriced(asked), limit)

    @routes.get("/unpriced", summary="Calls of unknown cost", openapi_extra=words.described())
    def unpriced_calls(
        request: Request, period: Annotated[PeriodWords, Depends()], as_of: AsOf = None
    ) -> UnpricedReport:
        """Calls without a price, by provider, model and reason, with what to do about them. They are in no sum of
        money: an unknown cost is not 0."""
        asked = words.asked(request, words.period(period), as_of=as_of)
        found = [UnpricedCalls.of(calls) for calls in reader.unpriced(asked)]
        return UnpricedReport.model_validate(
            {**narrowed(asked.query), "calls": sum(calls.calls for calls in found), "unpriced": found}
        )

    @routes.get("/disagreements", summary="Where others state another cost", openapi_extra=words.described())
    def disagreements(
        request: Request, period: Annotated[PeriodWords, Depends()], everything: _All = False
    ) -> DisagreementReport:
        """Second opinions: what the provider itself, or another instrumentation, says that the same calls cost, where
        that differs from the book."""
        asked = words.asked(request, words.period(period))
        found = reader.disagreements(asked)
        shown = [DisagreementOf.of(one) for one in found if everything or one.disagreeing]
        return DisagreementReport.model_validate(
            {**narrowed(asked.query), "compared": sum(one.compared for one in found), "disagreements": shown}
        )

    return routes
