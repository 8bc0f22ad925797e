"""What sessions, executions, users, ... came to: sums that are kept by the day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, select

from otel_cost.ledger import rows as stored
from otel_cost.ledger.covering import whole_days
from otel_cost.ledger.folding import Key, by_amount, folded
from otel_cost.ledger.questions import ENTITY_KINDS, EntitySums, SummaryQuery
from otel_cost.ledger.schema import ROLLED_UP, SUMS, dims, entity_days

Statement = Select[*tuple[Any, ...]]
_STANDS: Final = entity_days.c.operations != 0
"""Whose every verdict was taken back by corrections, has a row of zeros."""


def entities(
    connection: Connection, kind: str, query: SummaryQuery, entity: str | None, limit: int
) -> tuple[EntitySums, ...]:
    check_by_day(query)
    if kind not in ENTITY_KINDS:
        raise ValueError(f"{kind!r:.80} is no kind of entity; allowed: {', '.join(ENTITY_KINDS)}")
    if limit < 1:
        raise ValueError(f"limit is {limit}; it must be 1 or more")
    chosen = [stored.text(entity)] if entity is not None else _top(connection, kind, query, limit)
    found = _rows(connection, kind, query, chosen)
    return tuple(row for one in chosen for row in found.get(one, ()))


def check_by_day(query: SummaryQuery) -> None:
    """Refuse what sums by the day cannot tell.

    Raises:
        ValueError: the text says which name, or that they do not know what the book said earlier.
    """
    if query.as_of_ns is not None:
        raise ValueError("sums by the day are what the book says now: leave as_of out")
    for name in (*query.group_by, *query.filters):
        if name not in ROLLED_UP:
            raise ValueError(f"sums by the day are not kept by {name!r:.80}; allowed: {', '.join(ROLLED_UP)}")


def within_days(day_ns: ColumnElement[int], query: SummaryQuery) -> tuple[ColumnElement[bool], ...]:
    """That a row is of one of the days that ``query`` touches."""
    first, last = whole_days(query.from_ns, query.to_ns)
    return (day_ns >= first, day_ns < last)


def filtered(query: SummaryQuery) -> tuple[ColumnElement[bool], ...]:
    """What ``query`` filters by; ``dims`` must be among the statement's tables."""
    return tuple(dims.c[name] == value for name, value in query.filters.items())


def _top(connection: Connection, kind: str, query: SummaryQuery, limit: int) -> list[str]:
    """Which entities cost most: of most rows, only one number is read. By the day first, as the rows are ordered:
    sorting what is left of them takes a fraction of the time."""
    of_day = select(entity_days.c.entity, func.sum(entity_days.c.amount_nano).label("amount"))
    if query.filters:
        of_day = of_day.join(dims, dims.c.id == entity_days.c.dims_id)
    of_day = of_day.where(entity_days.c.kind == kind, _STANDS, *within_days(entity_days.c.day_ns, query))
    of_day = of_day.where(*filtered(query))
    found = of_day.group_by(entity_days.c.day_ns, entity_days.c.entity).subquery()
    dearest = select(found.c.entity).group_by(found.c.entity).order_by(func.sum(found.c.amount).desc(), found.c.entity)
    return list(connection.execute(dearest.limit(limit)).scalars())


def _rows(
    connection: Connection, kind: str, query: SummaryQuery, chosen: Sequence[str]
) -> Mapping[str, list[EntitySums]]:
    by = [entity_days.c.entity, *(dims.c[name] for name in query.group_by), dims.c.status]
    statement = (
        select(
            *(column.label(f"by_{index}") for index, column in enumerate(by)),
            *(func.sum(entity_days.c[name]) for name in ("operations", *SUMS)),
            func.min(entity_days.c.first_ns),
            func.max(entity_days.c.last_ns),
        )
        .join_from(entity_days, dims, dims.c.id == entity_days.c.dims_id)
        .where(entity_days.c.kind == kind, entity_days.c.entity.in_(chosen), _STANDS)
        .where(*within_days(entity_days.c.day_ns, query), *filtered(query))
        .group_by(*by)
    )
    found: list[list[Any]] = [list(row) for row in connection.execute(statement)]
    keys = 1 + len(query.group_by)
    times: dict[Key, tuple[int, int]] = {}
    for row in found:
        key, first, last = tuple(row[:keys]), row[-2], row[-1]
        earlier = times.get(key, (first, last))
        times[key] = (min(first, earlier[0]), max(last, earlier[1]))
    entities: dict[str, list[EntitySums]] = {}
    for key, sums in folded((row[:-2] for row in found), keys).items():
        entity, *group = key
        entities.setdefault(entity, []).append(EntitySums(entity, sums.row(tuple(group)), *times[key]))
    for rows in entities.values():
        rows.sort(key=lambda sums: by_amount(sums.row))
    return entities
