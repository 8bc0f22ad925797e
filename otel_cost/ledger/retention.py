"""Closing days of the book, and removing the calls of days that are closed. Their sums stay.

The horizon is a midnight (UTC). Calls that started before it are closed: nothing is booked, corrected or voided there
any more. That is how a call that was archived is not booked a second time when somebody sends it again: the book no
longer knows it, but it knows that it must not take it. Every day is closed under a lock, after a look whether it is
still what was put into files; its rows are removed afterwards, in small transactions. So nobody who writes waits for
long, and a process that is killed between leaves rows that the next one removes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, text

from otel_cost.ledger import partitions
from otel_cost.ledger.horizon import horizon_ns
from otel_cost.ledger.schema import DAY_NS, archived, entries, opinions, records
from otel_cost.ledger.sql import SqlLedger

_AT_ONCE: Final = 1000
"""Calls that are removed in one transaction."""


@dataclass(frozen=True, slots=True)
class Day:
    """What the book has of one UTC day. Two days that are equal are the same: entries are only ever added, by rising
    ids, and the first and the last key are random."""

    day_ns: int
    records: int
    entries: int
    last_entry: int
    amount_nano: int
    first_key: str
    last_key: str

    @property
    def end_ns(self) -> int:
        return self.day_ns + DAY_NS


def days(connection: Connection, from_ns: int, to_ns: int) -> Sequence[Day]:
    """The days with calls that started from ``from_ns`` (inclusive) to ``to_ns`` (exclusive), oldest first."""
    day = records.c.start_ns - records.c.start_ns % DAY_NS
    keys = (func.count(), func.min(records.c.record_key), func.max(records.c.record_key))
    calls = select(day, *keys).where(*_between(records.c.start_ns, from_ns, to_ns)).group_by(day)
    day = entries.c.occurred_ns - entries.c.occurred_ns % DAY_NS
    sums = (func.count(), func.max(entries.c.id), func.sum(entries.c.amount_nano))
    booked = select(day, *sums).where(*_between(entries.c.occurred_ns, from_ns, to_ns)).group_by(day)
    of_day = {int(row[0]): (int(row[1]), int(row[2]), int(row[3])) for row in connection.execute(booked)}
    return tuple(
        Day(int(at), int(number), *of_day.get(int(at), (0, 0, 0)), str(first), str(last))
        for at, number, first, last in sorted(tuple(row) for row in connection.execute(calls))
    )


def close(ledger: SqlLedger, day: Day, *, place: str, now_ns: int) -> bool:
    """Move the horizon behind ``day``, unless the book has something else of it by now: then nothing happens.

    Args:
        ledger: The book.
        day: As it was found; days without calls between the horizon and it are closed with it.
        place: Where its calls are now; "" where they are given up.
        now_ns: UTC.
    """
    with ledger.transaction() as connection:
        _lock_out_writers(connection)
        found = days(connection, horizon_ns(connection), day.end_ns)
        if found != ((day,) if day.records else ()):
            return False
        values = {"records": day.records, "entries": day.entries, "amount_nano": day.amount_nano}
        connection.execute(insert(archived).values(day_ns=day.day_ns, closed_ns=now_ns, place=place, **values))
        return True


def nothing_on(day_ns: int) -> Day:
    """A day without calls: what a horizon ends with where the last day had none."""
    return Day(day_ns, 0, 0, 0, 0, "", "")


def left_over(connection: Connection) -> int:
    """Calls that are closed and still there: whoever was to remove them did not get to it."""
    closed = records.c.start_ns < horizon_ns(connection)
    return int(connection.execute(select(func.count()).select_from(records).where(closed)).scalar_one())


def remove_closed(ledger: SqlLedger, told: Callable[[int], None] = lambda _done: None) -> int:
    """Remove the calls of closed days, whole months at once where the database keeps them apart.

    Returns:
        How many calls were removed.
    """
    removed = 0
    with ledger.transaction() as connection:
        partitions.drop_before(connection, horizon_ns(connection))
    while some := _remove_some(ledger):
        told(some)
        removed += some
    return removed


def _remove_some(ledger: SqlLedger) -> int:
    with ledger.transaction() as connection:
        horizon = horizon_ns(connection)
        oldest = select(records.c.record_key).where(records.c.start_ns < horizon).order_by(records.c.start_ns)
        keys = connection.execute(oldest.limit(_AT_ONCE)).scalars().all()
        if keys:
            connection.execute(delete(opinions).where(opinions.c.record_key.in_(keys)))
            # The time says in which months to look.
            connection.execute(delete(entries).where(entries.c.record_key.in_(keys), entries.c.occurred_ns < horizon))
            connection.execute(delete(records).where(records.c.record_key.in_(keys)))
        return len(keys)


def _between(column: ColumnElement[int], from_ns: int, to_ns: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= from_ns, column < to_ns


def _lock_out_writers(connection: Connection) -> None:
    """Until the transaction ends. Whoever writes looks for keys ``FOR UPDATE``, and that conflicts: who has looked is
    waited for, the others look when the horizon has moved. On SQLite one transaction writes at a time anyhow."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{partitions.LOCK_TIMEOUT}'"))
        connection.execute(text("LOCK TABLE records IN EXCLUSIVE MODE"))
