"""A batch's rows into the tables, in a transaction that somebody else begins and ends.

Statements are made once for each database and handed to its driver with plain values: a batch has thousands of them,
and what SQLAlchemy would do with each costs more than what the database does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Table,
    bindparam,
    case,
    func,
    literal_column,
    null,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from otel_cost.ledger import rows
from otel_cost.ledger.posting import Posting
from otel_cost.ledger.rollups import Added
from otel_cost.ledger.schema import (
    dims,
    distributions,
    entity_days,
    entries,
    opinions,
    records,
    rollups_15min,
    rollups_day,
)

Values = Sequence[object]
NO_SUM: Final = "NOT NULL constraint failed"
"""What SQLite says where a sum would be beyond 64 bits: see ``_sum``. No other value that is written is ever NULL."""
_ROWS: Final = (512, 128, 32, 8, 1)
"""Rows of one statement: a few sizes, so that drivers know the statements."""
_ROW: Final = re.compile(r"VALUES (\(.*?\))(?= ON CONFLICT|$)")
_MAX_VALUES: Final = 32_000
"""SQLite takes 32,766 values in one statement, PostgreSQL 65,535."""
_KNOWN_DIMS: Final = 50_000


class Saver:
    """Saves batches into one database. Not thread-safe.

    Args:
        writer: Whose rows of the roll-ups are added to. Writers of one name wait for each other.
    """

    def __init__(self, writer: str) -> None:
        self._writer = writer
        self._known: set[int] = set()

    def save(self, connection: Connection, posting: Posting, booked_ns: int) -> None:
        """Insert and update what ``posting`` decided on."""
        put(connection, records, [rows.record_values(record, booked_ns) for record in posting.new_records])
        _move_on(connection, posting)
        written = posting.written
        put(connection, entries, [rows.entry_values(entry, booked_ns) for entry in written.entries])
        put(connection, opinions, [rows.opinion_values(one) for one in written.opinions])

    def add(self, connection: Connection, added: Added) -> None:
        """Add to the sums; call :meth:`committed` with the same once that is for good."""
        unknown = {dims_id: values for dims_id, values in added.dims.items() if dims_id not in self._known}
        put(connection, dims, [(dims_id, *unknown[dims_id]) for dims_id in sorted(unknown)], known="leave")
        for table, sums in ((rollups_15min, added.quarters), (rollups_day, added.days())):
            put(connection, table, [(*key, self._writer, *sums[key]) for key in sorted(sums)], known="add")
        entities = added.entities
        put(connection, entity_days, [(*key, *entities[key]) for key in sorted(entities)], known="add")
        bins = [(*key, added.bins[key]) for key in sorted(added.bins) if added.bins[key]]
        put(connection, distributions, bins, known="add")

    def committed(self, added: Added) -> None:
        """What ``added`` names is in the database."""
        if len(self._known) > _KNOWN_DIMS:
            self._known.clear()
        self._known.update(added.dims)


def put(connection: Connection, table: Table, values: Sequence[Values], *, known: str = "fail") -> None:
    """Insert rows, whose values are in the order of ``columns_of(table)``.

    Args:
        connection: In a transaction.
        table: One of the book's.
        values: The rows.
        known: What becomes of a row whose key is there: ``fail``, ``leave`` it as it is, or ``add`` to its sums.
    """
    dialect, width = connection.dialect.name, len(columns_of(table))
    at = 0
    while at < len(values):
        # Many rows by one statement: SQLite's driver lets go of the interpreter for each run of one, and with a thread
        # that computes beside it would wait for its turn after every row.
        count = next(size for size in _ROWS if size <= len(values) - at and size * width <= _MAX_VALUES)
        piece = tuple(value for row in values[at : at + count] for value in row)
        connection.exec_driver_sql(_insert(table, known, dialect, count), piece)
        at += count


@cache
def columns_of(table: Table) -> tuple[str, ...]:
    """All columns but those that the database fills in."""
    return tuple(column.name for column in table.columns if not (column.primary_key and column.autoincrement is True))


def _move_on(connection: Connection, posting: Posting) -> None:
    """Let the records that got another verdict point to it."""
    if not posting.changed:
        return
    statement = (
        update(records)
        .where(records.c.record_key == bindparam("key"))
        .values(
            sequence=bindparam("now"), status=bindparam("stands_as"), counted_as=bindparam("other"),
            usage=bindparam("counts", type_=records.c.usage.type),
        )
    )  # fmt: skip
    changes = [
        {
            "key": standing.key,
            "now": standing.sequence,
            "stands_as": str(standing.charge.status),
            "other": rows.text(standing.counted_as),
            "counts": dict(standing.counts) or None,
        }
        for standing in posting.changed
    ]
    connection.execute(statement, changes)


@cache
def _insert(table: Table, known: str, dialect: str, count: int) -> str:
    """The statement for ``count`` rows, whose values are handed over one after the other."""
    one = _of_one(table, known, dialect)
    found = _ROW.search(one)
    assert found is not None
    return one[: found.start(1)] + ", ".join([found[1]] * count) + one[found.end(1) :]


def _of_one(table: Table, known: str, dialect: str) -> str:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table).inline()
    names = columns_of(table)
    keys = [column.name for column in table.primary_key]
    if known == "leave":
        return _text(statement.on_conflict_do_nothing(index_elements=keys), names, dialect)
    if known == "add":
        larger, smaller = (func.greatest, func.least) if dialect == "postgresql" else (func.max, func.min)
        new = statement.excluded
        summed = {name: _sum(table, name, new[name], dialect) for name in names if name not in keys}
        if table is entity_days:
            summed["first_ns"] = smaller(table.c.first_ns, new.first_ns)
            summed["last_ns"] = larger(table.c.last_ns, new.last_ns)
        return _text(statement.on_conflict_do_update(index_elements=keys, set_=summed), names, dialect)
    return _text(statement, names, dialect)


def _sum(table: Table, name: str, more: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    both = table.c[name] + more
    if dialect == "postgresql":
        return both  # which says so where it is beyond 64 bits
    # SQLite would go on with a double, and lose the last digits of all that the row has: NULL is refused.
    return case((func.typeof(both) == literal_column("'integer'"), both), else_=null())


def _text(statement: Insert, names: Sequence[str], dialect: str) -> str:
    """The statement for one row, with a place for each value in the order of ``names``."""
    compiled = statement.values({name: bindparam(name) for name in names}).compile(dialect=_DIALECTS[dialect])
    assert isinstance(compiled, SQLCompiler)
    assert list(compiled.positiontup or ()) == list(names)
    return str(compiled)


_DIALECTS: Final[Mapping[str, Dialect]] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}
