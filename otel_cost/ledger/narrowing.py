"""Where the calls of one session, user, ... are, by the sums by the day: so that others are not looked through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from otel_cost.ledger import rows as stored
from otel_cost.ledger.covering import Span, whole_days
from otel_cost.ledger.questions import ENTITY_KINDS, CallQuery
from otel_cost.ledger.schema import ROLLED_UP, dims, entity_days

_LABELS: Final = tuple(kind for kind in ENTITY_KINDS if kind != "trace")
"""Kinds that are labels: calls can be asked for by them."""


def where_calls_are(connection: Connection, query: CallQuery) -> tuple[Span, ...] | None:
    """The times that have all calls of the page; None where ``query`` names no entity, or asks for calls of none."""
    kind = next((kind for kind in _LABELS if query.filters.get(kind)), None)
    if kind is None:
        return None
    others = {name: value for name, value in query.filters.items() if name != kind}
    first, last = whole_days(query.from_ns, query.to_ns)
    statement = (
        select(entity_days.c.day_ns, entity_days.c.operations, entity_days.c.first_ns, entity_days.c.last_ns)
        .join_from(entity_days, dims, dims.c.id == entity_days.c.dims_id)
        .where(entity_days.c.entity == stored.text(query.filters[kind]), entity_days.c.kind == kind)
        .where(entity_days.c.day_ns >= first, entity_days.c.day_ns < last, entity_days.c.operations != 0)
        .where(*(dims.c[name] == value for name, value in others.items() if name in ROLLED_UP))
        .order_by(entity_days.c.day_ns.desc())
    )
    counted = others.keys() <= {*ROLLED_UP}
    return _merged(_of_page(connection.execute(statement).all(), query, counted))


def _of_page(found: Sequence[Row[*tuple[Any, ...]]], query: CallQuery, counted: bool) -> list[tuple[int, int]]:
    """From first to last start, of the newest days whose calls fill the page if they are ``counted``, else of all."""
    below = min(query.to_ns, query.after[0] + 1) if query.after is not None else query.to_ns
    times: list[tuple[int, int]] = []
    calls = 0
    for _, rows in groupby(found, key=lambda row: row.day_ns):
        if counted and calls >= query.limit:
            break
        for row in rows:
            begins, ends = max(row.first_ns, query.from_ns), min(row.last_ns + 1, below)
            if begins < ends:
                times.append((begins, ends))
            if row.first_ns >= query.from_ns and row.last_ns < below - 1:
                calls += row.operations
    return times


def _merged(times: Iterable[tuple[int, int]]) -> tuple[Span, ...]:
    """Those that touch become one: each call is in one only."""
    merged: list[Span] = []
    for begins, ends in sorted(times):
        if merged and begins <= merged[-1].end_ns:
            merged[-1] = Span(0, 1, merged[-1].start_ns, max(ends, merged[-1].end_ns))
        else:
            merged.append(Span(0, 1, begins, ends))
    return tuple(merged)
