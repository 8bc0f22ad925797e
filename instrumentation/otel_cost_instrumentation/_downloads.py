"""Results of a batch, as they are downloaded: one span for each of its requests, which was paid for when it was made.

The download itself costs nothing and has no span. What the results are charged to is what the labels say where they are
read: those of the submission are not known here. Downloaded again, they are not charged again.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

from opentelemetry.trace import SpanKind, Tracer

from otel_cost import semconv, shield
from otel_cost.runtime import Runtime
from otel_cost_instrumentation._body import overhear
from otel_cost_instrumentation._once import Once
from otel_cost_instrumentation._read import Attributes
from otel_cost_instrumentation._stream import is_raw, is_stream, watched

_SMALL: Final = 100_000
"""Bytes that are read where they are, about ten milliseconds of it, and not in another thread."""


class Result(NamedTuple):
    """The answer to one request of a batch. ``key`` names it for good: the batch's id and the request's."""

    key: str
    operation: str
    attributes: Attributes


class Download(NamedTuple):
    """A request for results.

    Attributes:
        lines: From a whole body to its lines, decoded; nothing where it holds no results.
        result: From a line (decoded JSON or the SDK's object) to what it says; None for one that nobody pays for.
    """

    provider: str
    address: str
    port: int
    lines: Callable[[bytes], Iterable[object]]
    result: Callable[[object], Result | None]


class Results:
    """Tells the results of one download while the app reads them; also a watcher of its stream. Nothing raises."""

    def __init__(
        self, runtime: Runtime, tracer_of: Callable[[Runtime], Tracer], told: Once, download: Download
    ) -> None:
        self._runtime = runtime
        self._tracer_of = tracer_of
        self._teller = told.teller()
        self._download = download

    def returned(self, result: object) -> object:
        """What the app gets for ``result``: the same object, or a stand-in that watches how it is read."""
        stand_in, body = shield.run("instrumentation: results", (result, b""), self._returned, result)
        self._read(body)
        return stand_in

    async def returned_async(self, result: object) -> object:
        """As :meth:`returned`, without keeping the event loop busy with a large file."""
        stand_in, body = shield.run("instrumentation: results", (result, b""), self._returned, result)
        if len(body) <= _SMALL or not _in_asyncio():
            self._read(body)
        else:
            here = contextvars.copy_context()
            reading = asyncio.get_running_loop().run_in_executor(None, lambda: here.run(self._read, body))
            await asyncio.shield(reading)
        return stand_in

    def _returned(self, result: object) -> tuple[object, bytes]:
        """What the app gets, and the body where it is there already."""
        if is_stream(result):
            return watched(result, self), b""
        if not is_raw(result):
            return result, _content(result)
        stand_in = watched(result, self)
        if stand_in is None:
            return result, _bytes(cast("Any", result).http_response.content)
        overhear(result, lambda wire: self._read(shield.run("instrumentation: body", b"", wire.content)), kinds="")
        return stand_in, b""

    def _read(self, body: bytes) -> None:
        shield.run("instrumentation: results", None, self._tell_all, body)

    def _tell_all(self, body: bytes) -> None:
        for line in self._download.lines(body):
            self.saw(line)

    def _tell(self, line: object) -> None:
        result = self._download.result(line)
        if result is None or not self._teller.first(result.key):
            return
        download = self._download
        known: Attributes = {
            semconv.OPERATION_NAME: result.operation,
            semconv.SERVER_ADDRESS: download.address,
            semconv.SERVER_PORT: download.port,
            **result.attributes,
            semconv.SERVICE_TIER: _BATCH,
        }
        if download.provider:
            known[semconv.PROVIDER_NAME] = download.provider
        name = f"{result.operation} {known.get(semconv.RESPONSE_MODEL, '')}".rstrip()
        self._tracer_of(self._runtime).start_span(name, kind=SpanKind.CLIENT, attributes=known).end()

    # --- as a watcher -------------------------------------------------------------------------------------------------

    def saw(self, chunk: object) -> bool:
        shield.run("instrumentation: result", None, self._tell, chunk)
        return True

    def read_whole(self, answer: object) -> None: ...

    def closing(self) -> None: ...

    def finished(self) -> None: ...

    def failed(self, error: BaseException) -> None: ...

    def lost(self) -> None: ...


_BATCH: Final = "batch"


def _content(result: object) -> bytes:
    """The body of what an SDK makes of a file: its text, or an object around the response."""
    return _bytes(result if isinstance(result, str) else getattr(result, "content", b""))


def _bytes(content: object) -> bytes:
    if isinstance(content, str):
        return content.encode("utf-8", "surrogatepass")
    return content if isinstance(content, bytes) else b""


def json_lines(body: bytes, marks: Collection[bytes] = ()) -> Iterator[object]:
    """The lines of a body, decoded one at a time as it may be large, up to one that lacks any of ``marks``. A line that
    is no JSON is left out."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", start)
        begin, end = start, len(body) if end < 0 else end
        start = end + 1
        if not body[begin : begin + 2].strip():
            continue
        if any(body.find(mark, begin, end) < 0 for mark in marks):
            return
        try:
            yield json.loads(body[begin:end])
        except ValueError:
            continue


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
