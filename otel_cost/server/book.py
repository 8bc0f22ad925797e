"""What the pipeline settles, into the ledger: one transaction a batch, and book metrics from the rows it added."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence, Set
from typing import Final

from otel_cost import semconv
from otel_cost.errors import LedgerError, LedgerRefused
from otel_cost.ledger.base import Entry, Ledger, bookable
from otel_cost.model import Charge, CostRecord, Void
from otel_cost.server.metrics import BookMetrics
from otel_cost.used_before import UsedBefore

_log = logging.getLogger(semconv.LOGGER)
_REFUSED_KEPT: Final = 10_000
MAX_PENDING: Final = 100_000
"""Records that may wait for a ledger that cannot be written; a batch that was begun is taken as a whole."""


class Book:
    """A taker. Any thread may hand records to it; nothing is acknowledged before :meth:`commit` returned.

    One thread writes at a time, and all that others took meanwhile goes with the next transaction: while the disk
    syncs, the next batches are settled, and then they share one sync.

    What could not be written stays and goes with the next commit, because a void is not said twice when the sender
    repeats its batch. See :meth:`make_room` for how much may wait so.
    """

    def __init__(
        self,
        ledger: Ledger,
        metrics: BookMetrics,
        clock: Callable[[], int],
        used: UsedBefore,
        tell: Callable[[Sequence[Entry]], None] = lambda _added: None,
    ) -> None:
        self._tell = tell
        self._ledger = ledger
        self._used = used
        self._metrics = metrics
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._taken = self._committed = 0
        self._refused: OrderedDict[str, None] = OrderedDict()
        # By verdict: of a key that comes twice with two of them the book has rules to choose by, not the last one wins.
        self._records: dict[tuple[str, Charge, str], CostRecord] = {}
        self._voids: dict[str, Void] = {}

    def take(self, record: CostRecord) -> None:
        booked = bookable(record)
        if booked is None:
            return  # whoever decoded it tells the sender
        with self._lock:
            self._records[record.key, booked.charge, booked.counted_as] = booked
            self._taken += 1
        self._used.take(booked)

    def void(self, void: Void) -> None:
        with self._lock:
            self._voids[void.key] = void
            self._taken += 1

    @property
    def pending(self) -> int:
        """Records that were taken and are not written yet."""
        return len(self._records)

    def flush(self, timeout_s: float) -> bool:
        """Nothing waits here by itself: whoever hands records on commits them before it answers its sender."""
        return True

    def make_room(self) -> None:
        """Call this before what a batch holds is handed over. While the ledger is away only so much is kept for it;
        a batch past that is not even looked at.

        Raises:
            LedgerError: there is no room, since nothing can be written; the sender may repeat its batch.
        """
        if len(self._records) + len(self._voids) >= MAX_PENDING:
            self.commit()

    def refused(self, keys: Collection[str]) -> Set[str]:
        """Those of ``keys`` that were committed lately and that the ledger could not hold: they are not booked."""
        return {key for key in keys if key in self._refused} if self._refused else frozenset()

    def _refuse(self, keys: Sequence[str], error: LedgerRefused) -> None:
        _log.error("a call cannot be booked, nor can it be later: %s", error)
        with self._used.turn:
            self._used.booked(keys, ())
        for key in keys:
            self._refused[key] = None
        while len(self._refused) > _REFUSED_KEPT:
            self._refused.popitem(last=False)

    def commit(self) -> None:
        """Return when all that was taken until now is in the ledger.

        Raises:
            LedgerError: it is not; all of it is still pending.
        """
        with self._lock:
            mine = self._taken
        with self._writing:
            if self._committed < mine:
                self._write()

    def _write(self) -> None:
        """All that is pending, in one transaction."""
        with self._lock:
            records, voids, upto = self._records, self._voids, self._taken
            self._records, self._voids = {}, {}
        try:
            self._put(tuple(records.values()), tuple(voids.values()))
        except LedgerError:
            with self._lock:
                self._records = {**records, **self._records}
                self._voids = {**voids, **self._voids}
            raise
        self._committed = upto

    def _put(self, records: Sequence[CostRecord], voids: Sequence[Void]) -> None:
        """In one transaction; where the ledger cannot hold something of it, one by one, and that is left out."""
        keys = [record.key for record in records]
        try:
            with self._used.turn:
                written = self._ledger.write(records, voids, booked_at_ns=self._clock())
                self._used.booked(keys, written.entries)
        except LedgerRefused as error:
            if len(records) + len(voids) > 1:
                for record in records:
                    self._put((record,), ())
                for void in voids:
                    self._put((), (void,))
                return
            self._refuse(keys, error)
            return
        self._metrics.book(written.entries)
        self._metrics.hear(written.opinions)
        self._tell(written.entries)
