"""One file after another into the book: what is read, where it goes on, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from otel_cost.ended import EndedSpan
from otel_cost.errors import OtelCostError
from otel_cost.importing.calls import Call, Costs, Kept
from otel_cost.importing.files import Row, RowFile
from otel_cost.importing.formats import USUAL, Format, calls_of, format_of
from otel_cost.importing.remembering import Mark, Memory, asked_for
from otel_cost.importing.settling import Settler, Tally
from otel_cost.importing.values import BadRow
from otel_cost.ledger.base import MAX_STORED, Ledger
from otel_cost.model import CostRecord

BATCH: Final = 512
"""Calls that are written together; as many are settled again at most after a run was stopped."""
SHOWN: Final = 5
"""Rows of a file that are told of one by one where they cannot be booked."""
_GUESSED_FROM: Final = 100
"""Rows that may be broken before a file's kind has to be known."""


class Period(NamedTuple):
    """From (inclusive) one start of calls to (exclusive) another, UTC ns."""

    from_ns: int = 0
    to_ns: int = MAX_STORED + 1

    def has(self, call: Call) -> bool:
        """What takes back or corrects a call goes with that call: it changes nothing where that is not there."""
        if isinstance(call, Kept):
            call = call.record
        return not isinstance(call, EndedSpan | CostRecord) or self.from_ns <= call.start_ns < self.to_ns


_ALWAYS: Final = Period()


@dataclass(slots=True)
class Imported:
    """What came of one file: of its rows, and of the calls in them."""

    path: Path
    form: Format
    skipped: int = 0
    """Rows that an earlier run imported."""
    rows: int = 0
    empty: int = 0
    """Rows that are no calls."""
    outside: int = 0
    """Calls outside the period."""
    bad: int = 0
    stopped: bool = False
    """Before its end, because that was asked for."""
    problems: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Places and reasons of the first bad rows."""
    tally: Tally = field(default_factory=Tally)


class UnknownFormat(OtelCostError):
    """A file whose rows look like nothing that can be imported."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an import was asked for. None: by what the file looks like, and what is usual for that."""

    form: Format | None = None
    costs: Costs | None = None
    period: Period = _ALWAYS
    labels: tuple[tuple[str, str], ...] = ()
    again: bool = False

    def asked(self, form: Format, book: str) -> str:
        """All that decides what becomes of a row, as one text."""
        said = (book, form, self.costs or "", *map(str, self.period), *chain.from_iterable(self.labels))
        return asked_for(said)


class Importing:
    """Imports files into one book.

    Args:
        settler: Settles and writes.
        book: The book, asked whether it is the one that an earlier run wrote to.
        name: The book's URL, as marks know it.
        memory: How far earlier runs got.
        wanted: What was asked for.
        progress: Told how many bytes of a file were read since it was told last.
        stop: Whether to stop, asked before each row; what was settled is written then.
    """

    def __init__(
        self,
        settler: Settler,
        book: Ledger,
        name: str,
        memory: Memory,
        wanted: Wanted,
        progress: Callable[[int], None],
        stop: Callable[[], bool],
    ) -> None:
        self._settler = settler
        self._book = book
        self._name = name
        self._memory = memory
        self._wanted = wanted
        self._progress = progress
        self._stop = stop

    def run(self, path: Path) -> Imported:
        """Import one file.

        Raises:
            OSError: it cannot be opened, or what is remembered cannot be written.
            UnknownFormat: it looks like none that is known.
            LedgerError: the book cannot be read or written. What was written before stays.
        """
        with RowFile(path) as file:
            told = 0
            rows, form = self._recognised(file)
            done = Imported(path, form)
            self._settler.tally = done.tally
            asked = self._wanted.asked(form, self._name)
            mark = self._mark(path, asked)
            for row in rows:
                if self._stop():
                    done.stopped = True
                    break
                if mark is not None and done.skipped < mark.rows:
                    done.skipped += 1
                elif not self._row(row, done):
                    break
                if self._settler.waiting >= BATCH:
                    self._keep(file, done, asked)
                self._progress(file.source.done - told)
                told = file.source.done
            self._keep(file, done, asked)
        return done

    def _recognised(self, file: RowFile) -> tuple[Iterator[Row], Format]:
        """All rows of a file, and what they look like."""
        rows = file.rows()
        if self._wanted.form is not None:
            return rows, self._wanted.form
        read: list[Row] = []
        for row in rows:
            read.append(row)
            form = format_of(row)
            if form is not None:
                return chain(read, rows), form
            if len(read) >= _GUESSED_FROM:
                break
        if not read:
            return rows, Format.JSONL
        raise UnknownFormat(
            f"{file.path}: what it holds looks like nothing that is known; if it is one of {', '.join(Format)}, say "
            "which with --format"
        )

    def _mark(self, path: Path, asked: str) -> Mark | None:
        mark = None if self._wanted.again else self._memory.mark(path, asked)
        if mark is None or not mark.key or not self._book.booked([mark.key]):
            return None
        return mark

    def _row(self, row: Row, done: Imported) -> bool:
        """Settle what one row says; False where it is not all there yet, so that a later run has to read it anew."""
        found = 0
        try:
            for call in calls_of(row, done.form, self._wanted.costs or USUAL[done.form]):
                found += 1
                if self._wanted.period.has(call):
                    self._settler.take(call)
                else:
                    done.outside += 1
        except BadRow as error:
            done.bad += 1
            if len(done.problems) < SHOWN:
                done.problems.append((row.place, str(error)))
            if row.torn:
                return False
        else:
            done.empty += not found
        done.rows += 1
        return True

    def _keep(self, file: RowFile, done: Imported, asked: str) -> None:
        self._settler.commit()
        if self._settler.last_key:
            self._memory.keep(file, done.skipped + done.rows, asked, self._settler.last_key)
