"""Calls to the server's budget store for apps that wait for the answer, but not for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from otel_cost.budgets.stores import wire
from otel_cost.budgets.stores.base import Reserved, Store
from otel_cost.budgets.stores.wire import Method
from otel_cost.errors import BudgetStoreBusy, BudgetStoreError, BudgetStoreUnavailable
from otel_cost.model import EMPTY
from otel_cost.server.scoped_store import ScopedStore

_THREADS: Final = 16
"""Of its own: the threads of the other routes may all be waiting for the book."""


class BudgetCalls:
    """Carries calls out in worker threads, and answers while the client is still there to hear it.

    A client that got no answer takes the store for unreachable and may let its call pass; one that hears that others
    keep the store busy stops it. So whoever waits for others has to be told in time. Others it is where the store has
    answered somebody meanwhile.

    Args:
        store: The server's.
        matches: The ``match:`` of each budget in the settings, which says what keys with a scope may use.
    """

    def __init__(self, store: Store, matches: Mapping[str, Mapping[str, str]] = MappingProxyType({})) -> None:
        self._store = store
        self._matches = matches
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="otel-cost-budget-store")
        self._lock = threading.Lock()
        self._answered = 0

    async def answer(self, method: Method, body: bytes, wait_s: float, scope: Mapping[str, str] = EMPTY) -> bytes:
        """The body of the answer to whoever may use what is within ``scope``.

        Raises:
            Malformed: the call cannot be read.
            OutOfScope: it is about something else.
            BudgetStoreBusy: no answer within ``wait_s``, but others got one.
            BudgetStoreUnavailable: no answer, and nobody got one; or the store says so itself.
        """
        store = ScopedStore(self._store, scope, self._matches) if scope else self._store
        call = _Call(store, method, body)
        answered = self._answered
        job = self._threads.submit(self._run, call)
        answer = asyncio.wrap_future(job)
        await asyncio.wait([answer], timeout=wait_s)
        if answer.done() or not call.give_up():
            return await answer
        if not job.cancel():
            answer.add_done_callback(_unheard)
        if self._answered > answered:
            raise BudgetStoreBusy(f"no answer within {wait_s:g} s, while others got theirs")
        raise BudgetStoreUnavailable(f"the server's budget store did not answer within {wait_s:g} s")

    def _run(self, call: _Call) -> bytes:
        body = call.run()
        with self._lock:
            self._answered += 1
        return body

    def close(self) -> None:
        """Let go of the threads; what has not begun is not done any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Call:
    """One call. What a reservation took for a client that was told that it got nothing is given back at once."""

    def __init__(self, store: Store, method: Method, body: bytes) -> None:
        self._store = store
        self._method = method
        self._body = body
        self._lock = threading.Lock()
        self._done = False
        self._given_up = False

    def run(self) -> bytes:
        arguments = wire.arguments_of(self._method, self._body)
        result = getattr(self._store, self._method.name)(**arguments)
        with self._lock:
            self._done = True
        if self._given_up and isinstance(result, Reserved):
            self._give_back([str(arguments["hold_id"])])
        return wire.answer_body(result)

    def give_up(self) -> bool:
        """Nobody waits any more. False when the result is there after all."""
        with self._lock:
            self._given_up = not self._done
            return self._given_up

    def _give_back(self, hold_ids: Collection[str]) -> None:
        with suppress(BudgetStoreError):  # then it lapses
            self._store.release(hold_ids)


def _unheard(answer: asyncio.Future[bytes]) -> None:
    """An error that comes too late to be told is no news."""
    if not answer.cancelled():
        answer.exception()
