"""Calls from files into a book: settled by the code that settles what a server gets, written a batch at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from otel_cost import shield
from otel_cost.config import Config
from otel_cost.ended import EndedSpan
from otel_cost.errors import LedgerError
from otel_cost.importing.calls import Call, Kept
from otel_cost.importing.values import BadRow
from otel_cost.ledger.base import Correction, EntryKind, Ledger, Written, bookable
from otel_cost.matching import CAPACITY, Matcher
from otel_cost.model import CostRecord, Status, Void
from otel_cost.pipeline import Pipeline
from otel_cost.pricing import Pricer
from otel_cost.used_before import UsedBefore

_WINDOW_NS: Final = 365 * 86_400 * 10**9
"""Files are read faster than calls are made: what was seen is remembered for as long as there is room."""
_UNBOOKABLE: Final = "a call's key or times are beyond what can be booked"
_FAULT: Final = object()


@dataclass(slots=True)
class Tally:
    """What became of calls. ``nano`` is what the book gained by them, in nano-USD."""

    booked: int = 0
    known: int = 0
    corrected: int = 0
    voided: int = 0
    nano: int = 0
    statuses: Counter[Status] = field(default_factory=Counter[Status])
    """Of those that were booked."""

    def add(self, written: Written) -> None:
        self.booked += written.booked
        self.known += written.unchanged
        self.corrected += written.corrected
        self.voided += written.voided
        for entry in written.entries:
            self.nano += entry.amount_nano
            if entry.kind is EntryKind.CHARGE:
                self.statuses[entry.charge.status] += 1


class _Batch:
    """A taker: what is settled and not written yet."""

    def __init__(self, used: UsedBefore) -> None:
        self._used = used
        self.records: list[CostRecord] = []
        self.voids: list[Void] = []

    def take(self, record: CostRecord) -> None:
        booked = bookable(record)
        if booked is not None:
            self.records.append(booked)
            self._used.take(booked)

    def void(self, void: Void) -> None:
        self.voids.append(void)

    def flush(self, timeout_s: float) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.records) + len(self.voids)


class Settler:
    """Settles calls against each other, and against the newest ones in the book. Not thread-safe.

    Args:
        config: Labels and what prices go by.
        book: What is written to, or read only for a preview.
        pricer: Prices, which are there.
        labels: For calls that do not say these themselves.
        preview: A book that is written to instead of ``book``, for what would become of it. None: ``book`` itself is
            written.
        clock: UTC nanoseconds: when rows are booked.

    Raises:
        LedgerError: the book cannot be read.
    """

    def __init__(
        self,
        config: Config,
        book: Ledger,
        pricer: Pricer,
        *,
        labels: Mapping[str, str],
        preview: Ledger | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        config = replace(config, labels=replace(config.labels, static={**config.labels.static, **labels}))
        self._labels = labels
        self._book = book
        self._preview = preview
        self._clock = clock
        self._used = UsedBefore(book.used, pricer)
        self._batch = _Batch(self._used)
        self._firsts: set[str] = set()
        self._mine: set[int] = set()
        """Hashes of keys, of another book's records that this run was the first to book."""
        self._had: set[int] = set()
        """Hashes of keys, of those that are imported out of another book for the second time only."""
        self.tally = Tally()
        """What was written; whoever counts by file puts a new one here."""
        self.last_key = ""
        """Key of a call that is in the book because of what was written last."""
        self._pipeline = Pipeline(
            config=config,
            pricer=pricer,
            takers=(self._batch,),
            matcher=Matcher(can_void=True, window_ns=_WINDOW_NS),
            adopt=True,
            used_before=self._used.before,
            clock_ns=clock,
        )
        for record in book.recent(0, CAPACITY):
            self._pipeline.remember(record)

    def take(self, call: Call) -> None:
        """Settle one call, to be written by :meth:`commit`.

        Raises:
            BadRow: it cannot be booked.
            LedgerError: the book cannot be read or written.
        """
        if isinstance(call, Correction):
            # By the place of the verdict that it corrects: that one has to be in the book.
            self.commit()
            self.tally.add((self._preview or self._book).correct([call], booked_at_ns=self._clock()))
        elif isinstance(call, Void):
            self._batch.void(call)
        elif isinstance(call, EndedSpan):
            self._settle(call)
        elif isinstance(call, Kept):
            self._keep(call)
        else:
            self._adopt(call)

    def _keep(self, kept: Kept) -> None:
        """Another book's record, unless this one has had it before: what became of it there since is told by later
        lines, which this one may have seen, too."""
        key = kept.record.key
        if kept.first:
            # An app that only appends says so of every line: the second one of a call is another verdict on it.
            if hash(key) not in self._mine:
                self._firsts.add(key)
        else:
            self.commit()
            if hash(key) in self._had and self._moved_on(kept.record):
                self.tally.known += 1
                return
        self._adopt(kept.record)

    def _moved_on(self, record: CostRecord) -> bool:
        """Whether this book has had another verdict on a call already. One that still has its first one is what a run
        left that was stopped between the two lines."""
        calls = self._book.calls_of_trace(record.trace_id) if record.trace_id else ()
        return not any(call.record.key == record.key and not call.corrected for call in calls)

    def _adopt(self, record: CostRecord) -> None:
        if bookable(record) is None:
            raise BadRow(_UNBOOKABLE)
        self._pipeline.take(replace(record, labels={**self._labels, **record.labels}))

    def _settle(self, span: EndedSpan) -> None:
        # A fault on one must not cost the file the others.
        record = shield.run("import.settle", _FAULT, self._processed, span)
        if isinstance(record, LedgerError):
            raise record
        if record is _FAULT:
            raise BadRow("otel-cost failed on it; see the log")
        if isinstance(record, CostRecord) and bookable(record) is None:
            raise BadRow(_UNBOOKABLE)

    def _processed(self, span: EndedSpan) -> object:
        try:
            return self._pipeline.process(span)
        except LedgerError as error:
            return error

    @property
    def waiting(self) -> int:
        """Calls that are settled and not written."""
        return len(self._batch)

    def commit(self) -> None:
        """Write all that waits, in one transaction.

        Raises:
            LedgerError: nothing of it was written.
        """
        records, voids = tuple(self._batch.records), tuple(self._batch.voids)
        self._batch.records.clear()
        self._batch.voids.clear()
        if not records and not voids:
            return
        with self._used.turn:
            written = self._write(self._unknown(records), voids)
            self._used.booked([record.key for record in records], written.entries)
        self.tally.add(written)
        if records:
            self.last_key = records[-1].key

    def _unknown(self, records: Sequence[CostRecord]) -> Sequence[CostRecord]:
        """Without another book's records that are in this one."""
        firsts, self._firsts = self._firsts, set[str]()
        there = self._book.booked(firsts) if firsts else {}
        self._had.update(map(hash, there))
        self._mine.update(map(hash, firsts - there.keys()))
        self.tally.known += len(there)
        return [record for record in records if record.key not in there] if there else records

    def _write(self, records: Sequence[CostRecord], voids: Sequence[Void]) -> Written:
        if self._preview is None:
            return self._book.write(records, voids, booked_at_ns=self._clock())
        there = self._book.booked({record.key for record in records})
        new = [record for record in records if record.key not in there]
        written = self._preview.write(new, voids, booked_at_ns=self._clock())
        return replace(written, unchanged=written.unchanged + len(records) - len(new))
