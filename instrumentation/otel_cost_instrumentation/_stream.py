"""Stand-ins for what an SDK returns before the answer is complete: streams, and responses whose body is unread.

They are transparent (``isinstance``, attributes, laziness, exceptions are the SDK's own), watch what the app reads, and
report to one :class:`Watcher` how it ended. Each event of the watcher may come more than once; it finishes once.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import Enum, auto
from types import TracebackType
from typing import Any, Final, Protocol, cast

from otel_cost_instrumentation._stand_in import StandIn


class Watcher(Protocol):
    """Learns how the app reads one answer. No method raises."""

    def saw(self, chunk: object) -> bool:
        """One chunk came in. False when it exists only because otel-cost asked for it."""
        ...

    def read_whole(self, answer: object) -> None:
        """The app read the whole answer at once; ``answer`` is its decoded JSON."""

    def closing(self) -> None:
        """The app is about to close the answer, or lost it: an SDK that traces itself ends its own span next."""

    def finished(self) -> None:
        """Nothing more will be read."""

    def failed(self, error: BaseException) -> None:
        """Reading raised ``error``."""

    def lost(self) -> None:
        """The answer was garbage-collected. Must be safe in a finaliser."""


class _Shape(Enum):
    WHOLE = auto()
    SYNC_STREAM = auto()
    ASYNC_STREAM = auto()
    EITHER_STREAM = auto()
    RAW = auto()


class _Shapes(dict[type, _Shape]):
    """Type to what answers of it are. Remembered, as a model class is slow to say what it has not."""

    def __missing__(self, kind: type) -> _Shape:
        if hasattr(kind, "__next__") and hasattr(kind, "__anext__"):
            found = _Shape.EITHER_STREAM
        elif hasattr(kind, "__next__"):
            found = _Shape.SYNC_STREAM
        elif hasattr(kind, "__anext__"):
            found = _Shape.ASYNC_STREAM
        elif hasattr(kind, "http_request") and hasattr(kind, "parse"):
            found = _Shape.RAW  # an SDK's wrapper around an HTTP response, as with_raw_response gives it
        else:
            found = _Shape.WHOLE
        if len(self) < 1000:
            self[kind] = found
        return found


_shapes: Final = _Shapes()
_STREAMS: Final = frozenset({_Shape.SYNC_STREAM, _Shape.ASYNC_STREAM, _Shape.EITHER_STREAM})


def is_stream(result: object) -> bool:
    return _shapes[type(result)] in _STREAMS


def is_raw(result: object) -> bool:
    return _shapes[type(result)] is _Shape.RAW


def complete(result: object) -> object | None:
    """The whole answer (SDK object or decoded JSON), or None when the app has yet to read it."""
    shape = _shapes[type(result)]
    if shape is _Shape.WHOLE:
        return result
    return _body_of(result) if shape is _Shape.RAW else None


def watched(result: object, watcher: Watcher) -> object | None:
    """A stand-in for ``result``, or None when it is complete already."""
    shape = _shapes[type(result)]
    if shape is _Shape.WHOLE:
        return None
    if shape is _Shape.SYNC_STREAM:
        return SyncStream(result, watcher)
    if shape is _Shape.ASYNC_STREAM:
        return AsyncStream(result, watcher)
    if shape is _Shape.EITHER_STREAM:
        return EitherStream(result, watcher)
    return None if cast("Any", result).http_response.is_closed else RawResponse(result, watcher)


def _body_of(raw: object) -> object | None:
    """The decoded JSON body of a raw response that the app or the SDK has read; None for any other."""
    try:
        return cast("object", json.loads(cast("Any", raw).http_response.content))
    except (RuntimeError, ValueError):
        # httpx raises a RuntimeError for content that nobody read; a ValueError is no JSON.
        return None


class Watched(StandIn):
    """What all stand-ins share: the watcher, and telling it when the app lets go."""

    __slots__ = ("_self_watcher",)

    def __init__(self, wrapped: object, watcher: Watcher) -> None:
        super().__init__(wrapped)
        self._self_watcher = watcher

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self._self_watcher.lost()

    def _self_end(self, end: Callable[..., object], *args: object) -> object:
        self._self_watcher.closing()
        try:
            return end(*args)
        finally:
            self._self_watcher.finished()

    async def _self_end_later(self, end: Callable[..., Awaitable[object]], *args: object) -> object:
        self._self_watcher.closing()
        try:
            return await end(*args)
        finally:
            self._self_watcher.finished()


def _makes_generators(stream: type) -> bool:
    """Whether iterating such a stream gives a generator. Others are their own iterators."""
    kinds = (getattr(stream, "__iter__", None), getattr(stream, "__aiter__", None))
    return any(inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method) for method in kinds)


class _Block:
    """Of a stream that is a context manager."""

    __slots__ = ()

    def __enter__(self: Any) -> object:
        self.__wrapped__.__enter__()
        return self

    def __exit__(
        self: Any,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return cast("bool | None", self._self_end(self.__wrapped__.__exit__, exc_type, exc_value, traceback))


class _AsyncBlock:
    """Of a stream that is an asynchronous context manager."""

    __slots__ = ()

    async def __aenter__(self: Any) -> object:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(
        self: Any,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return cast(
            "bool | None", await self._self_end_later(self.__wrapped__.__aexit__, exc_type, exc_value, traceback)
        )


class _Stream(Watched):
    """What streams have in common."""

    __slots__ = ("_self_response",)
    mixins = (("__enter__", _Block), ("__aenter__", _AsyncBlock))

    def __init__(self, wrapped: object, watcher: Watcher) -> None:
        super().__init__(wrapped, watcher)
        self._self_response: weakref.ref[ClosingResponse] | None = None

    @property
    def response(self) -> object:
        # The same for as long as the app has it; it keeps the stream, which must not keep it.
        made = None if self._self_response is None else self._self_response()
        if made is None:
            made = ClosingResponse(self.__wrapped__.response, self)
            self._self_response = weakref.ref(made)
        return made


class SyncStream(_Stream):
    """An iterator of chunks."""

    __slots__ = ()

    def __iter__(self) -> Iterator[object]:
        return self._self_chunks() if _makes_generators(type(self.__wrapped__)) else self

    def _self_chunks(self) -> Iterator[object]:
        # Bound once: looking anything up in a stand-in takes as long as reading a chunk.
        step = self.__next__
        while True:
            try:
                chunk = step()
            except StopIteration:
                return
            yield chunk

    def __next__(self) -> object:
        watcher: Watcher = self._self_watcher
        while True:
            try:
                chunk = self.__wrapped__.__next__()
            except StopIteration:
                watcher.finished()
                raise
            except BaseException as error:
                watcher.failed(error)
                raise
            if watcher.saw(chunk):
                return cast("object", chunk)

    def close(self) -> object:
        return self._self_end(self.__wrapped__.close)


class AsyncStream(_Stream):
    """An asynchronous iterator of chunks."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[object]:
        return self._self_chunks_later() if _makes_generators(type(self.__wrapped__)) else self

    async def _self_chunks_later(self) -> AsyncIterator[object]:
        while True:
            try:
                chunk = await self.__anext__()
            except StopAsyncIteration:
                return
            yield chunk

    async def __anext__(self) -> object:
        watcher: Watcher = self._self_watcher
        while True:
            try:
                chunk = await self.__wrapped__.__anext__()
            except StopAsyncIteration:
                watcher.finished()
                raise
            except BaseException as error:
                watcher.failed(error)
                raise
            if watcher.saw(chunk):
                return cast("object", chunk)

    async def close(self) -> object:
        return await self._self_end_later(self.__wrapped__.close)

    @property
    def aclose(self) -> object:
        # Not every SDK's stream has it: looking it up has to fail where it would have.
        return functools.partial(self._self_end_later, self.__wrapped__.aclose)


