"""Settling with a store elsewhere: in the background, in batches, and never lost while the process lives.

What is settled late is still reserved: a limit holds all the same. The same thread renews the process's reservations,
sweeps lapsed ones and tells alerts that nobody told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from otel_cost import semconv, shield
from otel_cost.errors import BudgetStoreError
from otel_cost.forking import after_fork_in_child

_log = logging.getLogger(semconv.LOGGER)
_BATCH: Final = 200
_MAX_WAITING: Final = 100_000
_BACK_OFF_S: Final = (0.05, 0.2, 1.0, 5.0)


class Due(NamedTuple):
    """Something the store has yet to be told. ``amount_nano``: the money that is lost when it never is."""

    send: object
    amount_nano: int = 0


class Chore(NamedTuple):
    """Something to do every ``every_s`` seconds while the process has anything to do with the store; ``at_once``: the
    first time with the first thing to do, for processes that do not live so long."""

    every_s: float
    do: Callable[[], None]
    at_once: bool = False


class Sender(Protocol):
    def __call__(self, batch: list[object], /) -> None:
        """Tell the store. Raises BudgetStoreError where it could not be told; then the same comes again."""


class Background:
    """One daemon thread, started with the first thing to do. A forked child starts anew, with nothing waiting.

    Args:
        send: Tells the store a batch.
        chores: Done in between.
    """

    def __init__(self, send: Sender, chores: tuple[Chore, ...]) -> None:
        self._send = send
        self._chores = chores
        self.dropped_nano = 0
        self._forget_all()
        after_fork_in_child(self._forget_all)

    def _forget_all(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Due] = deque()
        self._sending = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, due: Due) -> None:
        """Tell the store this, soon. Returns at once."""
        with self._changed:
            if len(self._waiting) >= _MAX_WAITING:
                dropped = self._waiting.popleft()
                if not self.dropped_nano:
                    _log.error("the budget store has been away for too long: spend goes unsettled, and is counted")
                self.dropped_nano += max(0, dropped.amount_nano)
            self._waiting.append(due)
            self._start()
            self._changed.notify_all()

    @property
    def busy(self) -> bool:
        """Whether there is anything that the store has yet to be told."""
        return bool(self._waiting or self._sending)

    def wake(self) -> None:
        """There is something to look after from now on."""
        if self._thread is None:
            with self._changed:
                self._start()

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="otel-cost-budgets", daemon=True)
            self._thread.start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the store was told everything. False when that took longer, or it cannot be told."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._sending, timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Tell what waits, and end."""
        self.flush(timeout_s)
        with self._changed:
            self._closed = True
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _run(self) -> None:
        me = threading.current_thread()
        failures, at_most = 0, _BATCH
        due_at = [time.monotonic() + (0.0 if chore.at_once else chore.every_s) for chore in self._chores]
        while self._thread is me:
            batch = self._next_batch(me, at_most, min(due_at, default=time.monotonic() + 1.0))
            if batch and not self._sent(batch):
                failures += 1
                # Fewer at a time: it may have been too much for the store, or for what is in between.
                at_most = max(1, len(batch) // 2)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, _BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1])
            elif batch:
                failures, at_most = 0, min(_BATCH, 2 * at_most)
            self._do_chores(due_at)

    def _next_batch(self, me: threading.Thread, at_most: int, until: float) -> list[Due]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._thread is not me, max(0.0, until - time.monotonic()))
            batch = [self._waiting.popleft() for _ in range(min(at_most, len(self._waiting)))]
            self._sending = len(batch)
            return batch

    def _sent(self, batch: list[Due]) -> bool:
        left = batch
        try:
            left = self._not_told(batch)
            return not left
        finally:
            with self._changed:
                self._waiting.extendleft(reversed(left))
                self._sending = 0
                self._changed.notify_all()

    def _not_told(self, batch: list[Due]) -> list[Due]:
        """What has to come again. What a fault of our own is about is dropped, alone: it would come again for ever."""
        done = shield.run("budgets: settle", None, self._try, [due.send for due in batch])
        if done is not None:
            return [] if done else batch
        if len(batch) > 1:
            return [left for due in batch for left in self._not_told([due])]
        self.dropped_nano += max(0, batch[0].amount_nano)
        return []

    def _try(self, batch: list[object]) -> bool:
        try:
            self._send(batch)
        except BudgetStoreError as error:
            _log.debug("the budget store could not be told: %s", error)
            return False
        return True

    def _do_chores(self, due_at: list[float]) -> None:
        for number, chore in enumerate(self._chores):
            if time.monotonic() >= due_at[number]:
                shield.run("budgets: background", None, _do, chore)
                due_at[number] = time.monotonic() + chore.every_s


def _do(chore: Chore) -> None:
    try:
        chore.do()
    except BudgetStoreError as error:
        _log.debug("the budget store cannot be looked after: %s", error)
