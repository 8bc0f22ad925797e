"""The book in JSON lines: files that anything can append to and read, without a database.

Booking from an app only appends (:class:`JsonlSink`): nothing is read, no SQLAlchemy is needed. Whatever asks the book
replays its lines into a database in memory, once, and after that what was added since: exact, and meant for books of
some hundred thousand calls. Bigger ones belong into SQLite or PostgreSQL.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Final, Self

from otel_cost import semconv
from otel_cost.book_settings import LedgerSettings
from otel_cost.errors import ConfigError, LedgerError, OtelCostError
from otel_cost.ledger import jsonl_rows
from otel_cost.ledger.base import Correction, Entry, EntryKind, Ledger, Standing, Written
from otel_cost.ledger.jsonl_files import JsonlFiles, JsonlReader
from otel_cost.ledger.jsonl_rows import Line, Step
from otel_cost.ledger.posting import standing_of
from otel_cost.ledger.questions import (
    BookedCall,
    CallQuery,
    Disagreement,
    Distribution,
    EntitySums,
    SeriesRow,
    Summary,
    SummaryQuery,
    Unpriced,
    Used,
)
from otel_cost.model import CostRecord, Void

SCHEME: Final = "jsonl:"
DEFAULT_PATH: Final = "logs/cost-tracking.jsonl"
"""Where ``jsonl:`` alone writes."""
_AT_ONCE: Final = 1000
_log = logging.getLogger(semconv.LOGGER)


def is_jsonl(url: str) -> bool:
    return url.startswith(SCHEME)


def path_of(url: str) -> Path:
    """The file of a ``jsonl:`` URL."""
    return Path(url.removeprefix(SCHEME) or DEFAULT_PATH)


class JsonlSink:
    """Appends to a JSONL book, without a look at what is in it. A record that comes twice is in its files twice, and in
    what is read from them once. Safe from any thread."""

    def __init__(self, path: Path, rotate_bytes: int) -> None:
        self._files = JsonlFiles(path, rotate_bytes)

    @property
    def url(self) -> str:
        return f"{SCHEME}{self._files.path}"

    def book(self, records: Sequence[CostRecord], voids: Sequence[Void], *, booked_at_ns: int) -> None:
        """Append all of it or none, and wait until it is on the disk. Raises LedgerError."""
        lines = [
            jsonl_rows.line_of(standing_of(record).entry(EntryKind.CHARGE, 1, 0), booked_at_ns, record, record)
            for record in records
        ]
        if voids:
            # What they take back is not known here: a line that says so, for those who read the book.
            lines += [jsonl_rows.void_line(void, booked_at_ns) for void in voids]
        if lines:
            self._files.append(b"".join(lines))

    def refused(self, error: OtelCostError) -> bool:
        """Whether ``error`` is about what was to be written, not about where: never, files take any line."""
        return False

    def close(self) -> None:
        """Nothing is kept open."""

    def forget(self) -> None:
        """As :meth:`close`, in a forked child."""


class JsonlLedger:
    """See :class:`otel_cost.ledger.base.Ledger`. What it writes is appended with the rows that it comes to, as a
    database would have them; while it looks and appends, no other process writes.

    Raises (from anything but ``close``):
        ConfigError: SQLAlchemy is not installed.
        LedgerError: the files cannot be read or written.
    """

    def __init__(self, path: Path, rotate_bytes: int = LedgerSettings.rotate_bytes, *, create: bool = True) -> None:
        self._files = JsonlFiles(path, rotate_bytes)
        if not create and not self._files.exist():
            raise LedgerError(
                f"there is no book at {self._files.path}: an app writes one with OTEL_COST_LEDGER=jsonl:<file>"
            )
        self._lock = threading.RLock()
        self._closed = False
        self._replica: Ledger | None = None
        self._begin()

    def _begin(self) -> None:
        """Forget what was read."""
        if self._replica is not None:
            self._replica.close()
        self._unreadable = 0
        self._replica = None
        self._reader = JsonlReader(self._files)

    @property
    def url(self) -> str:
        return f"{SCHEME}{self._files.path}"

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, records: Sequence[CostRecord], voids: Sequence[Void] = (), *, booked_at_ns: int) -> Written:
        if not records and not voids:
            return Written()
        return self._append(
            lambda book: book.write(records, voids, booked_at_ns=booked_at_ns), _Source(records), booked_at_ns
        )

    def correct(self, corrections: Sequence[Correction], *, booked_at_ns: int) -> Written:
        if not corrections:
            return Written()
        return self._append(
            lambda book: book.correct(corrections, booked_at_ns=booked_at_ns), _correction_of, booked_at_ns
        )

    def _append(self, post: Callable[[Ledger], Written], source: Callable[[Entry], Step], booked_ns: int) -> Written:
        with self._lock, self._files.writing() as descriptor:
            written = post(self._current(descriptor))
            lines = b"".join(
                jsonl_rows.line_of(entry, booked_ns, *_step_and_record(entry, source)) for entry in written.entries
            )
            # What was just appended is known. Where others came between, or it failed, all is read anew.
            known = False
            try:
                known = not lines or self._reader.skip(self._files.append_to(descriptor, lines))
            finally:
                if not known:
                    self._begin()
        return written

    # --- reading ------------------------------------------------------------------------------------------------------

    def _current(self, locked: int | None = None) -> Ledger:
        """The database in memory, with all that the files have now. Call it with the lock held."""
        if self._closed:
            raise LedgerError("the ledger is closed")
        if self._replica is None:
            self._begin()
        book, self._replica = self._replica or _in_memory(), None
        with ExitStack() as stack:  # until all is in it, it is not to be asked: half of a book would be told as one
            stack.callback(book.close)
            for some in _in_pieces(self._read_lines(locked)):
                _replay(book, some)
            stack.pop_all()
        self._replica = book
        return book

    def _read_lines(self, locked: int | None) -> Iterator[Line]:
        for line in self._reader.new_lines(locked):
            try:
                read = jsonl_rows.read_line(line)
            except (ValueError, OtelCostError) as error:
                self._tell_unreadable(error)
                continue
            if read.step is not None:
                yield read

    def _tell_unreadable(self, error: Exception) -> None:
        self._unreadable += 1
        if self._unreadable == 1:
            _log.warning("%s has lines that are no rows of a book, which are left out (said once): %s", self.url, error)

    @property
    def unreadable(self) -> int:
        """Lines that were left out: torn ones, and such as another program wrote."""
        return self._unreadable

    def summary(self, query: SummaryQuery) -> Summary:
        with self._lock:
            return self._current().summary(query)

    def series(self, query: SummaryQuery, edges: Sequence[int]) -> Sequence[SeriesRow]:
        with self._lock:
            return self._current().series(query, edges)

    def entities(
        self, kind: str, query: SummaryQuery, *, entity: str | None = None, limit: int = 100
    ) -> Sequence[EntitySums]:
        with self._lock:
            return self._current().entities(kind, query, entity=entity, limit=limit)

    def distributions(self, query: SummaryQuery, quantiles: Sequence[float]) -> Sequence[Distribution]:
        with self._lock:
            return self._current().distributions(query, quantiles)

    def calls(self, query: CallQuery) -> Sequence[BookedCall]:
        with self._lock:
            return self._current().calls(query)

    def calls_of_trace(self, trace_id: str) -> Sequence[BookedCall]:
        with self._lock:
            return self._current().calls_of_trace(trace_id)

    def unpriced(self, query: SummaryQuery) -> tuple[Unpriced, ...]:
        with self._lock:
            return self._current().unpriced(query)

    def disagreements(self, query: SummaryQuery) -> tuple[Disagreement, ...]:
        with self._lock:
            return self._current().disagreements(query)

    def standing(
        self, from_ns: int, to_ns: int, *, after: tuple[int, str] | None = None, limit: int = 1000
    ) -> Sequence[Standing]:
        with self._lock:
            return self._current().standing(from_ns, to_ns, after=after, limit=limit)

    def booked(self, keys: Collection[str]) -> Mapping[str, bool]:
        with self._lock:
            return self._current().booked(keys)

    def used(self, from_ns: int, to_ns: int) -> Sequence[Used]:
        with self._lock:
            return self._current().used(from_ns, to_ns)

    def recent(self, since_ns: int, limit: int) -> Sequence[CostRecord]:
        with self._lock:
            return self._current().recent(since_ns, limit)

    def check(self) -> None:
        with self._lock:
            self._current().check()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Source:
    """Which of a batch's records a row posts; else it is a void that does."""

    def __init__(self, records: Sequence[CostRecord]) -> None:
        self._by_key: dict[str, list[CostRecord]] = {}
        for record in records:
            self._by_key.setdefault(record.key, []).append(record)

    def __call__(self, entry: Entry) -> Step:
        for record in self._by_key.get(entry.record_key, ()):
            if record.charge == entry.charge:
                return record
        if entry.charge.reason is None:
            raise LedgerError(f"row {entry.sequence} of {entry.record_key} comes from nothing that was written")
        return Void(entry.record_key, entry.charge.reason, entry.counted_as)


