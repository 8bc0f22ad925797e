"""On PostgreSQL ``entries`` is one table a month, by the call's start in UTC: old months are dropped, not deleted from.

Why no call is booked twice there, though no index sees all months: the unique constraint has ``occurred_ns`` in it, and
so would let the same (record, sequence) into two of them. But an entry takes ``occurred_ns`` from the record it belongs
to, whose start is set by its first booking and never changed. Two writers that both take a record for new and disagree
on its start both insert into ``records``, whose primary key fails the later one: it rolls back and looks again. Two
that both correct it wait for each other at the record's row lock.

Months are made ahead; what starts in no month that has a partition (1970, next decade, an import of old calls) is kept
in ``entries_default``, and moves out when its month is made. SQLite has no partitions: everything here does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from sqlalchemy import Connection, text

AHEAD: Final = 3
"""Months after the present one that have a partition."""
BEHIND_YEARS: Final = 10
"""How far back a month may lie that is given a partition."""
LOCK_TIMEOUT: Final = "10s"
"""How long making and dropping a month waits for those who read and write, who wait behind it."""

_NAMED: Final = re.compile(r"entries_(\d{4})_(\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month in UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, time_ns: int) -> Self:
        """The month of a time (UTC ns)."""
        at = datetime.fromtimestamp(time_ns // 10**9, UTC)
        return cls(at.year, at.month)

    def plus(self, months: int) -> Month:
        years, month = divmod(self.month - 1 + months, 12)
        return Month(self.year + years, month + 1)

    @property
    def start_ns(self) -> int:
        return int(datetime(self.year, self.month, 1, tzinfo=UTC).timestamp()) * 10**9

    @property
    def end_ns(self) -> int:
        return self.plus(1).start_ns

    @property
    def table(self) -> str:
        return f"entries_{self.year:04}_{self.month:02}"

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def ensure_partitions(connection: Connection, now_ns: int) -> Collection[Month]:
    """Make the months from that of ``now_ns`` (UTC) on that are missing, and those of entries that are in none; within
    the transaction under way. Cheap where nothing is missing.

    Returns:
        The months that were made.
    """
    if connection.dialect.name != "postgresql":
        return ()
    if not _missing(connection, now_ns):
        return ()
    _lock(connection)
    missing = sorted(_missing(connection, now_ns))
    for month in missing:
        _make(connection, month)
    return missing


def wanting(connection: Connection, now_ns: int) -> bool:
    """Whether this month or one ahead (``now_ns``: UTC) has no partition. Always False where there are none."""
    return connection.dialect.name == "postgresql" and bool(_ahead(now_ns) - set(months(connection)))


def months(connection: Connection) -> Collection[Month]:
    """The months that have a partition, oldest first; none where there are no partitions."""
    if connection.dialect.name != "postgresql":
        return ()
    found = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass('entries')")
    ).scalars()
    named = [match for name in found if (match := _NAMED.fullmatch(name.rpartition(".")[2]))]
    return sorted(Month(int(match[1]), int(match[2])) for match in named)


def drop_before(connection: Connection, horizon_ns: int) -> Collection[Month]:
    """Drop the months that end at ``horizon_ns`` (UTC) or before it, whose records nobody may add to any more."""
    old = [month for month in months(connection) if month.end_ns <= horizon_ns]
    if old:
        _lock(connection)
    for month in old:
        connection.execute(text(f"DROP TABLE IF EXISTS {month.table}"))
    return old


def _ahead(now_ns: int) -> set[Month]:
    now = Month.of(now_ns)
    return {now.plus(number) for number in range(AHEAD + 1)}


def _missing(connection: Connection, now_ns: int) -> set[Month]:
    now = Month.of(now_ns)
    stray = _stray(connection, now.plus(-12 * BEHIND_YEARS), now.plus(AHEAD))
    return (_ahead(now_ns) | set(stray)) - set(months(connection))


def _stray(connection: Connection, oldest: Month, newest: Month) -> Collection[Month]:
    """Months of what is in the default partition."""
    found = connection.execute(
        text(
            "SELECT DISTINCT date_trunc('month', to_timestamp(occurred_ns / 1000000000) AT TIME ZONE 'UTC') AS month"
            " FROM entries_default WHERE occurred_ns >= :oldest AND occurred_ns < :newest"
        ),
        {"oldest": oldest.start_ns, "newest": newest.end_ns},
    ).scalars()
    return [Month(at.year, at.month) for at in found]


def _lock(connection: Connection) -> None:
    """Whoever writes, and nobody else, waits. In the order in which writers take them: records first."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text("LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE"))


def _make(connection: Connection, month: Month) -> None:
    bounds = {"start": month.start_ns, "end": month.end_ns}
    connection.execute(text("LOCK TABLE entries_default IN ACCESS EXCLUSIVE MODE"))
    connection.execute(text(f"CREATE TABLE {month.table} (LIKE entries INCLUDING DEFAULTS)"))
    connection.execute(
        text(
            "WITH moved AS (DELETE FROM entries_default WHERE occurred_ns >= :start AND occurred_ns < :end RETURNING *)"
            f" INSERT INTO {month.table} SELECT * FROM moved"
        ),
        bounds,
    )
    connection.execute(
        text(
            f"ALTER TABLE entries ATTACH PARTITION {month.table} FOR VALUES FROM ({month.start_ns}) TO ({month.end_ns})"
        )
    )
