"""What the routes of the API have in common in what they can be asked: periods, filters, groupings, pages.

A parameter that a route does not name is a filter, ``team=search``, where the route takes any; elsewhere it is an
error, as a mistyped name is everywhere: an answer to another question than the one that was meant is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Query, Request, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from otel_cost.config import Config
from otel_cost.ledger import asking
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.server.access import Access, Role, principal_of, require
from otel_cost.server.problems import BadRequest
from otel_cost.settings_values import parse_timezone

DEFAULT_DAYS: Final = 7
TimeZone = Annotated[
    str,
    Query(
        description="IANA time zone: where days, weeks and months begin, and what dates without an offset are in",
        examples=["Europe/Berlin"],
        max_length=64,
    ),
]
MAX_TEXT: Final = 1024
"""Characters of a value that is looked for: the book has no longer ones."""
_T = TypeVar("_T")

GroupBy = Annotated[
    list[str], Query(description="Names to group by, repeated or comma-separated", examples=[["team,model"]])
]
AsOf = Annotated[
    str | None,
    Query(description="What the book said at that time, instead of now", examples=["2026-10-03T00:00:00Z"]),
]


class PeriodWords:
    """The parameters that say which period is meant."""

    def __init__(
        self,
        from_: Annotated[
            str | None,
            Query(alias="from", description="Start of the period, inclusive: ISO 8601, UTC", examples=["2026-09-01"]),
        ] = None,
        to: Annotated[
            str | None,
            Query(description="End of the period, exclusive; now if absent", examples=["2026-10-01T00:00:00Z"]),
        ] = None,
        days: Annotated[
            int | None, Query(ge=1, le=3660, description="Length of the period, instead of from", examples=[7])
        ] = None,
    ) -> None:
        self.from_ = from_
        self.to = to
        self.days = days


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked, within the scope of whoever asked. Not ``visible``: the two exclude each other, so
    that there is nothing to see, whatever the book has."""

    query: SummaryQuery
    visible: bool = True

    def in_whole_days(self) -> Asked:
        """The same over a period that is widened to whole UTC days, by which some sums are kept."""
        start, end = (edge // asking.DAY_NS * asking.DAY_NS for edge in (self.query.from_ns, self.query.to_ns))
        if end < self.query.to_ns:
            end += asking.DAY_NS
        return replace(self, query=replace(self.query, from_ns=start, to_ns=end))

    def within(self, from_ns: int, to_ns: int) -> Asked:
        """The same over another period."""
        return replace(self, query=replace(self.query, from_ns=from_ns, to_ns=to_ns))

    def by(self, *group_by: str) -> Asked:
        """The same by other names."""
        return replace(self, query=replace(self.query, group_by=group_by))

    def also(self, **filters: str) -> Asked:
        """The same of fewer calls."""
        if any(self.query.filters.get(name, value) != value for name, value in filters.items()):
            return replace(self, visible=False)
        return replace(self, query=replace(self.query, filters={**self.query.filters, **filters}))


class Words:
    """Reads questions off requests.

    Args:
        config: Which names there are beside the book's own.
        clock: UTC nanoseconds: periods end then unless said otherwise.
    """

    def __init__(self, config: Config, clock: Callable[[], int]) -> None:
        self.known: Final = asking.known_names(config)
        self.clock: Final = clock

    def asked(
        self,
        request: Request,
        period: tuple[int, int],
        group_by: tuple[str, ...] = (),
        as_of: str | None = None,
        filters: Mapping[str, str] | None = None,
    ) -> Asked:
        """The question of a request: over ``period`` (UTC ns), by the request's filters unless others are given.
        Raises BadRequest, naming the parameter."""
        wanted = self.filters(request) if filters is None else filters
        within = principal_of(request).within(wanted)
        query = SummaryQuery(
            from_ns=period[0],
            to_ns=period[1],
            group_by=group_by,
            filters=dict(wanted if within is None else within),
            as_of_ns=None if as_of is None else checked("as_of", asking.instant_ns, as_of),
        )
        return Asked(query, within is not None)

    def period(self, words: PeriodWords, default_days: int = DEFAULT_DAYS, *, zone: tzinfo = UTC) -> tuple[int, int]:
        """Start (inclusive) and end (exclusive), UTC ns; what has no offset is in ``zone``. Raises BadRequest."""

        def instant(text: str) -> int:
            return asking.instant_ns(text, zone)

        end = self.clock() if words.to is None else checked("to", instant, words.to)
        if words.from_ is None:
            return max(0, end - (words.days or default_days) * asking.DAY_NS), end
        if words.days is not None:
            raise BadRequest("days", "days and from both say where the period starts; leave one out")
        start = checked("from", instant, words.from_)
        if start > end:
            raise BadRequest("from", "the period ends before it starts")
        return start, end

    def names(self, group_by: list[str], field: str = "group_by") -> tuple[str, ...]:
        """Names to group by. Raises BadRequest."""
        words = [word.strip() for text in group_by for word in text.split(",") if word.strip()]
        names = tuple(self.name(field, word) for word in words)
        if len(set(names)) != len(names):
            raise BadRequest(field, "the same name stands here twice")
        return names

    def name(self, field: str, word: str) -> str:
        """The name that ``word`` means. Raises BadRequest for ``field``."""
        return checked(field, lambda text: asking.dimension(text, self.known), word)

    def filters(self, request: Request) -> dict[str, str]:
        """Every parameter that is none of the route's own. Raises BadRequest."""
        own = own_parameters(request)
        found: dict[str, str] = {}
        for parameter, value in request.query_params.multi_items():
            if parameter in own:
                continue
            name = self.name(parameter, parameter)
            if name in found:
                raise BadRequest(parameter, "a filter has one value")
            found[name] = text_of(parameter, value)
        return found

    def described(self) -> dict[str, object]:
        """What to add to the description of a route that takes filters."""
        filters = {
            "name": "filters",
            "in": "query",
            "required": False,
            "style": "form",
            "explode": True,
            "description": "Filters, each a parameter of its own: `team=search&status=priced`. Values are exact; an "
            "empty one means: has none. Any other label is `label.<name>=...`",
            "schema": {
                "type": "object",
                "properties": {name: {"type": "string", "maxLength": MAX_TEXT} for name in sorted(self.known)},
                "additionalProperties": False,
            },
            "example": {"team": "search", "status": "priced"},
        }
        return {"parameters": [filters]}


def only_own(request: Request) -> None:
    """A dependency of routes that take no filters: raises BadRequest for a parameter that is not the route's own."""
    own = own_parameters(request)
    for parameter in request.query_params:
        if parameter not in own:
            raise BadRequest(parameter, f"not known here; allowed: {', '.join(sorted(own)) or 'no parameters'}")


def own_parameters(request: Request) -> Set[str]:
    """The names of the query parameters that the route of ``request``, and what it depends on, take."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    return _names_in(route.dependant)


def _names_in(taken: Dependant) -> frozenset[str]:
    own = frozenset(parameter.alias for parameter in taken.query_params)
    return own.union(*map(_names_in, taken.dependencies))


def checked(field: str, parse: Callable[[str], _T], text: str) -> _T:
    """``parse(text)``; a ValueError becomes a BadRequest that names ``field``."""
    try:
        return parse(text)
    except ValueError as error:
        raise BadRequest(field, str(error)) from error


def needs_one_of(access: Access, *roles: Role) -> list[params.Depends]:
    """Dependencies of a route that a key of any of ``roles`` may use."""

    def check(request: Request) -> None:
        require(principal_of(request), *roles)

    return [Depends(access.needs()), Depends(check)]


def zone_of(name: str) -> tzinfo:
    """The time zone of that name. Raises BadRequest."""
    return checked("timezone", parse_timezone, name)


def text_of(field: str, text: str) -> str:
    """A value to look for. Raises BadRequest where no store can have it."""
    if "\0" in text:
        raise BadRequest(field, "a value has no NUL in it")
    if len(text) > MAX_TEXT:
        raise BadRequest(field, f"a value has at most {MAX_TEXT} characters")
    return text
