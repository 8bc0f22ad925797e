"""Where a writer's batches go: into the book; while that cannot be written, onto the disk; past that they are counted.

Everything but the counts and :meth:`Outlet.to_spool` is used by one thread at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from otel_cost import semconv
from otel_cost.errors import OtelCostError
from otel_cost.ledger.base import bookable
from otel_cost.ledger.spool import Spool
from otel_cost.ledger.spool_files import Batch
from otel_cost.ledger.writer_sinks import Sink
from otel_cost.model import CostRecord, Void

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
"""Between two attempts to write a book that could not be written."""
_FORK_WAIT_S: Final = 2.0
_log = logging.getLogger(semconv.LOGGER)


class Counts(NamedTuple):
    """What became of records and voids in this process so far; ``queued`` and ``spooled`` as it is now."""

    queued: int = 0
    spooled: int = 0
    written: int = 0
    dropped: int = 0
    dropped_nano: int = 0


class Outlet:
    """The book at ``sink``, with ``spool`` beside it. ``clock_ns``: UTC nanoseconds."""

    def __init__(self, sink: Sink, spool: Spool, clock_ns: Callable[[], int]) -> None:
        self._sink = sink
        self._spool = spool
        self._clock_ns = clock_ns
        self._begin()

    def _begin(self) -> None:
        self._counting = threading.RLock()  # a signal's handler may end a call in the middle of it
        self._writing = threading.Lock()
        """Held over whatever uses the book, so that nothing is under way when the process forks."""
        self._held_for_fork = False
        self._pause_s = 0.0
        self._retry_at = 0.0
        self._looked = False
        self._written = self._dropped = self._dropped_nano = 0

    def counts(self, queued: int) -> Counts:
        with self._counting:
            return Counts(queued, self._spool.waiting, self._written, self._dropped, self._dropped_nano)

    @property
    def waiting(self) -> bool:
        """Whether something of this process is in the spool."""
        return self._spool.waiting > 0

    def anything(self) -> bool:
        """Whether there may be something to replay, of others too."""
        return self._spool.anything()

    @property
    def retry_at(self) -> float:
        """When a book that could not be written is to be tried again (monotonic clock, seconds)."""
        return self._retry_at

    def retry_now(self) -> None:
        """Do not wait for that."""
        self._retry_at = 0.0

    def retry_later(self) -> None:
        """After a fault of our own: what led to it is not to be done again at once."""
        self._retry_at = time.monotonic() + _LONGEST_PAUSE_S

    # --- one batch ----------------------------------------------------------------------------------------------------

    def put(self, batch: Batch) -> None:
        """Book it, or put it behind what waits already."""
        if self.waiting or time.monotonic() < self._retry_at:
            self.to_spool(batch)
            return
        try:
            self._book(batch)
        except OtelCostError as error:
            self.to_spool(batch)
            self._is_away(error)
        else:
            self._is_back()

    def to_spool(self, batch: Batch) -> None:
        """Any thread."""
        if not self._spool.put(batch):
            self.drop(batch, f"the spool in {self._spool.directory} is full or cannot be written")

    def replay(self) -> None:
        """Book what waits on the disk, if it is time to try. What others left behind is looked for at the start, and
        when the book is back."""
        if time.monotonic() < self._retry_at or (self._looked and not self.waiting):
            return
        try:
            self._spool.replay(self._book)
        except (OtelCostError, OSError) as error:
            self._is_away(error)
        else:
            self._looked = True
            self._is_back()

    def drop(self, batch: Batch, why: str) -> None:
        """Count a batch that is lost. Any thread."""
        if not batch.size:
            return
        with self._counting:
            first, self._dropped = not self._dropped, self._dropped + batch.size
            self._dropped_nano += batch.nano
        if first:
            _log.error("costs are dropped, since %s; counted in %s (said once)", why, semconv.METRIC_LEDGER_DROPPED)

    def _book(self, batch: Batch) -> None:
        records, unbookable = _sorted_out(batch.records)
        with self._writing:
            refused = self._book_what_is_taken(records, batch.voids)
        with self._counting:
            self._written += len(records) + len(batch.voids) - refused.size
        self.drop(Batch(unbookable), "no key or time of theirs can be booked")
        self.drop(refused, "the book refuses them")

    def _book_what_is_taken(self, records: tuple[CostRecord, ...], voids: tuple[Void, ...]) -> Batch:
        """Book, and return those that the book will not take whenever they come. Raises what the book raises."""
        try:
            self._sink.book(records, voids, booked_at_ns=self._clock_ns())
        except OtelCostError as error:
            if not self._sink.refused(error):
                raise
            if len(records) + len(voids) == 1:
                return Batch(records, voids)
        else:
            return Batch(())
        refused = [self._book_what_is_taken((record,), ()) for record in records]
        refused += [self._book_what_is_taken((), (void,)) for void in voids]
        return Batch(tuple(r for one in refused for r in one.records), tuple(v for one in refused for v in one.voids))

    # --- away and back ------------------------------------------------------------------------------------------------

    def _is_away(self, error: Exception) -> None:
        if not self._pause_s:
            _log.warning(
                "the book cannot be written, so costs wait in %s (at most %d bytes) until it can: %s",
                self._spool.directory,
                self._spool.max_bytes,
                error,
            )
        self._pause_s = min(self._pause_s * 2 or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._retry_at = time.monotonic() + self._pause_s
        with self._writing:
            self._sink.close()

    def _is_back(self) -> None:
        if self._pause_s:
            self._pause_s = 0.0
            self._looked = False
            _log.warning("the book can be written again")

    # --- forks --------------------------------------------------------------------------------------------------------
    # A child inherits no connection in any way that works: SQLite's locks belong to the process.

    def before_fork(self) -> None:
        self._held_for_fork = self._writing.acquire(timeout=_FORK_WAIT_S)
        if self._held_for_fork:
            self._sink.close()

    def after_fork_in_parent(self) -> None:
        if self._held_for_fork:
            self._held_for_fork = False
            self._writing.release()

    def after_fork_in_child(self) -> None:
        self._sink.forget()
        self._spool.forget()
        self._begin()


def _sorted_out(records: tuple[CostRecord, ...]) -> tuple[tuple[CostRecord, ...], tuple[CostRecord, ...]]:
    """Those that can be booked, as they are booked; and those that cannot."""
    booked = [(bookable(record), record) for record in records]
    return (
        tuple(found for found, _ in booked if found is not None),
        tuple(record for found, record in booked if found is None),
    )
