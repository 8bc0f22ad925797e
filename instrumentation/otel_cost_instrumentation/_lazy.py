"""Streams that send their request when they are asked for the first chunk: generators of the SDKs.

Until then nothing happens here either: no budget is asked, no span is open, and one that nobody reads leaves no trace.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from otel_cost_instrumentation._stream import AsyncStream, SyncStream, Watcher


class Begun(NamedTuple):
    """A call whose request may go out: who watches it, and what makes its span the current one for a block."""

    watcher: Watcher
    current: AbstractContextManager[None]


class _Nobody:
    """Watches a stream that has not begun."""

    def saw(self, chunk: object) -> bool:
        return True

    def read_whole(self, answer: object) -> None: ...

    def closing(self) -> None: ...

    def finished(self) -> None: ...

    def failed(self, error: BaseException) -> None: ...

    def lost(self) -> None: ...


class LazyStream(SyncStream):
    """A generator of chunks. ``begin`` admits and opens the call; what it raises is the app's."""

    __slots__ = ("_self_begin",)

    def __init__(self, wrapped: object, begin: Callable[[], Begun]) -> None:
        super().__init__(wrapped, _Nobody())
        self._self_begin: Callable[[], Begun] | None = begin

    def __next__(self) -> object:
        begin, self._self_begin = self._self_begin, None
        if begin is None:
            return super().__next__()
        try:
            begun = begin()
        except BaseException:
            self.__wrapped__.close()
            raise
        self._self_watcher = begun.watcher
        with begun.current:
            return super().__next__()


class LazyAsyncStream(AsyncStream):
    """An asynchronous generator of chunks."""

    __slots__ = ("_self_begin",)

    def __init__(self, wrapped: object, begin: Callable[[], Awaitable[Begun]]) -> None:
        super().__init__(wrapped, _Nobody())
        self._self_begin: Callable[[], Awaitable[Begun]] | None = begin

    async def __anext__(self) -> object:
        begin, self._self_begin = self._self_begin, None
        if begin is None:
            return await super().__anext__()
        try:
            begun = await begin()
        except BaseException:
            await self.__wrapped__.aclose()
            raise
        self._self_watcher = begun.watcher
        with begun.current:
            return await super().__anext__()
