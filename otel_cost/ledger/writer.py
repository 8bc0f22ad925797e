"""Writes the book from within an app: a queue, a thread, and a spool for when the book cannot be written.

Taking a record only puts it into a queue. A daemon thread, which starts with the first record, books what waits there:
a full batch at once, fewer when the oldest has waited for long enough. While the book cannot be written batches go to
the spool (:mod:`otel_cost.ledger.spool`), and from there into the book when it can be again.

A process that is killed loses what is in its queue: what was taken within ``batch_age`` and one write. Whatever
:meth:`LedgerWriter.flush` returned True for is in the book.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as _SUPPRESS  # pyright: ignore[reportPrivateUsage]

from otel_cost import shield
from otel_cost.book_settings import LedgerSettings
from otel_cost.ending import at_end
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
        at_end(self._at_end)

    def _begin(self) -> None:
        # Re-entrant: a signal's handler may end a span while its thread is in here.
        self._changed = threading.Condition(threading.RLock())
        self._queue: deque[CostRecord | Void] = deque()
        self._oldest_at = 0.0
        self._in_hand: dict[Callable[..., object], Batch] = {}
        """What each thread is writing: still only in memory."""
        # Taken by whoever starts the thread, in one step: a signal's handler may come by while it is being started.
        self._running = threading.Lock()
        self._relieving = threading.Lock()
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
            if not self._running.locked():
                _start(self._run, "otel-cost-ledger", self._running)
            elif waiting > self._queue_size // 2 and not self._relieving.locked():
                # The thread is held up in the book: another one takes to the spool what would not fit.
                _start(self._relieve, "otel-cost-ledger-relief", self._relieving)

    def counts(self) -> Counts:
        with self._changed:
            in_hand = sum(batch.size for batch in self._in_hand.values())
            return self._outlet.counts(len(self._queue) + in_hand)

    # --- waiting for it -----------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything taken so far is in the book. False when that took longer; and at once when the book
        cannot be written and all of it is in the spool."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            if not self._running.locked() and (self._queue or self._outlet.anything()):
                _start(self._run, "otel-cost-ledger", self._running)
            if self._running.locked():
                done = self._changed.wait_for(lambda: self._is_done(mine), max(0.0, deadline - time.monotonic()))
                return done and not self._outlet.waiting
            if not self._queue:
                return True
        # No thread can be started any more: the interpreter is shutting down.
        self._pass(mine)
        return not self._outlet.waiting

    def _is_done(self, asked: int) -> bool:
        return self._answered >= asked and self._relieve not in self._in_hand

    def close(self, timeout_s: float = _AT_END_S) -> bool:
        """Flush, and put into the spool what is not in the book by then. What is taken afterwards is booked as well."""
        done = self.flush(timeout_s)
        with self._changed:
            left = list(self._in_hand.values())
        while batch := self._next(self.close, whole_only=False):
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
                if not self._is_due():
                    self._changed.wait(self._wait_s())  # once: with the first record there is an age to wait for
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
            lost = self._in_hand.pop(self._run, _NOTHING)
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
        while batch := self._next(self._run, whole_only=not aged):
            self._outlet.put(batch)

    def _next(self, by: Callable[..., object], *, whole_only: bool) -> Batch | None:
        """The next batch of the queue, in the hand of ``by``, which is through with the one before; None where there is
        none, or only one that is not full and may wait."""
        with self._changed:
            self._in_hand.pop(by, None)
            count = min(len(self._queue), self._batch_size)
            if count == 0 or (whole_only and count < self._batch_size):
                return None
            batch = self._in_hand[by] = _batch_of([self._queue.popleft() for _ in range(count)])
            return batch

    def _relieve(self) -> None:
        """Take the queue to the spool, while the thread is held up in the book, until there is room again."""
        while True:
            with self._changed:
                full = len(self._queue) > self._queue_size // 4
                batch = self._next(self._relieve, whole_only=True) if full else None
                if batch is None:
                    self._in_hand.pop(self._relieve, None)
                    self._relieving.release()
                    self._changed.notify_all()
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


def _start(run: Callable[[], None], name: str, once: threading.Lock) -> None:
    """Run it in a daemon thread, unless ``once`` is taken. It stays taken, but where no thread can be started."""
    if once.acquire(blocking=False):
        try:
            threading.Thread(target=run, name=name, daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down
            once.release()
