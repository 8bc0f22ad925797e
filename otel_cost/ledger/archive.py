"""Putting the calls of past months into files, and out of the book if that is wanted. Their sums stay in the book.

Each month becomes a file (a later run adds a part for days that changed), is read back and compared, and only then are
its days closed, one by one, and their rows removed. A run that was killed is done by the next one: days that are in a
file already, as they are in the book, are not written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otel_cost.errors import LedgerError
from otel_cost.ledger import archive_files, archive_rows, retention
from otel_cost.ledger.horizon import day_name, horizon_ns
from otel_cost.ledger.partitions import Month
from otel_cost.ledger.retention import Day
from otel_cost.ledger.schema import DAY_NS
from otel_cost.ledger.sql import SqlLedger

_TRIES: Final = 5
"""How often a month is written again because somebody corrected a call of it meanwhile."""

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Archived:
    """What a run did. ``calls`` and ``amount_nano`` (nano-USD) are those that are in files now, of which ``files`` are
    new; ``removed`` is how many left the book."""

    files: tuple[str, ...] = ()
    calls: int = 0
    amount_nano: int = 0
    removed: int = 0


def check_before(before_ns: int, now_ns: int) -> int:
    """``before_ns`` (UTC ns) if all before it can be archived: a midnight that has been.

    Raises:
        ValueError: it is not.
    """
    if before_ns % DAY_NS:
        raise ValueError("whole days are archived: name a date, which is its midnight in UTC")
    if before_ns > now_ns:
        raise ValueError(f"{day_name(before_ns)} has not begun yet (UTC): its day before is still being booked")
    return before_ns


def waiting(ledger: SqlLedger, before_ns: int) -> int:
    """How many calls before ``before_ns`` (UTC ns) are in the book one by one."""
    with ledger.snapshot() as connection:
        return sum(day.records for day in retention.days(connection, horizon_ns(connection), before_ns))


def archive(
    ledger: SqlLedger,
    before_ns: int,
    directory: Path,
    *,
    now_ns: int,
    form: str = "jsonl",
    remove: bool = False,
    told: Told = lambda _done: None,
) -> Archived:
    """Put all calls that started before ``before_ns`` and are not closed into files.

    Args:
        ledger: The book.
        before_ns: UTC ns, see :func:`check_before`.
        directory: Where the files go; made if it is not there.
        now_ns: UTC.
        form: ``jsonl`` or ``parquet``.
        remove: Close these days, and remove their calls from the book.
        told: Gets the numbers of calls that were put into files, piece by piece.

    Raises:
        LedgerError: files or the book cannot be read or written. Nothing was removed that is not in a file.
        ConfigError: pyarrow is missing.
        ValueError: ``before_ns`` is no midnight, or lies ahead.
    """
    check_before(before_ns, now_ns)
    archive_files.require(form)
    with archive_files.alone(directory):
        run = _Run(ledger, directory, form, told)
        removed = retention.remove_closed(ledger) if remove else 0
        days = [
            day
            for month in _months(ledger, before_ns)
            for day in run.month(month, before_ns, now_ns if remove else None)
        ]
        if remove:
            _finish(ledger, before_ns, str(directory.absolute()), now_ns)
            removed += retention.remove_closed(ledger)
    return Archived(tuple(run.written), sum(day.records for day in days), sum(day.amount_nano for day in days), removed)


def apply_retention(ledger: SqlLedger, now_ns: int, *, keep_s: float, to: Path | None = None) -> Archived:
    """Remove calls that started more than ``keep_s`` seconds ago, whole UTC days of them; their sums stay.

    Safe to run twice, and to be killed. Where ``to`` is given they are archived there first, as JSON lines.

    Raises:
        LedgerError: as :func:`archive`.
    """
    oldest = now_ns - int(keep_s * 10**9)
    before_ns = oldest - oldest % DAY_NS
    if to is not None:
        return archive(ledger, before_ns, to, now_ns=now_ns, remove=True)
    with ledger.snapshot() as connection:
        days = retention.days(connection, horizon_ns(connection), before_ns)
    for day in days:
        _close(ledger, day, "", now_ns)
    if days:
        _finish(ledger, before_ns, "", now_ns)
    return Archived(removed=retention.remove_closed(ledger))


class _Run:
    """One run over the months, with what it has written so far."""

    def __init__(self, ledger: SqlLedger, directory: Path, form: str, told: Told) -> None:
        self.written: list[str] = []
        self._ledger = ledger
        self._directory = directory
        self._form = form
        self._told = told
        self._manifest = archive_files.read_manifest(directory)
        self._whole: set[str] = set()

    def month(self, month: Month, before_ns: int, closing_ns: int | None) -> Sequence[Day]:
        """See that the month's days are in files, and close them if there is a time to close them at."""
        for _ in range(_TRIES):
            days = self._in_files(month, before_ns)
            if closing_ns is None or self._closed(days, closing_ns):
                return days
        raise LedgerError(f"calls of {month} are corrected all the time: archive it when that is over")

    def _closed(self, days: Sequence[Day], now_ns: int) -> bool:
        place = str(self._directory.absolute())
        return all(retention.close(self._ledger, day, place=place, now_ns=now_ns) for day in days)

    def _in_files(self, month: Month, before_ns: int) -> Sequence[Day]:
        """The days of the month as they are in the book, each of which is in a file as it is."""
        with self._ledger.snapshot() as connection:
            start_ns = max(month.start_ns, horizon_ns(connection))
            days = retention.days(connection, start_ns, min(month.end_ns, before_ns))
            missing = [day for day in days if not self._held(day)]
            if not missing:
                return days
            name = self._manifest.name_for(str(month), self._form)
            tally = archive_files.Tally()

            def rows() -> Iterator[Mapping[str, Any]]:
                for day in missing:
                    for row in archive_rows.calls(connection, day.day_ns, day.end_ns):
                        tally.count(row, day.day_ns)
                        self._told(1)
                        yield row

            size, digest = archive_files.write(self._directory, name, self._form, rows())
        self._require_the_same(name, tally, missing)
        file = archive_files.File(name, size, digest, tuple(missing))
        self._manifest = archive_files.add_to_manifest(self._directory, self._manifest, file)
        self._whole.add(name)
        self.written.append(name)
        return days

    def _held(self, day: Day) -> bool:
        """Whether a file has the day. One that was damaged since is no file to rely on: that is an error."""
        file = self._manifest.holding(day)
        if file is None:
            return False
        if file.name not in self._whole:
            archive_files.require_whole(self._directory, file)
            self._whole.add(file.name)
        return True

    def _require_the_same(self, name: str, written: archive_files.Tally, days: Sequence[Day]) -> None:
        """Read the file back: nothing is removed because of a file that cannot be read."""
        read = archive_files.Tally()
        for row in archive_files.calls_in(self._directory / name):
            read.count(row, int(row["start_ns"]) // DAY_NS * DAY_NS)
        if not (read.agrees(days) and read.digest.digest() == written.digest.digest()):
            (self._directory / name).unlink()
            raise LedgerError(f"{self._directory / name} did not read back as it was written: nothing was removed")


def _close(ledger: SqlLedger, day: Day, place: str, now_ns: int) -> None:
    """Close a day whose calls are given up, whatever is in it by now."""
    for _ in range(_TRIES):
        if retention.close(ledger, day, place=place, now_ns=now_ns):
            return
        with ledger.snapshot() as connection:
            found = retention.days(connection, day.day_ns, day.end_ns)
        if not found:
            return
        day = found[0]
    raise LedgerError(f"calls of {day_name(day.day_ns)} are corrected all the time: they stay until the next run")


def _finish(ledger: SqlLedger, before_ns: int, place: str, now_ns: int) -> None:
    """Move the horizon to ``before_ns`` where the last days had no calls."""
    with ledger.snapshot() as connection:
        there = horizon_ns(connection)
    if there < before_ns:
        last = retention.nothing_on(before_ns - DAY_NS)
        if not retention.close(ledger, last, place=place, now_ns=now_ns):
            raise LedgerError(f"calls before {day_name(before_ns)} came in meanwhile: run it once more")


def _months(ledger: SqlLedger, before_ns: int) -> Sequence[Month]:
    with ledger.snapshot() as connection:
        days = retention.days(connection, horizon_ns(connection), before_ns)
    return sorted({Month.of(day.day_ns) for day in days})
