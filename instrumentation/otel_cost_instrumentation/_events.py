"""Stand-ins for what botocore and aiobotocore return inside an answer: event streams, and bodies that are read later.

An event stream can be iterated and closed, and is no iterator itself. A body stays the object that it is: the HTTP
library's response under it is overheard, so that the app reads the same bytes in whatever way it likes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, cast

from otel_cost_instrumentation._stream import Watched, Watcher

Last = Callable[[object], bool]
"""Whether an event is the last one, which tells the counts."""


def watched_events(stream: object, watcher: Watcher, last: Last) -> object | None:
    """A stand-in for an event stream; None for anything else."""
    if not hasattr(stream, "get_initial_response"):
        return None
    return (AsyncEvents if hasattr(type(stream), "__aiter__") else Events)(stream, watcher, last)


class _Events(Watched):
    __slots__ = ("_self_last",)

    def __init__(self, stream: object, watcher: Watcher, last: Last) -> None:
        super().__init__(stream, watcher)
        self._self_last = last

    def _self_saw(self, event: object) -> None:
        """Takes one event in. The last one ends the call, before others who watch the stream see it and end theirs with
        less than it tells us: whoever ends first is counted."""
        self._self_watcher.saw(event)
        if self._self_last(event):
            self._self_watcher.finished()

    def close(self) -> object:
        return self._self_end(self.__wrapped__.close)


class Events(_Events):
    """An event stream."""

    __slots__ = ()

    def __iter__(self) -> Iterator[object]:
        events, watcher = iter(self.__wrapped__), self._self_watcher
        while True:
            try:
                event = next(events)
            except StopIteration:
                watcher.finished()
                return
            except BaseException as error:
                watcher.failed(error)
                raise
            self._self_saw(event)
            yield event


class AsyncEvents(_Events):
    """An asynchronous event stream; closing it is synchronous."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[object]:
        return self.__anext__()

    async def __anext__(self) -> AsyncIterator[object]:  # as the SDK's: an asynchronous generator
        events, watcher = aiter(self.__wrapped__), self._self_watcher
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                watcher.finished()
                return
            except BaseException as error:
                watcher.failed(error)
                raise
            self._self_saw(event)
            yield event


# --- bodies -----------------------------------------------------------------------------------------------------------

_LARGEST: Final = 16 * 2**20
"""Bytes; of a larger body nothing is kept."""
Heard = Callable[[bytes], object]


def overhear_body(body: Any, watcher: Watcher, heard: Heard) -> bool:
    """Have ``heard`` called with the whole of a streaming body when the app has read it. It must not raise. False, and
    the body is left alone, where it is of a kind that is not known."""
    raw = getattr(body, "_raw_stream", None)
    length = str(getattr(body, "_content_length", None) or "")
    parts = _Parts(watcher, heard, int(length) if length.isdigit() else None)
    if hasattr(getattr(raw, "content", None), "at_eof"):
        body._raw_stream = _AsyncBody(raw, parts)
    elif callable(getattr(raw, "read", None)) and hasattr(raw, "stream"):
        body._raw_stream = _Body(raw, parts)
    else:
        return False
    return True


class _Parts:
    """The parts of one body as they come."""

    def __init__(self, watcher: Watcher, heard: Heard, length: int | None) -> None:
        self.watcher = watcher
        self._heard: Heard | None = heard
        self._length = length
        self._kept = bytearray()
        self._seen = 0

    def add(self, part: bytes, *, last: bool) -> None:
        self._seen += len(part)
        if self._seen <= _LARGEST:
            self._kept += part
        else:
            self._kept.clear()
        if last or self._seen == self._length:
            self._end()

    def _end(self) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            if self._kept:
                heard(bytes(self._kept))
            self._kept.clear()
            self.watcher.finished()


class _Raw(Watched):
    """An HTTP library's response under a body."""

    __slots__ = ("_self_parts",)

    def __init__(self, wrapped: object, parts: _Parts) -> None:
        super().__init__(wrapped, parts.watcher)
        self._self_parts = parts

    def close(self) -> object:
        return self._self_end(self.__wrapped__.close)


class _Body(_Raw):
    """Of urllib3."""

    __slots__ = ()

    def read(self, amt: int | None = None, *args: object, **more: object) -> bytes:
        part = self._self_try(self.__wrapped__.read, amt, *args, **more)
        self._self_parts.add(part, last=amt is None or amt < 0 or (not part and amt > 0))
        return cast("bytes", part)

    def readinto(self, b: Any) -> int:
        number = cast("int", self._self_try(self.__wrapped__.readinto, b))
        self._self_parts.add(bytes(b[:number]), last=not number and len(b) > 0)
        return number

    def readlines(self, *args: int) -> list[bytes]:
        lines = cast("list[bytes]", self._self_try(self.__wrapped__.readlines, *args))
        self._self_parts.add(b"".join(lines), last=True)
        return lines

    def _self_try(self, read: Callable[..., Any], *args: object, **more: object) -> Any:
        try:
            return read(*args, **more)
        except BaseException as error:
            self._self_watcher.failed(error)
            raise


class _AsyncBody(_Raw):
    """Of aiohttp, which reads from the response's ``content``."""

    __slots__ = ()

    @property
    def content(self) -> object:
        return _Content(self.__wrapped__.content, self._self_parts)


class _Content:
    """What aiobotocore uses of a response's content, overheard; the rest as it is."""

    def __init__(self, content: Any, parts: _Parts) -> None:
        self._content = content
        self._parts = parts

    def __getattr__(self, name: str) -> object:
        return getattr(self._content, name)

    async def read(self, n: int = -1) -> bytes:
        try:
            part = cast("bytes", await self._content.read(n))
        except BaseException as error:
            self._parts.watcher.failed(error)
            raise
        self._parts.add(part, last=n < 0 or (not part and n > 0))
        return part