class EitherStream(SyncStream, AsyncStream):
    """An iterator of chunks that the app may read in either way."""

    __slots__ = ()

    @property
    def close(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # called as the method is
        # It need not have one: looking it up has to fail where it would have.
        return functools.partial(self._self_end, self.__wrapped__.close)


class ClosingResponse(StandIn):
    """The HTTP response under a stream: stream helpers of the SDKs close that and not the stream."""

    __slots__ = ("_self_stream",)

    def __init__(self, wrapped: object, stream: Watched) -> None:
        super().__init__(wrapped)
        self._self_stream = stream

    def close(self) -> object:
        return self._self_stream._self_end(self.__wrapped__.close)  # pyright: ignore[reportPrivateUsage]

    async def aclose(self) -> object:
        end_later = self._self_stream._self_end_later  # pyright: ignore[reportPrivateUsage]
        return await end_later(self.__wrapped__.aclose)


class RawResponse(Watched):
    """A raw response whose body is still to be read, as a stream or whole, by whatever method the app likes."""

    __slots__ = ("_self_streams",)

    def __init__(self, wrapped: object, watcher: Watcher) -> None:
        super().__init__(wrapped, watcher)
        self._self_streams: dict[int, object] = {}

    def parse(self, **options: object) -> object:
        parsed = self.__wrapped__.parse(**options)
        return self._self_parsed_later(parsed) if inspect.isawaitable(parsed) else self._self_parsed(parsed)

    @property
    def close(self) -> object:
        # Some kinds have no such method: looking it up has to fail where it would have.
        return functools.partial(self._self_close, self.__wrapped__.close)

    def __del__(self) -> None:
        # Once the app has the stream, the stream knows how it ends.
        if not self._self_streams:
            super().__del__()

    async def _self_parsed_later(self, parsed: Awaitable[object]) -> object:
        return self._self_parsed(await parsed)

    def _self_parsed(self, parsed: object) -> object:
        known = self._self_streams.get(id(parsed))
        if known is not None:
            return known
        stream = watched(parsed, self._self_watcher)
        if stream is None:
            return parsed
        self._self_streams[id(parsed)] = stream
        return stream

    def _self_close(self, close: Callable[[], object]) -> object:
        if not self._self_streams and (body := _body_of(self.__wrapped__)) is not None:
            self._self_watcher.read_whole(body)
        if inspect.iscoroutinefunction(close):
            return self._self_end_later(close)
        return self._self_end(close)
