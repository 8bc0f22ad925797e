"""Sums over the book: out of roll-ups where they are kept by all that is asked for, else out of entries.

Building a statement takes longer than most of them run, so one is built for each shape of question and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    bindparam,
    func,
    select,
    union_all,
)

from otel_cost.ledger.covering import Cover, Span, by_entries, by_rollups
from otel_cost.ledger.folding import by_amount, folded, total_of
from otel_cost.ledger.horizon import horizon_ns, require_kept
from otel_cost.ledger.queries import dimension, of_its_record
from otel_cost.ledger.questions import SeriesRow, Summary, SummaryQuery
from otel_cost.ledger.schema import QUARTER_NS, ROLLED_UP, SUMS, dims, entries, records, rollups_15min, rollups_day
from otel_cost.ledger.spans import spans_of, spans_value

_SUMMED: Final = ("operations", *SUMS)
_SHAPES_KEPT: Final = 256
_DAYS, _QUARTERS, _ENTRIES = "days", "quarters", "entries"

Statement = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement depends on beside its parameters. ``tables``: which of them a period is put together from;
    ``parts``: whether there are several."""

    dialect: str
    group_by: tuple[str, ...]
    filters: tuple[str, ...]
    as_of: bool
    tables: tuple[str, ...]
    parts: bool


def summary(connection: Connection, query: SummaryQuery) -> Summary:
    rows = tuple(found.row for found in series(connection, query, (query.from_ns, query.to_ns)))
    return Summary(query=query, total=total_of(rows), rows=rows)


def series(connection: Connection, query: SummaryQuery, edges: Sequence[int]) -> tuple[SeriesRow, ...]:
    cover = _cover(connection, query, edges)
    spans = {_DAYS: cover.days, _QUARTERS: cover.quarters, _ENTRIES: cover.entries}
    tables = tuple(table for table, found in spans.items() if found)
    if not tables:
        return ()
    as_of, parts = query.as_of_ns is not None, len(edges) > 2
    shape = _Shape(connection.dialect.name, query.group_by, tuple(query.filters), as_of, tables, parts)
    found = connection.execute(_statement(shape), _parameters(query, spans))
    rows = [
        SeriesRow(edges[part], sums.row(tuple(map(str, group))))
        for (part, *group), sums in folded(found, 1 + len(query.group_by)).items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.start_ns, by_amount(row.row))))


def _cover(connection: Connection, query: SummaryQuery, edges: Sequence[int]) -> Cover:
    """Of days whose calls were archived, a quarter of an hour is the least that can be told: edges within one are moved
    to its start, so that each quarter is in one part still."""
    if not rolled_up(query):
        require_kept(connection, query.from_ns)
        return by_entries(edges)
    horizon = horizon_ns(connection)
    return by_rollups([edge if edge >= horizon else edge - edge % QUARTER_NS for edge in edges])


def rolled_up(query: SummaryQuery) -> bool:
    """Whether roll-ups are kept by all that ``query`` names. They do not tell what the book said earlier."""
    return query.as_of_ns is None and {*query.group_by, *query.filters} <= {*ROLLED_UP}


def _parameters(query: SummaryQuery, spans: Mapping[str, Sequence[Span]]) -> dict[str, object]:
    given: dict[str, object] = {table: spans_value(found) for table, found in spans.items() if found}
    given.update({f"filter_{index}": value for index, value in enumerate(query.filters.values())})
    if query.as_of_ns is not None:
        given["as_of_ns"] = query.as_of_ns
    return given


@lru_cache(_SHAPES_KEPT)
def _statement(shape: _Shape) -> Any:
    """Rows of the part, the group's values, the status, ``operations`` and ``SUMS``; some of them in several rows."""
    sources = []
    if _DAYS in shape.tables:
        spans = spans_of(_DAYS, shape.dialect)
        # Of one day, dimensions have one row; of a month, many: then they are summed before they get their names.
        days = _within(rollups_day, spans) if shape.parts else _by_dims(rollups_day, spans)
        sources.append(_named(days, shape))
    if _QUARTERS in shape.tables:
        sources.append(_named(_by_dims(rollups_15min, spans_of(_QUARTERS, shape.dialect)), shape))
    if _ENTRIES in shape.tables:
        sources.append(_of_entries(shape))
    return union_all(*sources) if len(sources) > 1 else sources[0]


def _within(table: Table, spans: FromClause) -> Statement:
    within = (table.c.start_ns >= spans.c.start_ns) & (table.c.start_ns < spans.c.end_ns)
    summed = ((spans.c.sign * table.c[name]).label(name) for name in _SUMMED)
    return select(spans.c.part, table.c.dims_id, *summed).select_from(spans.join(table, within))


def _by_dims(table: Table, spans: FromClause) -> Statement:
    rows = _within(table, spans).subquery()
    by = (rows.c.part, rows.c.dims_id)
    return select(*by, *(func.sum(rows.c[name]).label(name) for name in _SUMMED)).group_by(*by)


def _named(rolled: Statement, shape: _Shape) -> Statement:
    found = rolled.subquery()
    by = [found.c.part, *(dims.c[name] for name in shape.group_by), dims.c.status]
    statement = select(*_labelled(by), *(func.sum(found.c[name]) for name in _SUMMED))
    statement = statement.select_from(found.join(dims, dims.c.id == found.c.dims_id))
    for index, name in enumerate(shape.filters):
        statement = statement.where(dims.c[name] == bindparam(f"filter_{index}"))
    return statement.group_by(*by)


def _of_entries(shape: _Shape) -> Statement:
    spans = spans_of(_ENTRIES, shape.dialect)
    within = (entries.c.occurred_ns >= spans.c.start_ns) & (entries.c.occurred_ns < spans.c.end_ns)
    by = _labelled([spans.c.part, *(dimension(name) for name in shape.group_by), entries.c.status])
    statement = select(*by, *(func.sum(entries.c[name]) for name in _SUMMED))
    statement = statement.select_from(spans.join(entries, within).join(records, of_its_record()))
    for index, name in enumerate(shape.filters):
        statement = statement.where(dimension(name) == bindparam(f"filter_{index}"))
    if shape.as_of:
        statement = statement.where(entries.c.booked_ns <= bindparam("as_of_ns"))
    # By the labels' names: repeating a label's extraction would be another expression to some databases.
    return statement.group_by(*(column.name for column in by))


def _labelled(columns: Sequence[ColumnElement[Any]]) -> list[Any]:
    return [column.label(f"by_{index}") for index, column in enumerate(columns)]
