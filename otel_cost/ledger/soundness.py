"""Whether the rows of a book fit together: what can only be otherwise if a disk, a hand or a bug was at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Table, case, func, or_, select, text

from otel_cost.ledger import partitions
from otel_cost.ledger.horizon import day_name, horizon_ns
from otel_cost.ledger.schema import archived, entries, opinions, records, rollups_day

_SHOWN: Final = 5
"""Examples of one kind that are told."""

Check = Callable[[Connection, int], Iterator[str]]


def findings(connection: Connection, now_ns: int, told: Callable[[int], None] = lambda _done: None) -> Sequence[str]:
    """What does not fit, a line each; nothing where all does. Reads all of the book; ``told`` gets a 1 after each of
    the ``CHECKS``. ``now_ns`` is UTC."""
    found: list[str] = []
    for check in CHECKS:
        found += check(connection, now_ns)
        told(1)
    return found


def _file(connection: Connection, _now_ns: int) -> Iterator[str]:
    """What SQLite says of its file. PostgreSQL checks its pages when it reads them."""
    if connection.dialect.name == "sqlite":
        for line in connection.execute(text("PRAGMA integrity_check")).scalars():
            if line != "ok":
                yield f"the database file is damaged: {line}"


def _keys(connection: Connection, _now_ns: int) -> Iterator[str]:
    """Rows of records that are not there."""
    for table in (entries, opinions):
        orphans = select(table.c.record_key).distinct().where(~_of(table).exists())
        yield from _told(
            connection.execute(orphans.limit(_SHOWN + 1)).all(), f"{table.name} of a call that is not there"
        )


def _calls(connection: Connection, _now_ns: int) -> Iterator[str]:
    """Each call has been booked once, its entries follow on one another, and its last one is what the call says."""
    last = case((entries.c.sequence == records.c.sequence, entries.c.status))
    astray = case((entries.c.occurred_ns != records.c.start_ns, 1), else_=0)
    faults = {
        "call without an entry": func.count(entries.c.sequence) == 0,
        "call whose entries have a gap": func.count(entries.c.sequence) != func.max(entries.c.sequence) + 1,
        "call that counts for more or less than one": func.sum(entries.c.operations) != 1,
        "call that does not point to its last entry": records.c.sequence != func.max(entries.c.sequence),
        "call of another status than its last entry": func.max(last) != records.c.status,
        "call whose entries are of another time": func.sum(astray) != 0,
    }
    statement = (
        select(records.c.record_key, *(case((fault, 1), else_=0) for fault in faults.values()))
        .join_from(records, entries, entries.c.record_key == records.c.record_key, isouter=True)
        .where(records.c.start_ns >= horizon_ns(connection))
        .group_by(records.c.record_key, records.c.sequence, records.c.status)
        .having(or_(*faults.values()))
        .limit(1000)
    )
    found = connection.execute(statement).all()
    for number, fault in enumerate(faults, 1):
        yield from _told([row for row in found if row[number]], fault)


def _archived(connection: Connection, _now_ns: int) -> Iterator[str]:
    """Of archived days the sums are all there is: they must be what the days were when they were closed."""
    kept = func.coalesce(func.sum(rollups_day.c.amount_nano), 0)
    statement = (
        select(archived.c.day_ns, archived.c.amount_nano, kept)
        .join_from(archived, rollups_day, rollups_day.c.start_ns == archived.c.day_ns, isouter=True)
        .group_by(archived.c.day_ns, archived.c.amount_nano)
        .having(kept != archived.c.amount_nano)
    )
    for day_ns, closed_with, now in connection.execute(statement):
        yield f"{day_name(day_ns)} was archived with {closed_with} nano-USD, but its sums say {int(now)}"


def _months(connection: Connection, now_ns: int) -> Iterator[str]:
    if partitions.wanting(connection, now_ns):
        yield "months ahead have no partition yet: the server makes them when it starts, and every day"


CHECKS: Final[Sequence[Check]] = (_file, _keys, _calls, _archived, _months)


def _of(table: Table) -> Select[Any]:
    return select(records.c.record_key).where(records.c.record_key == table.c.record_key)


def _told(found: Sequence[Row[Any]], fault: str) -> Iterator[str]:
    for row in found[:_SHOWN]:
        yield f"{fault}: {row[0]}"
    if len(found) > _SHOWN:
        yield f"{fault}: and more of them"
