"""Writes the book from within an app: a queue, a thread, and a spool for when the book cannot be written.

Taking a record only puts it into a queue. A daemon thread, which starts with the first record, books what waits there:
a full batch at once, fewer when the oldest has waited for long enough. While the book cannot be written batches go to
the spool (:mod:`otel_cost.ledger.spool`), and from there into the book when it can be again.

A process that is killed loses what is in its queue: what was taken within ``batch_age`` and one write. Whatever
:meth:`LedgerWriter.flush` returned True for is in the book.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from weakref import ref

from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as _SUPPRESS  # pyright: ignore[reportPrivateUsage]

from otel_cost import shield
from otel_cost.book_settings import LedgerSettings
from otel_cost.forking import after_fork_in_child, around_fork, at_end_of_child
from otel_cost.ledger.spool import Spool
from otel_cost.ledger.spool_files import Batch
from otel_cost.ledger.writer_outlet import Counts, Outlet
from otel_cost.ledger.writer_sinks import Sink, sink_of, spool_directory
from otel_cost.model import CostRecord, Void
from otel_cost.settings_values import parse_duration

_AT_END_S: Final = 5.0
"""How long the end of the process may wait for the book, before what is left goes to the spool."""
_FAULT: Final = object()
_NOTHING: Final = Batch(())


class LedgerWriter:
    """A taker of records. Any thread; taking never blocks and never raises.

    Args:
        sink: The book.
        spool: Where batches wait while it cannot be written.
        batch_size, batch_age_s, queue_size: See :class:`otel_cost.book_settings.LedgerSettings`.
        clock_ns: UTC nanoseconds.
    """

    def __init__(
        self,
        sink: Sink,
        spool: Spool,
        *,
        batch_size: int = LedgerSettings.batch_size,
        batch_age_s: float = 5.0,
        queue_size: int = LedgerSettings.queue_size,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._outlet = Outlet(sink, spool, clock_ns)
        self._batch_size = batch_size
        self._batch_age_s = batch_age_s
        self._queue_size = queue_size
        self._begin()
        around_fork(self._outlet.before_fork, self._outlet.after_fork_in_parent)
        after_fork_in_child(self._after_fork_in_child)
        at_end_of_child(self._at_end)
        atexit.register(_at_exit, ref(self))

    def _begin(self) -> None:
        # Re-entrant: a signal's handler may end a span while its thread is in here.
        self._changed = threading.Condition(threading.RLock())
        self._queue: deque[CostRecord | Void] = deque()
        self._oldest_at = 0.0
        self._in_hand = _NOTHING
        """What is being written: still only in memory."""
        self._thread: threading.Thread | None = None
        self._relief: threading.Thread | None = None
        self._asked = self._answered = 0

    def _after_fork_in_child(self) -> None:
        """What the parent had yet to write is the parent's."""
        self._outlet.after_fork_in_child()
        self._begin()

    # --- taking -------------------------------------------------------------------------------------------------------

    def take(self, record: CostRecord) -> None:
        self._put(record)

    def void(self, void: Void) -> None:
        self._put(void)

    def _put(self, one: CostRecord | Void) -> None:
        with self._changed:
            waiting = len(self._queue)
            if waiting >= self._queue_size:
                self._outlet.drop(_batch_of([one]), "they come faster than the spool can be written")
                return
            self._queue.append(one)
            if waiting == 0:
                self._oldest_at = time.monotonic()
            if waiting == 0 or waiting + 1 == self._batch_size:
                self._changed.notify_all()
            if self._thread is None:
                self._thread = _started(self._run, "otel-cost-ledger")
            elif waiting > self._queue_size // 2 and self._relief is None:
                # The thread is held up in the book: another one takes to the spool what would not fit.
                self._relief = _started(self._relieve, "otel-cost-ledger-relief")

    def counts(self) -> Counts:
        with self._changed:
            return self._outlet.counts(len(self._queue) + self._in_hand.size)

    # --- waiting for it -----------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything taken so far is in the book. False when that took longer; and at once when the book
        cannot be written and all of it is in the spool."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            if self._thread is None and (self._queue or self._outlet.anything()):
                self._thread = _started(self._run, "otel-cost-ledger")
            if self._thread is not None:
                done = self._changed.wait_for(lambda: self._answered >= mine, max(0.0, deadline - time.monotonic()))
                return done and not self._outlet.waiting
            if not self._queue:
                return True
        # No thread can be started any more: the interpreter is shutting down.
        self._pass(mine)
        return not self._outlet.waiting

    def close(self, timeout_s: float = _AT_END_S) -> bool:
        """Flush, and put into the spool what is not in the book by then. What is taken afterwards is booked as well."""
        done = self.flush(timeout_s)
        with self._changed:
            left = [self._in_hand] if self._in_hand.size else []
        while batch := self._next(whole_only=False, in_hand=False):
            left.append(batch)
        for batch in left:
            self._outlet.to_spool(batch)
        return done

    def _at_end(self) -> None:
        shield.run("ledger writer", False, self.close)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        # What writes the book is not part of what the app does: no spans of a database's driver.
        context.attach(context.set_value(_SUPPRESS, True))
        while True:
            with self._changed:
                self._changed.wait_for(self._is_due, self._wait_s())
                asked = self._asked
            self._pass(asked)

    def _is_due(self) -> bool:
        return len(self._queue) >= self._batch_size or self._asked > self._answered

    def _wait_s(self) -> float | None:
        """Until the oldest has waited for long enough, or the book is tried again."""
        times = [self._oldest_at + self._batch_age_s] if self._queue else []
        if self._outlet.waiting:
            times.append(self._outlet.retry_at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _pass(self, asked: int) -> None:
        """What is due goes into the book, or the spool; all there is, if somebody ``asked`` since the last answer."""
        done = shield.run("ledger writer", _FAULT, self._put_away, urgent=asked > self._answered)
        with self._changed:
            lost, self._in_hand = self._in_hand, _NOTHING
            self._answered = max(self._answered, asked)
            self._changed.notify_all()
        if done is _FAULT:
            self._outlet.drop(lost, "of a fault in otel-cost")
            self._outlet.retry_later()

    def _put_away(self, *, urgent: bool) -> None:
        if urgent:
            self._outlet.retry_now()
        self._outlet.replay()
        aged = urgent or time.monotonic() >= self._oldest_at + self._batch_age_s
        while batch := self._next(whole_only=not aged):
            self._outlet.put(batch)

    def _next(self, *, whole_only: bool, in_hand: bool = True) -> Batch | None:
        """The next batch of the queue; None where there is none, or only one that is not full and may wait."""
        with self._changed:
            if in_hand:
                self._in_hand = _NOTHING
            count = min(len(self._queue), self._batch_size)
            if count == 0 or (whole_only and count < self._batch_size):
                return None
            batch = _batch_of([self._queue.popleft() for _ in range(count)])
            if in_hand:
                self._in_hand = batch
            return batch

    def _relieve(self) -> None:
        """Take the queue to the spool, while the thread is held up in the book, until there is room again."""
        while True:
            with self._changed:
                batch = self._next(whole_only=True, in_hand=False) if len(self._queue) > self._queue_size // 4 else None
                if batch is None:
                    self._relief = None
                    return
            self._outlet.to_spool(batch)


def writer_of(settings: LedgerSettings) -> LedgerWriter:
    """The writer that ``settings`` describe; ``settings.url`` must not be empty.

    Raises:
        ConfigError: the URL is not one, or what it needs is not installed.
    """
    return LedgerWriter(
        sink_of(settings),
        Spool(spool_directory(settings), settings.spool_bytes),
        batch_size=settings.batch_size,
        batch_age_s=parse_duration(settings.batch_age),
        queue_size=settings.queue_size,
    )


def _batch_of(taken: list[CostRecord | Void]) -> Batch:
    return Batch(
        tuple(one for one in taken if isinstance(one, CostRecord)), tuple(one for one in taken if isinstance(one, Void))
    )


def _started(run: Callable[[], None], name: str) -> threading.Thread | None:
    """A daemon thread that runs; None where none can be started any more."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _at_exit(writer: ref[LedgerWriter]) -> None:
    live = writer()
    if live is not None:
        live._at_end()
