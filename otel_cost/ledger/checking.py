"""Whether the sums that are kept beside the entries are what the entries say, day by day; and making them anew.

What is compared is worked out anew from every entry, by the code that keeps the sums when calls are booked. A day at a
time is in memory, and is read as it is at one instant, whoever writes meanwhile. Days whose calls were archived are
left alone: of them the sums are all there is. Whether calls and entries fit together is told by
``otel_cost.ledger.soundness``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Table, case, delete, func, literal, or_, select, text, update

from otel_cost.ledger import asking
from otel_cost.ledger.horizon import horizon_ns
from otel_cost.ledger.queries import of_its_record
from otel_cost.ledger.questions import ENTITY_KINDS
from otel_cost.ledger.rollups import Added, RollUps, dims_id_of
from otel_cost.ledger.saving import Saver
from otel_cost.ledger.schema import (
    DAY_NS,
    PART_COLUMNS,
    ROLLED_UP,
    SUMS,
    dims,
    distributions,
    entity_days,
    entries,
    records,
    rollups_15min,
    rollups_day,
)
from otel_cost.ledger.sql import SqlLedger
from otel_cost.ledger.summing import entries_of

MOST: Final = 1000
"""Findings after which no more are looked for: a book that has more is made anew as a whole."""
_SUMMED: Final = ("operations", *SUMS)
_VALUES: Final = (*ROLLED_UP, "failed")
_DAYS: Final = (
    (rollups_15min, "start_ns"),
    (rollups_day, "start_ns"),
    (entity_days, "day_ns"),
    (distributions, "day_ns"),
)

KeyT = TypeVar("KeyT", bound=tuple[Any, ...])
Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that is not what the entries say. ``expected`` and ``found`` name the numbers that differ; "nothing"
    where there should be, or is, no such row."""

    table: str
    what: str
    expected: str
    found: str


def _nobody(_done: int) -> None:
    """Progress that nobody watches."""


def days(ledger: SqlLedger, from_ns: int = 0) -> Sequence[int]:
    """The UTC days since ``from_ns`` whose calls are in the book, and those that only have sums; by their starts.

    Raises:
        LedgerError: the book cannot be read.
    """
    with ledger.snapshot() as connection:
        return tuple(_days(connection, max(from_ns, horizon_ns(connection))))


def verify(ledger: SqlLedger, which: Sequence[int] | None = None, *, told: Told = _nobody) -> tuple[Finding, ...]:
    """What is not as it should be, at most ``MOST`` findings; nothing where all is.

    Args:
        ledger: The book.
        which: Starts of UTC days, as :func:`days` lists them; None: all of them.
        told: Gets a 1 after each day.

    Raises:
        LedgerError: the book cannot be read.
    """
    wanted = days(ledger) if which is None else which
    with ledger.snapshot() as connection:
        found = list(_of_dims(connection))
    for day_ns in wanted:
        if len(found) >= MOST:
            break
        with ledger.snapshot() as connection:
            if day_ns >= horizon_ns(connection):
                with closing(_of_day(connection, day_ns)) as more:
                    found += islice(more, MOST - len(found))
        told(1)
    return tuple(found)


def rebuild_rollups(ledger: SqlLedger, which: Sequence[int] | None = None, *, told: Told = _nobody) -> int:
    """Make the sums of days anew out of their entries, a day in one transaction; those who write wait for each.

    Args:
        ledger: The book.
        which: As for :func:`verify`.
        told: Gets a 1 after each day.

    Returns:
        How many days were made anew. Days that are archived are not.

    Raises:
        LedgerError: the book cannot be read or written. The days before are made, the others as they were.
    """
    made = 0
    for day_ns in days(ledger) if which is None else which:
        with ledger.transaction() as connection:
            made += _rebuild(connection, day_ns)
        told(1)
    return made