def _correction_of(entry: Entry) -> Step:
    return Correction(entry.record_key, entry.sequence - 2, entry.charge)


def _step_and_record(entry: Entry, source: Callable[[Entry], Step]) -> tuple[Step | None, CostRecord | None]:
    if entry.operations < 0:
        return None, None
    step = source(entry)
    return step, step if isinstance(step, CostRecord) else None


def _in_memory() -> Ledger:
    try:
        from otel_cost.ledger.sql import open_ledger  # SQLAlchemy: an app that only writes does without
    except ModuleNotFoundError as error:
        raise ConfigError(f"to read a JSONL book, {error.name} is needed: pip install 'otel-cost[ledger]'") from error
    return open_ledger("sqlite://")


def _in_pieces(lines: Iterator[Line]) -> Iterator[Sequence[Line]]:
    """Neighbours that were booked at one time and are of one kind, so that each piece is one write."""
    for _, same in groupby(lines, lambda line: (line.booked_ns, type(line.step))):
        piece: list[Line] = []
        for line in same:
            piece.append(line)
            if len(piece) == _AT_ONCE:
                yield piece
                piece = []
        if piece:
            yield piece


def _replay(book: Ledger, lines: Sequence[Line]) -> None:
    at = lines[0].booked_ns
    steps = [line.step for line in lines]
    records = [step for step in steps if isinstance(step, CostRecord)]
    voids = [step for step in steps if isinstance(step, Void)]
    if records or voids:
        book.write(records, voids, booked_at_ns=at)
    corrections = [step for step in steps if isinstance(step, Correction)]
    if corrections:
        book.correct(corrections, booked_at_ns=at)
