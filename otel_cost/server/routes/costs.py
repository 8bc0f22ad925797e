"""``GET /api/v1/costs/summary``: sums over the book, for a period, by any name."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, Query, Request

from otel_cost.config import Config
from otel_cost.ledger import asking
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.questions import Summary, SummaryQuery, SummaryRow
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.problems import BadRequest
from otel_cost.server.schemas import CostSummary, Problem

DEFAULT_DAYS: Final = 7
_OWN_PARAMETERS: Final = frozenset({"from", "to", "days", "group_by", "as_of", "limit"})
_T = TypeVar("_T")

_From = Annotated[str | None, Query(alias="from", description="Start of the period, inclusive: ISO 8601, UTC")]
_To = Annotated[str | None, Query(description="End of the period, exclusive; now if absent")]
_Days = Annotated[int | None, Query(ge=1, le=3660, description="Length of the period, instead of from")]
_GroupBy = Annotated[
    list[str], Query(description="Names to group by, repeated or comma-separated", examples=["team,model"])
]
_AsOf = Annotated[str | None, Query(description="What the book said at that time, instead of now")]
_Limit = Annotated[int, Query(ge=1, le=10_000, description="Groups at most, those of most cost")]


def router(ledger: Ledger, config: Config, access: Access, clock: Callable[[], int]) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/costs", tags=["costs"], dependencies=[Depends(access.needs(Role.VIEWER))])
    known = asking.known_names(config)

    @routes.get("/summary", responses={status: {"model": Problem} for status in (400, 401, 403, 429, 503)})
    def summary(
        request: Request,
        from_: _From = None,
        to: _To = None,
        days: _Days = None,
        group_by: _GroupBy = [],  # noqa: B006  (FastAPI copies it)
        as_of: _AsOf = None,
        limit: _Limit = 1000,
    ) -> CostSummary:
        """Cost, calls and tokens of a period. Any other parameter is a filter: ``team=search``, ``status=priced``."""
        start, end = _period(from_, to, days, clock())
        asked = _filters(request, known)
        filters = principal_of(request).within(asked)
        query = SummaryQuery(
            from_ns=start,
            to_ns=end,
            group_by=_names(group_by, known),
            filters=asked if filters is None else filters,
            as_of_ns=None if as_of is None else _checked("as_of", asking.instant_ns, as_of),
        )
        if filters is None:
            return CostSummary.of(Summary(query, SummaryRow(()), ()), ())
        return CostSummary.of(ledger.summary(query), ledger.unpriced(query), limit)

    return routes


def _checked(field: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise BadRequest(field, str(error)) from error


def _period(from_: str | None, to: str | None, days: int | None, now_ns: int) -> tuple[int, int]:
    end = now_ns if to is None else _checked("to", asking.instant_ns, to)
    if from_ is None:
        return max(0, end - (days or DEFAULT_DAYS) * asking.DAY_NS), end
    if days is not None:
        raise BadRequest("days", "days and from both say where the period starts; leave one out")
    start = _checked("from", asking.instant_ns, from_)
    if start > end:
        raise BadRequest("from", "the period ends before it starts")
    return start, end


def _names(group_by: list[str], known: Set[str]) -> tuple[str, ...]:
    words = [word.strip() for text in group_by for word in text.split(",") if word.strip()]
    names = tuple(_checked("group_by", lambda word: asking.dimension(word, known), word) for word in words)
    if len(set(names)) != len(names):
        raise BadRequest("group_by", "the same name stands here twice")
    return names


def _filters(request: Request, known: Set[str]) -> dict[str, str]:
    filters: dict[str, str] = {}
    for parameter, value in request.query_params.multi_items():
        if parameter in _OWN_PARAMETERS:
            continue
        name = _checked(parameter, lambda word: asking.dimension(word, known), parameter)
        if name in filters:
            raise BadRequest(parameter, "a filter has one value")
        filters[name] = value
    return filters
