"""Sums over the book: out of roll-ups where they are kept by all that is asked for, else out of entries.

Building a statement takes longer than most of them run, so one is built for each shape of question and kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Table,
    bindparam,
    func,
    select,
    text,
    union_all,
)

from otel_cost.ledger.covering import Span, by_entries, by_rollups
from otel_cost.ledger.folding import by_amount, folded, total_of
from otel_cost.ledger.queries import dimension
from otel_cost.ledger.questions import SeriesRow, Summary, SummaryQuery
from otel_cost.ledger.schema import ROLLED_UP, SUMS, dims, entries, records, rollups_15min, rollups_day

_SPANS: Final = {
    "sqlite": "SELECT json_extract(value, '$[0]') AS part, json_extract(value, '$[1]') AS sign,"
    " json_extract(value, '$[2]') AS start_ns, json_extract(value, '$[3]') AS end_ns FROM json_each(:{0})",
    "postgresql": "SELECT (value ->> 0)::int AS part, (value ->> 1)::int AS sign, (value ->> 2)::bigint AS start_ns,"
    " (value ->> 3)::bigint AS end_ns FROM json_array_elements(CAST(:{0} AS json))",
}
"""Spans as rows, handed over in one parameter: the statement is the same for any number of them."""
_SHAPES_KEPT: Final = 256
_DAYS, _QUARTERS, _ENTRIES = "days", "quarters", "entries"

Statement = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement depends on beside its parameters. ``tables``: which of them a period is put together from."""

    dialect: str
    group_by: tuple[str, ...]
    filters: tuple[str, ...]
    as_of: bool
    tables: tuple[str, ...]


def summary(connection: Connection, query: SummaryQuery) -> Summary:
    rows = tuple(found.row for found in series(connection, query, (query.from_ns, query.to_ns)))
    return Summary(query=query, total=total_of(rows), rows=rows)


def series(connection: Connection, query: SummaryQuery, edges: Sequence[int]) -> tuple[SeriesRow, ...]:
    cover = by_rollups(edges) if rolled_up(query) else by_entries(edges)
    spans = {_DAYS: cover.days, _QUARTERS: cover.quarters, _ENTRIES: cover.entries}
    tables = tuple(table for table, found in spans.items() if found)
    if not tables:
        return ()
    shape = _Shape(connection.dialect.name, query.group_by, tuple(query.filters), query.as_of_ns is not None, tables)
    found = connection.execute(_statement(shape), _parameters(query, spans))
    rows = [
        SeriesRow(edges[part], sums.row(tuple(map(str, group))))
        for (part, *group), sums in folded(found, 1 + len(query.group_by)).items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.start_ns, by_amount(row.row))))


def rolled_up(query: SummaryQuery) -> bool:
    """Whether roll-ups are kept by all that ``query`` names. They do not tell what the book said earlier."""
    return query.as_of_ns is None and {*query.group_by, *query.filters} <= {*ROLLED_UP}


def _parameters(query: SummaryQuery, spans: Mapping[str, Sequence[Span]]) -> dict[str, object]:
    given: dict[str, object] = {
        table: json.dumps([(span.part, span.sign, span.start_ns, span.end_ns) for span in found])
        for table, found in spans.items()
        if found
    }
    given.update({f"filter_{index}": value for index, value in enumerate(query.filters.values())})
    if query.as_of_ns is not None:
        given["as_of_ns"] = query.as_of_ns
    return given


@lru_cache(_SHAPES_KEPT)
def _statement(shape: _Shape) -> Any:
    """Rows of the part, the group's values, the status, ``operations`` and ``SUMS``; some of them in several rows."""
    rolled = [
        _by_dims(table, _spans(name, shape.dialect))
        for name, table in ((_DAYS, rollups_day), (_QUARTERS, rollups_15min))
        if name in shape.tables
    ]
    sources = [_named(rolled, shape)] if rolled else []
    if _ENTRIES in shape.tables:
        sources.append(_of_entries(shape))
    return union_all(*sources) if len(sources) > 1 else sources[0]


def _spans(name: str, dialect: str) -> FromClause:
    return (
        text(_SPANS[dialect].format(name))
        .columns(part=Integer, sign=Integer, start_ns=BigInteger, end_ns=BigInteger)
        .cte(f"spans_of_{name}")
    )


def _by_dims(table: Table, spans: FromClause) -> Statement:
    """First by the dimensions' number: what is grouped by texts is few rows then."""
    within = (table.c.start_ns >= spans.c.start_ns) & (table.c.start_ns < spans.c.end_ns)
    return (
        select(
            spans.c.part,
            table.c.dims_id,
            *(func.sum(spans.c.sign * table.c[name]).label(name) for name in ("operations", *SUMS)),
        )
        .select_from(spans.join(table, within))
        .group_by(spans.c.part, table.c.dims_id)
    )


def _named(rolled: Sequence[Statement], shape: _Shape) -> Statement:
    found = (union_all(*rolled) if len(rolled) > 1 else rolled[0]).subquery("rolled")
    by = [found.c.part, *(dims.c[name] for name in shape.group_by), dims.c.status]
    statement = select(*_labelled(by), *(func.sum(found.c[name]) for name in ("operations", *SUMS)))
    statement = statement.select_from(found.join(dims, dims.c.id == found.c.dims_id))
    for index, name in enumerate(shape.filters):
        statement = statement.where(dims.c[name] == bindparam(f"filter_{index}"))
    return statement.group_by(*by)


def _of_entries(shape: _Shape) -> Statement:
    spans = _spans(_ENTRIES, shape.dialect)
    within = (entries.c.occurred_ns >= spans.c.start_ns) & (entries.c.occurred_ns < spans.c.end_ns)
    by = _labelled([spans.c.part, *(dimension(name) for name in shape.group_by), entries.c.status])
    statement = select(*by, *(func.sum(entries.c[name]) for name in ("operations", *SUMS)))
    statement = statement.select_from(spans.join(entries, within).join(records))
    for index, name in enumerate(shape.filters):
        statement = statement.where(dimension(name) == bindparam(f"filter_{index}"))
    if shape.as_of:
        statement = statement.where(entries.c.booked_ns <= bindparam("as_of_ns"))
    # By the labels' names: repeating a label's extraction would be another expression to some databases.
    return statement.group_by(*(column.name for column in by))


def _labelled(columns: Sequence[ColumnElement[Any]]) -> list[Any]:
    return [column.label(f"by_{index}") for index, column in enumerate(columns)]
