"""What keeps a server that does not answer from holding up its callers: deadlines, and not asking again at once."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LOOK_S: Final = 0.02


@dataclass(slots=True, eq=False)
class Watched:
    """A socket that is waited on. ``cut``: whether that took too long, and it was cut."""

    fileno: int
    deadline: float
    cut: bool = False


class Watchdog:
    """Cuts sockets that were waited on for too long: whoever waits then sees them end.

    One thread, started when first needed; it sleeps while nobody waits. It does not survive a fork: make another one.
    """

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._changed = threading.Condition()
        self._idle = True
        self._started = False

    @contextmanager
    def watching(self, fileno: int, seconds: float) -> Iterator[Watched]:
        """Cut the socket unless the block is left within ``seconds``."""
        watched = Watched(fileno, time.monotonic() + seconds)
        with self._changed:
            self._watched.add(watched)
            self._wake()
        try:
            yield watched
        finally:
            with self._changed:
                self._watched.discard(watched)

    def _wake(self) -> None:
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="otel-cost-budget-deadlines", daemon=True).start()
        if self._idle:
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                self._idle = not self._watched
                self._changed.wait(None if self._idle else _LOOK_S)
                now = time.monotonic()
                for watched in self._watched:
                    # What has come and was not read yet is no silence: then this process is the slow one.
                    if now >= watched.deadline and not watched.cut and not _has_come(watched.fileno):
                        watched.cut = True
                        _cut(watched.fileno)


def _has_come(fileno: int) -> bool:
    poll = select.poll()  # select() takes no large file numbers
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))


def _cut(fileno: int) -> None:
    """End a socket's both directions without closing it: it is its owner's."""
    with suppress(OSError), socket.socket(fileno=os.dup(fileno)) as same:
        same.shutdown(socket.SHUT_RDWR)


class Abandonable(Generic[T]):
    """Carries out something that cannot be interrupted in a thread of its own, for as long as somebody cares.

    Args:
        action: What to do. It returns its errors: nobody may be there any more to raise them to.
        dispose: What to do with a result that came too late.
        at_once: How many may be under way; beyond that nothing is begun.
    """

    def __init__(self, action: Callable[[], T], dispose: Callable[[T], None], *, at_once: int) -> None:
        self._action = action
        self._dispose = dispose
        self._places = threading.BoundedSemaphore(at_once)

    def within(self, seconds: float) -> T:
        """The result.

        Raises:
            TimeoutError: there was none in time, or too many are stuck already.
        """
        if not self._places.acquire(timeout=seconds):
            raise TimeoutError
        attempt: _Attempt[T] = _Attempt()
        arguments = (attempt, self._places)
        threading.Thread(target=self._run, args=arguments, name="otel-cost-budget-connect", daemon=True).start()
        if not attempt.done.wait(seconds) and attempt.abandon():
            raise TimeoutError
        return attempt.results[0]

    def _run(self, attempt: _Attempt[T], places: threading.BoundedSemaphore) -> None:
        try:
            result = self._action()
            if not attempt.succeed(result):
                self._dispose(result)
        finally:
            places.release()


class _Attempt(Generic[T]):
    def __init__(self) -> None:
        self.done = threading.Event()
        self.results: list[T] = []
        self._lock = threading.Lock()
        self._abandoned = False

    def succeed(self, result: T) -> bool:
        """Hand over a result; False when nobody waits for it any more."""
        with self._lock:
            if not self._abandoned:
                self.results.append(result)
                self.done.set()
            return not self._abandoned

    def abandon(self) -> bool:
        """Wait no more; False when the result is there after all."""
        with self._lock:
            self._abandoned = not self.results
            return self._abandoned


class Alive:
    """Tells a server that is late from one that is away: who answered a moment ago has too much to do.

    Without this, a blocking budget that is open while its store is away would be open whenever the store is slow, which
    is when most is spent. A server that has not been asked yet is taken to be there.

    Args:
        timeout_s: How long to wait for an answer of a server that has been silent.
        benefit_s: For how long after its last answer a server is waited for.
    """

    def __init__(self, timeout_s: float, benefit_s: float = 3.0) -> None:
        self._timeout_s = timeout_s
        self._benefit_s = benefit_s
        self._until = 0.0
        self.answered()

    def answered(self) -> None:
        """It has said something, be it an error."""
        self._until = time.monotonic() + self._benefit_s

    def seconds(self) -> float:
        """How long to wait for an answer from now on."""
        return max(self._timeout_s, self._until - time.monotonic())


class Breaker:
    """Remembers an outage for a while, so that not every caller has to wait for it to show.

    Once ``pause_s`` seconds have passed one caller may look again, and then for another pause nobody else.
    """

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._again = 0.0
        self._why = ""

    def outage(self) -> str:
        """Why there is no use in asking now; empty when there is, or nobody knows better."""
        if not self._why:
            return ""
        with self._lock:
            now = time.monotonic()
            if now < self._again:
                return self._why
            self._again = now + self._pause_s
            return ""

    def failed(self, why: str) -> None:
        with self._lock:
            self._why = why
            self._again = time.monotonic() + self._pause_s

    def answered(self) -> None:
        self._why = ""
