"""One admitted call: its span, what is written on it, and its one end.

A provider module reads requests and answers (``_request.py``); what is done with that is here, once for all providers.
Whatever goes wrong in here is otel-cost's own problem: nothing is raised into the app.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.span import format_span_id, format_trace_id

from otel_cost import semconv, shield
from otel_cost.model import record_key
from otel_cost.runtime import Hold, Runtime
from otel_cost_instrumentation._abandoned import Reaper
from otel_cost_instrumentation._body import overhear
from otel_cost_instrumentation._enclosing import Enclosed, enclosing
from otel_cost_instrumentation._estimates import Estimates
from otel_cost_instrumentation._once import Once
from otel_cost_instrumentation._read import Attributes
from otel_cost_instrumentation._request import Reader, Request
from otel_cost_instrumentation._stream import complete, is_raw, is_stream

_SECOND_NS: Final = 1e9


class Call:
    """One admitted call. Opens one span, finishes once, from any thread; no method but ``__init__`` raises."""

    __slots__ = (
        "_chunks", "_claimed", "_estimates", "_failure", "_first_chunk_s", "_hold", "_once", "_opened_ns",
        "_reader", "_reaper", "_request", "_runtime", "_span", "_teller", "_tracer_of", "inside",
    )  # fmt: skip

    def __init__(
        self,
        runtime: Runtime,
        tracer_of: Callable[[Runtime], Tracer],
        reaper: Reaper,
        told: Once,
        request: Request,
        hold: Hold | None,
    ) -> None:
        self._runtime = runtime
        self._teller = told.teller() if request.told_again else None
        self._tracer_of = tracer_of
        self._reaper = reaper
        self._request = request
        self._hold = hold
        self._estimates = Estimates(runtime.estimator, request.prompt, request.model)
        self._span: Span | None = None
        self._claimed = False
        self._failure = ""
        self._reader: Reader | None = None
        self._opened_ns = 0
        self._chunks = 0
        self._first_chunk_s = 0.0
        self.inside = Enclosed(request.parses_raw)
        self._once = threading.Lock()

    # --- before the answer --------------------------------------------------------------------------------------------

    def open(self) -> Span | None:
        """Claim somebody else's span for this call, or start one."""
        return shield.run("instrumentation: open", None, self._open)

    def _open(self) -> Span:
        request = self._request
        self._opened_ns = time.perf_counter_ns()
        around = enclosing()
        if around is not None:
            around.add(self)
        theirs = self._runtime.claimable(request.operation, request.model)
        if theirs is None:
            self._span = self._tracer_of(self._runtime).start_span(
                f"{request.operation} {request.model}".rstrip(), kind=SpanKind.CLIENT, attributes=request.attributes()
            )
            self._bind(self._span)
            return self._span
        self._claimed = True
        self._span = theirs
        self._bind(theirs)
        known: Mapping[str, object] = getattr(theirs, "attributes", None) or {}
        theirs.set_attributes({name: value for name, value in request.attributes().items() if name not in known})
        return theirs

    def _bind(self, span: Span) -> None:
        """What the span is found to cost comes out of the room that was taken for it."""
        if self._hold is not None:
            where = span.get_span_context()
            self._hold.bind(record_key(format_trace_id(where.trace_id), format_span_id(where.span_id)))

    # --- the answer ---------------------------------------------------------------------------------------------------

    def returned(self, result: object) -> object:
        """What the app gets for ``result``: the same object, or a stand-in that watches how it is read."""
        return shield.run("instrumentation: answer", result, self._returned, result)

    def _returned(self, result: object) -> object:
        stand_in = None
        try:
            stand_in = self._request.watch(result, self)
            self._write(self._request.accepted)
            if self._request.headers is not None and self.inside.headers is not None:
                self._write(self._request.headers(self.inside.headers))
            if stand_in is None:
                self.read_whole(complete(result))
                return result
            if is_raw(result):
                if not self._claimed:
                    self._overhear(result)
            elif is_stream(result) or self._request.parameters.get(semconv.REQUEST_STREAM):
                self._streams()
            self._lives_on()
            return stand_in
        finally:
            if stand_in is None:
                self.finished()

    def begun(self) -> None:
        """The call is open, and its stream is about to send the request."""
        shield.run("instrumentation: answer", None, self._streams)
        shield.run("instrumentation: answer", None, self._lives_on)

    def _streams(self) -> None:
        self._reader = self._request.reader(self._estimates.heard)
        self.closing()

    def _lives_on(self) -> None:
        # The stream may live for long; what was sent need not.
        self._request = self._request._replace(arguments={}, prompt=None, sent=())
        self._reaper.watch(self)

    def answered_inside(self, result: object) -> None:
        """The SDK made ``result`` and will end a span of its own next."""
        if self._claimed:
            self.read_whole(complete(result))
            if is_raw(result):
                self._overhear(result)

    def _overhear(self, raw: object) -> None:
        """Read the answer from ``raw`` when the app has, while the span is still open."""
        overhear(raw, lambda wire: self.read_whole(shield.run("instrumentation: body", None, wire.decoded)))

    def read_whole(self, answer: object) -> None:
        shield.run("instrumentation: extract", None, self._read_whole, answer)

    def _read_whole(self, answer: object) -> None:
        if answer is not None and self._span is not None and self._span.is_recording():
            found = self._request.answer(answer)
            # A call that the provider says has failed, without a count, is one that failed before it cost anything.
            if semconv.ERROR_TYPE not in found:
                found.update(self._estimates.of_answer(found, answer, self._request.written))
            self._write(self._charged(found))

    def saw(self, chunk: object) -> bool:
        reader = self._reader
        if reader is None or self._claimed or not self._first_chunk_s:
            return shield.run("instrumentation: chunk", True, self._saw, chunk)
        return shield.run("instrumentation: chunk", True, reader.read, chunk)

    def _saw(self, chunk: object) -> bool:
        if self._reader is None:
            self._reader = self._request.reader(self._estimates.heard)
        if not self._first_chunk_s:
            self._first_chunk_s = (time.perf_counter_ns() - self._opened_ns) / _SECOND_NS
        wanted = self._reader.read(chunk)
        self._chunks += 1
        # Its owner may end a claimed span at any moment without our hearing of it first (a finaliser, in any order), so
        # it is kept up to date; at powers of two that costs next to nothing.
        if self._claimed and (self._reader.final or self._chunks & (self._chunks - 1) == 0):
            self._describe(roughly=True)
        return wanted

    # --- the end ------------------------------------------------------------------------------------------------------

    def closing(self) -> None:
        """Bring a claimed span up to date: its owner ends it while the SDK closes the answer."""
        if self._claimed:
            shield.run("instrumentation: describe", None, self._describe)

    def failing(self, error: BaseException) -> None:
        """``error`` is on its way out of an SDK that will end a span of its own next."""
        if self._claimed:
            shield.run("instrumentation: inside", None, self._failing, error)

    def _failing(self, error: BaseException) -> None:
        found: Attributes = {semconv.FAILURE: failure_of(error)}
        if not isinstance(error, Exception):
            found[semconv.ERROR_TYPE] = failure_of(error)  # SDKs leave it out where the app stopped the call
        if self._span is not None:
            self._span.set_attributes(found)

    def failed(self, error: BaseException) -> None:
        """The SDK raised ``error``, which goes on to the app."""
        self._failure = failure_of(error)
        self.finished()

    def finished(self) -> None:
        if self._once.acquire(blocking=False):
            shield.run("instrumentation: end", None, self._finish)

    abandoned = finished

    def left_behind(self) -> None:
        if self._reader is not None:
            self.finished()

    def lost(self) -> None:
        if self._claimed:
            # In a finaliser nothing is loaded: another thread may be loading the same, and wait for a lock of this one.
            shield.run("instrumentation: describe", None, self._describe, roughly=True)
        self._reaper.abandon(self)

    def _finish(self) -> None:
        self._reaper.forget(self)
        self.inside.end()
        try:
            shield.run("instrumentation: describe", None, self._describe)
        finally:
            self._estimates.forget()
            try:
                if self._span is not None and not self._claimed:
                    self._span.end()
            finally:
                if self._hold is not None and self._claimed:
                    self._hold.leave()
                elif self._hold is not None:
                    self._hold.release()

    # --- attributes ---------------------------------------------------------------------------------------------------

    def _describe(self, roughly: bool = False) -> None:
        """Write what a streamed answer has shown so far, estimated where the provider did not say."""
        found: Attributes = {}
        if self._reader is not None:
            found = self._charged(self._reader.attributes())
            if self._first_chunk_s:
                found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = self._first_chunk_s
            estimated = self._estimated(found, self._reader.final, roughly)
            if self._reader.final and self._claimed and not estimated:
                # Takes back what was written before the end.
                estimated = {semconv.USAGE_ESTIMATED: False, semconv.USAGE_ESTIMATED_HOW: ""}
            found.update(estimated)
        if self._failure:
            found[semconv.ERROR_TYPE] = self._failure
        self._write(found)

    def _charged(self, found: Attributes) -> Attributes:
        return found if self._teller is None else self._teller.charged(found)

    def _estimated(self, known: Attributes, final: bool, roughly: bool) -> Attributes:
        # A stream that failed before it brought anything is a call that failed, not one that generated nothing.
        failed = (self._failure and not self._first_chunk_s) or semconv.ERROR_TYPE in known
        if failed and self._estimates.heard.empty:
            return {}
        return self._estimates.of_stream(known, final=final, roughly=roughly)

    def _write(self, attributes: Attributes) -> None:
        span = self._span
        if span is None or not attributes or not span.is_recording():
            return
        if semconv.ERROR_TYPE not in attributes:
            span.set_attributes(attributes)
        elif self._claimed:
            # Whether a call failed is for the owner of its span to say.
            renamed = {semconv.ERROR_TYPE: semconv.FAILURE}
            span.set_attributes({renamed.get(name, name): value for name, value in attributes.items()})
        else:
            span.set_attributes(attributes)
            span.set_status(Status(StatusCode.ERROR))


_WHILE_READING: Final = frozenset({"ReadError", "RemoteProtocolError"})
"""Errors of the HTTP libraries after a request was sent."""


def failure_of(error: BaseException) -> str:
    """The class that says what happened: SDKs wrap a lost connection like one that never was, when nothing was sent."""
    cause = type(error.__cause__).__qualname__
    return cause if cause in _WHILE_READING else type(error).__qualname__
