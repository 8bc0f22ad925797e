"""Streams that the app dropped, or still held when the process ended: their calls were made and have to be settled.

A finaliser may run inside a garbage collection, on a thread that holds any lock; settling there could wait for that
lock forever. So a finaliser only puts the call into a queue, which a thread of its own takes from.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from queue import SimpleQueue
from typing import Protocol


class Abandonable(Protocol):
    def abandoned(self) -> None:
        """Settle with what is known. May be called more than once, from any thread; must not raise."""


class Reaper:
    """Settles open calls that nobody will finish. Thread-safe. A forked child forgets its parent's calls."""

    def __init__(self) -> None:
        self._start_afresh()
        this: weakref.ref[Reaper] = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _start_afresh(this))

    def _start_afresh(self) -> None:
        self._open: set[Abandonable] = set()
        self._queue: SimpleQueue[Abandonable | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def watch(self, call: Abandonable) -> None:
        """``call`` is open from now on. Not to be called by a finaliser: it may start the thread."""
        if self._thread is None:
            self._start()
        self._open.add(call)

    def forget(self, call: Abandonable) -> None:
        """``call`` was finished in the ordinary way."""
        self._open.discard(call)

    def abandon(self, call: Abandonable) -> None:
        """Nobody can finish ``call`` any more. Safe in a finaliser, as the queue's ``put`` is reentrant."""
        if call in self._open:
            self._queue.put(call)

    def settle_all(self) -> None:
        """Settle what is still open, now. At exit this runs before the SDK shuts down, which registered earlier."""
        for call in list(self._open):
            call.abandoned()

    def stop(self) -> None:
        """Settle what is open and end the thread."""
        self.settle_all()
        atexit.unregister(self.settle_all)
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            atexit.unregister(self.settle_all)
            atexit.register(self.settle_all)
            self._thread = threading.Thread(
                target=_settle_from, args=(self._queue,), name="otel-cost-abandoned", daemon=True
            )
            self._thread.start()


def _settle_from(queue: SimpleQueue[Abandonable | None]) -> None:
    while (call := queue.get()) is not None:
        call.abandoned()


def _start_afresh(reaper: weakref.ref[Reaper]) -> None:
    found = reaper()
    if found is not None:
        found._start_afresh()  # pyright: ignore[reportPrivateUsage]
