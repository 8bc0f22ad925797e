"""The keys of the database as a server needs them: looked up at most every few seconds, never on the event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from otel_cost import semconv
from otel_cost.errors import LedgerError
from otel_cost.ledger.keys import USED_EVERY_NS, AccessKeys, StoredKey

FRESH_S: Final = 3.0
"""How long what was looked up is believed: a revocation, on whatever replica, holds everywhere within 5 s."""
MAX_KEPT: Final = 10_000
"""Keys that are remembered; of others, those looked up longest ago are looked up again."""
_PATIENT_S: Final = 5.0
_log = logging.getLogger(semconv.LOGGER)
_T = TypeVar("_T")


class _Looked(NamedTuple):
    key: StoredKey | None
    at_s: float


class KeyRing:
    """Thread-safe. Close it before the ledger.

    Args:
        keys: The database's.
        clock_ns: UTC nanoseconds, for when a key was used last.
        clock_s: Seconds, never going back.
    """

    def __init__(
        self, keys: AccessKeys, clock_ns: Callable[[], int], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = keys
        self._clock_ns = clock_ns
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Looked] = OrderedDict()
        self._asked: dict[tuple[str, int], Future[StoredKey | None]] = {}
        self._changes = 0
        self._exists = False
        self._none_at_s: float | None = None
        self._noted_s: OrderedDict[str, float] = OrderedDict()
        # Of its own: the threads of the routes may all be waiting for the book. Writing waits for other writers.
        self._reader = ThreadPoolExecutor(2, thread_name_prefix="otel-cost-keys")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="otel-cost-keys-used")

    async def any(self) -> bool:
        """Whether there is a key, or was one. Raises LedgerError."""
        if self._exists:
            return True  # for good: rows of keys stay
        if self._none_at_s is None or self._clock_s() - self._none_at_s >= FRESH_S:
            asked_s = self._clock_s()
            self._exists = await _answer(self._reader.submit(self._keys.any))
            self._none_at_s = asked_s
        return self._exists

    async def find(self, key_id: str) -> StoredKey | None:
        """The key of an id, as it was within the last few seconds. Raises LedgerError."""
        with self._lock:
            known = self._known.get(key_id)
            if known is not None and self._clock_s() - known.at_s < FRESH_S:
                return known.key
            question = (key_id, self._changes)
            job = self._asked.get(question)
            if job is None:
                # One question for all requests that wait for the answer.
                job = self._asked[question] = self._reader.submit(self._look, *question)
        return await _answer(job)

    def used(self, key: StoredKey) -> None:
        """It opened something. Written down later, once a minute at most over all replicas."""
        now_ns, now_s = self._clock_ns(), self._clock_s()
        if key.last_used_ns is not None and now_ns - key.last_used_ns < USED_EVERY_NS:
            return
        with self._lock:
            noted_s = self._noted_s.get(key.id)
            if noted_s is not None and now_s - noted_s < USED_EVERY_NS / 1e9:
                return
            self._noted_s[key.id] = now_s
            if len(self._noted_s) > MAX_KEPT:
                self._noted_s.popitem(last=False)
        self._writer.submit(self._note, key.id, now_ns)

    def forget(self, key_id: str) -> None:
        """It was changed here: this process shall not believe what it knows any longer."""
        with self._lock:
            self._known.pop(key_id, None)
            self._changes += 1  # what is being looked up may be what it was before
            self._none_at_s = None

    def close(self) -> None:
        """Let go of the threads, once what is under way is done."""
        self._reader.shutdown(cancel_futures=True)
        self._writer.shutdown()

    def _look(self, key_id: str, changes: int) -> StoredKey | None:
        asked_s = self._clock_s()
        try:
            key = self._keys.find(key_id)
        finally:
            with self._lock:
                self._asked.pop((key_id, changes), None)
        with self._lock:
            if changes == self._changes:
                self._known[key_id] = _Looked(key, asked_s)
                self._known.move_to_end(key_id)
                if len(self._known) > MAX_KEPT:
                    self._known.popitem(last=False)
        return key

    def _note(self, key_id: str, at_ns: int) -> None:
        try:
            self._keys.used(key_id, at_ns)
        except LedgerError as error:
            _log.warning("that a key was used could not be written down: %s", error)


async def _answer(job: Future[_T]) -> _T:
    """What comes out of ``job``, which others may be waiting for as well."""
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(job)), _PATIENT_S)
    except TimeoutError:
        raise LedgerError(f"access keys could not be looked up within {_PATIENT_S:g} s") from None
