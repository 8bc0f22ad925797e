"""Spans that end inside a garbage collection.

A finaliser (of a dropped stream, say) may end a span on a thread that holds any lock, ours and the SDK's included:
settling it there could wait for that lock for ever. Such spans are handed to a thread of their own, with the time at
which they ended.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from otel_cost import shield
from otel_cost.forking import after_fork_in_child

_collecting: Final[set[int]] = set()
"""The threads that are inside a garbage collection: at most one at a time."""


def watch_collections() -> None:
    """Learn of garbage collections from now on. Idempotent; a third of a microsecond for each collection."""
    if _on_collection not in gc.callbacks:
        gc.callbacks.append(_on_collection)


def _on_collection(phase: str, _info: object) -> None:
    if phase == "start":
        _collecting.add(threading.get_ident())
    else:
        _collecting.discard(threading.get_ident())


def inside_collection() -> bool:
    """Whether this thread is inside a garbage collection."""
    return bool(_collecting) and threading.get_ident() in _collecting


class Finaliser:
    """Runs what was put off. Thread-safe; a forked child starts empty."""

    def __init__(self) -> None:
        self._start_afresh()
        after_fork_in_child(self._start_afresh)

    def _start_afresh(self) -> None:
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._running = False

    def prepare(self) -> None:
        """Have the thread running. Not to be called inside a collection."""
        if self._running:
            return
        with self._lock:
            if not self._running:
                self._running = True
                threading.Thread(target=_run, args=(self._queue,), name="otel-cost-finaliser", daemon=True).start()

    def put(self, work: Callable[[], None]) -> None:
        """Run ``work`` soon. Safe anywhere: the queue's ``put`` is reentrant."""
        self._queue.put(work)

    def drain(self) -> None:
        """Run here and now what is waiting."""
        try:
            while True:
                _run_one(self._queue.get_nowait())
        except Empty:
            return


def _run(queue: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        _run_one(queue.get())


def _run_one(work: Callable[[], None]) -> None:
    shield.run("finaliser", None, work)