def _rebuild(connection: Connection, day_ns: int) -> int:
    if connection.dialect.name == "postgresql":
        # Who has booked into the day and not committed yet is waited for; who wants to, waits until this is done.
        connection.execute(text("LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE"))
    if day_ns < horizon_ns(connection):
        return 0
    for table, name in _DAYS:
        connection.execute(delete(table).where(_kinds(table), *_within(table.c[name], day_ns)))
    added = _worked_out(connection, day_ns)
    Saver("").add(connection, added)
    for dims_id, values in added.dims.items():
        # A row that is there stays as it is, and might be wrong.
        connection.execute(update(dims).where(dims.c.id == dims_id).values(dict(zip(_VALUES, values, strict=True))))
    return 1


def _worked_out(connection: Connection, day_ns: int) -> Added:
    """What the sums of one day should be."""
    return RollUps().of(entries_of(connection, day_ns, day_ns + DAY_NS))


def _of_day(connection: Connection, day_ns: int) -> Generator[Finding, None, None]:
    yield from _of_entries(connection, day_ns)
    added = _worked_out(connection, day_ns)
    names = _Names(connection, added.dims)

    def sums(table: Table, expected: Mapping[tuple[int, int], Sequence[int]]) -> Iterator[Finding]:
        by = (table.c.start_ns, table.c.dims_id)
        statement = select(*by, *(func.sum(table.c[name]) for name in _SUMMED)).group_by(*by)
        found = connection.execute(statement.where(*_within(table.c.start_ns, day_ns)))
        for key, *values in _differing(expected, ((row[:2], row[2:]) for row in found)):
            yield _finding(table, f"{asking.iso(key[0])} of {names.of(key[1])}", _SUMMED, *values)

    yield from sums(rollups_15min, added.quarters)
    yield from sums(rollups_day, added.days())
    yield from _of_entities(connection, day_ns, added, names)
    yield from _of_bins(connection, day_ns, added, names)


def _of_entities(connection: Connection, day_ns: int, added: Added, names: _Names) -> Iterator[Finding]:
    table, columns = entity_days, (*_SUMMED, "first_ns", "last_ns")
    key = (table.c.kind, table.c.day_ns, table.c.entity, table.c.dims_id)
    statement = select(*key, *(table.c[name] for name in columns)).where(_kinds(table), table.c.day_ns == day_ns)
    with connection.execute(statement, execution_options={"yield_per": 2000}) as found:
        rows = ((row[:4], row[4:]) for row in found)
        for (kind, _, entity, dims_id), *values in _differing(added.entities, rows):
            what = f"{asking.iso(day_ns)}, {kind} {entity!r:.80} of {names.of(dims_id)}"
            yield _finding(table, what, columns, *values)


def _of_bins(connection: Connection, day_ns: int, added: Added, names: _Names) -> Iterator[Finding]:
    table = distributions
    key = (table.c.day_ns, table.c.dims_id, table.c.measure, table.c.bin)
    statement = select(*key, table.c.calls).where(table.c.day_ns == day_ns)
    expected = {row: (calls,) for row, calls in added.bins.items()}
    found = ((row[:4], row[4:]) for row in connection.execute(statement))
    for (_, dims_id, measure, number), *values in _differing(expected, found):
        what = f"{asking.iso(day_ns)}, {measure} in bin {number} of {names.of(dims_id)}"
        yield _finding(table, what, ("calls",), *values)


def _of_entries(connection: Connection, day_ns: int) -> Iterator[Finding]:
    """Calls whose entries do not sum to the last one, for something was taken back that had not been posted so; and
    those whose parts do not sum to the amount."""
    last = entries.c.sequence == records.c.sequence
    whole = sum((entries.c[name] for name in PART_COLUMNS[1:]), entries.c[PART_COLUMNS[0]])
    in_parts = func.sum(case((whole != entries.c.amount_nano, 1), else_=0))
    posted = [*(func.sum(case((last, entries.c[name]), else_=0)) for name in _SUMMED), literal(0)]
    summed = [*(func.sum(entries.c[name]) for name in _SUMMED), in_parts]
    statement = (
        select(entries.c.record_key, *posted, *summed)
        .join_from(entries, records, of_its_record())
        .where(*_within(entries.c.occurred_ns, day_ns))
        .group_by(entries.c.record_key)
        .having(or_(*(should != there for should, there in zip(posted, summed, strict=True))))
    )
    columns = (*_SUMMED, "entries of other parts")
    for key, *values in connection.execute(statement):
        numbers = list(map(int, values))
        yield _finding(entries, f"call {key}", columns, numbers[: len(columns)], numbers[len(columns) :])


