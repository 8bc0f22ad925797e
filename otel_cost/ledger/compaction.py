"""Rows of the roll-ups that several writers made of one bucket, folded into one once nobody adds to it any more."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from otel_cost.ledger.schema import DAY_NS, SUMS, rollups_15min, rollups_day

SETTLED_AFTER_NS: Final = 2 * DAY_NS
"""How old a bucket is before it is folded. Corrections of older calls make rows of their own, for the next run."""
_COUNTS: Final = ("operations", *SUMS)


def fold(connection: Connection, now_ns: int) -> int:
    """Make one row of each settled bucket's rows; how many rows were folded. PostgreSQL, in a transaction.

    A row is deleted with what it holds at that moment, in the statement that adds it to the common one: a writer that
    adds to it meanwhile waits, and makes a new row.
    """
    if connection.dialect.name != "postgresql":
        return 0  # where writers take turns, their rows have no writer's name
    return sum(_folded(connection, table, now_ns - SETTLED_AFTER_NS) for table in (rollups_15min, rollups_day))


def _folded(connection: Connection, table: Table, before_ns: int) -> int:
    old = (table.c.writer != "") & (table.c.start_ns < before_ns - before_ns % DAY_NS)
    gone = delete(table).where(old).returning(*table.c).cte("gone")
    sums = [func.sum(gone.c[name]).cast(table.c[name].type).label(name) for name in _COUNTS]
    folded = select(gone.c.start_ns, gone.c.dims_id, func.max("").label("writer"), *sums).group_by(
        gone.c.start_ns, gone.c.dims_id
    )
    into = insert(table).from_select(["start_ns", "dims_id", "writer", *_COUNTS], folded)
    added = {name: table.c[name] + into.excluded[name] for name in _COUNTS}
    count = connection.execute(select(func.count()).select_from(table).where(old)).scalar() or 0
    if count:
        connection.execute(into.on_conflict_do_update(index_elements=["start_ns", "dims_id", "writer"], set_=added))
    return int(count)
