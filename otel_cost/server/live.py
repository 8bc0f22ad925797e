"""Newly booked costs, told to whoever listens: each client has a bounded queue, and the last ones are kept for clients
that come back.

One server tells what it books itself. Where several share a database, each tells its own.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from otel_cost.ledger.base import SETTLED_ELSEWHERE, Entry
from otel_cost.ledger.questions import VERDICT_FIELDS

KEPT: Final = 10_000
"""Costs that are remembered for clients that come back."""
QUEUED: Final = 2_000
"""Costs that may wait for one client; beyond that it is told how many it missed."""
MAX_CLIENTS: Final = 500


@dataclass(frozen=True, slots=True)
class Booked:
    """One row of the book, with its place in the stream of this server."""

    number: int
    entry: Entry

    def fits(self, filters: Mapping[str, str] | None) -> bool:
        """Whether it is within ``filters``; nothing is within None."""
        return filters is not None and all(_value(self.entry, name) == value for name, value in filters.items())


def _value(entry: Entry, name: str) -> str:
    if name in VERDICT_FIELDS:
        return str(getattr(entry.charge, name) or "")
    return entry.dimensions.get(name, "")


class _Client:
    """The queue of one client; filled from any thread, read in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, filters: Mapping[str, str] | None) -> None:
        self._loop = loop
        self._filters = filters
        self._lock = threading.Lock()
        self._waiting: deque[Booked] = deque()
        self._missed = 0
        self._rung = asyncio.Event()

    def put(self, some: Sequence[Booked]) -> None:
        mine = [one for one in some if one.fits(self._filters)]
        if not mine:
            return
        with self._lock:
            room = max(0, QUEUED - len(self._waiting))
            self._waiting.extend(mine[:room])
            self._missed += len(mine) - min(room, len(mine))
        self.ring()

    def ring(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    def take(self) -> tuple[list[Booked], int]:
        """What waits, and how many came after that and did not fit."""
        with self._lock:
            some, missed = list(self._waiting), self._missed
            self._waiting.clear()
            self._missed = 0
        return some, missed

    async def rung(self, timeout_s: float) -> bool:
        """Wait until something came; False when nothing did in time."""
        try:
            await asyncio.wait_for(self._rung.wait(), timeout_s)
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Live:
    """Thread-safe. Give :meth:`tell` to the book."""

    def __init__(self, new_id: Callable[[], str] = lambda: secrets.token_hex(4)) -> None:
        self._run = new_id()
        self._lock = threading.Lock()
        self._last: deque[Booked] = deque(maxlen=KEPT)
        self._number = 0
        self._clients: set[_Client] = set()
        self._ended = False

    @property
    def full(self) -> bool:
        """Whether ``MAX_CLIENTS`` listen already."""
        return len(self._clients) >= MAX_CLIENTS

    def tell(self, entries: Sequence[Entry]) -> None:
        """Rows were added to the book. Wrappers and duplicates, whose money is another's, are not told."""
        told = [entry for entry in entries if entry.charge.status not in SETTLED_ELSEWHERE]
        with self._lock:
            some = [Booked(self._number + place, entry) for place, entry in enumerate(told, 1)]
            self._number += len(some)
            self._last.extend(some)
            clients = list(self._clients)
        for client in clients:
            client.put(some)

    def end(self) -> None:
        """Let every stream end: the server stops. For good."""
        self._ended = True
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.ring()

    def id_of(self, number: int) -> str:
        """What a client hands back to go on after a cost."""
        return f"{self._run}-{number}"

    async def listen(
        self, filters: Mapping[str, str] | None, last_id: str, heartbeat_s: float
    ) -> AsyncIterator[Booked | int | None]:
        """What is booked from now on, or after ``last_id``: costs; None after ``heartbeat_s`` in which nothing came;
        and a number: so many were missed, -1 where that is not known. Until :meth:`end`."""
        with self._joined(filters, last_id) as (client, lost):
            if lost:
                yield -1
            while not self._ended:
                some, missed = client.take()
                for one in some:
                    yield one
                if missed:
                    yield missed
                if not some and not missed and not await client.rung(heartbeat_s):
                    yield None

    @contextmanager
    def _joined(self, filters: Mapping[str, str] | None, last_id: str) -> Iterator[tuple[_Client, bool]]:
        client = _Client(asyncio.get_running_loop(), filters)
        with self._lock:
            after, lost = self._after(last_id)
            client.put(after)
            self._clients.add(client)
        try:
            yield client, lost
        finally:
            with self._lock:
                self._clients.discard(client)

    def _after(self, last_id: str) -> tuple[list[Booked], bool]:
        """What came after ``last_id``; and whether some of it is not known any more."""
        if not last_id:
            return [], False
        run, _, number = last_id.rpartition("-")
        if run != self._run or not (number.isdecimal() and len(number) < 20 and int(number) <= self._number):
            return [], True
        first = self._last[0].number if self._last else self._number + 1
        return [one for one in self._last if one.number > int(number)], int(number) + 1 < first