def _of_dims(connection: Connection) -> Iterator[Finding]:
    for dims_id, *values in connection.execute(select(dims.c.id, *(dims.c[name] for name in _VALUES))):
        if (expected := dims_id_of(tuple(values))) != dims_id:
            yield Finding(dims.name, _named(values), f"id {expected}", f"id {dims_id}")


def _differing(
    expected: Mapping[KeyT, Sequence[int]], found: Iterable[tuple[Any, Iterable[Any]]]
) -> Iterator[tuple[KeyT, Sequence[int] | None, Sequence[int] | None]]:
    """Keys whose values differ, with both. A row of zeros, and one that is not there, are the same."""
    left = {key: values for key, values in expected.items() if any(values[: len(_SUMMED)])}
    for row_key, row in found:
        key: KeyT = tuple(row_key)  # type: ignore[assignment]
        values = list(map(int, row))
        if not any(values[: len(_SUMMED)]):
            continue
        should = left.pop(key, None)
        if should is None or list(should) != values:
            yield key, should, values
    for key, should in left.items():
        yield key, should, None


def _finding(
    table: Table,
    what: str,
    columns: Sequence[str],
    expected: Sequence[int] | None,
    found: Sequence[int] | None,
) -> Finding:
    """With the numbers that differ alone."""
    none = [None] * len(columns)
    pairs = zip(columns, expected or none, found or none, strict=True)
    differing = [(name, should, there) for name, should, there in pairs if should != there]
    return Finding(
        table.name,
        what,
        "nothing" if expected is None else ", ".join(f"{name} {should}" for name, should, _ in differing),
        "nothing" if found is None else ", ".join(f"{name} {there}" for name, _, there in differing),
    )


class _Names:
    """What dimensions are, in words; looked up where the day has none of them."""

    def __init__(self, connection: Connection, known: Mapping[int, Sequence[str]]) -> None:
        self._connection = connection
        self._known = known

    def of(self, dims_id: int) -> str:
        values = self._known.get(dims_id)
        if values is None:
            statement = select(*(dims.c[name] for name in _VALUES)).where(dims.c.id == dims_id)
            values = self._connection.execute(statement).one_or_none()
        return f"unknown dimensions {dims_id}" if values is None else _named(values)


def _named(values: Iterable[str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(_VALUES, values, strict=True) if value)


def _days(connection: Connection, from_ns: int) -> Iterator[int]:
    """From one to the next, by the smallest time of any table that is not before it: each has an index for that."""
    times = [entries.c.occurred_ns, *(table.c[name] for table, name in _DAYS if table is not entity_days)]
    at_ns = from_ns
    while True:
        statements = [select(func.min(time)).where(time >= at_ns) for time in times]
        day = entity_days.c.day_ns
        statements += [select(func.min(day)).where(entity_days.c.kind == kind, day >= at_ns) for kind in ENTITY_KINDS]
        found = [connection.execute(statement).scalar() for statement in statements]
        there = [int(time) for time in found if time is not None]
        if not there:
            return
        yield (first := min(there) - min(there) % DAY_NS)
        at_ns = first + DAY_NS


def _within(time: Any, day_ns: int) -> tuple[Any, Any]:
    return time >= day_ns, time < day_ns + DAY_NS


def _kinds(table: Table) -> Any:
    """Said of the first column of the key, so that the key finds the day."""
    return entity_days.c.kind.in_(ENTITY_KINDS) if table is entity_days else text("1 = 1")
