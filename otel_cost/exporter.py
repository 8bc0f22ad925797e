"""A span exporter that writes the book: ``OTEL_TRACES_EXPORTER=otlp,otel_cost``, or ``otel_cost:`` in a file of the
SDK's settings.

It sees spans as any exporter does: ended, and sampled ones only. A verdict that stands on a span is adopted, so nothing
is priced twice; a span without one is priced here. Where otel-cost is installed into the process and writes the book by
itself (``ledger.url``), calls are in the book already, the unsampled too, and this adds only what was missed.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode
from opentelemetry.trace.span import format_span_id, format_trace_id

from otel_cost import runtime, semconv, shield
from otel_cost.config import Config, load_config
from otel_cost.ended import EndedSpan
from otel_cost.errors import ConfigError
from otel_cost.matching import Matcher
from otel_cost.model import Reason
from otel_cost.pipeline import Pipeline
from otel_cost.pricing import Pricer, pricer_of

if TYPE_CHECKING:
    from otel_cost.ledger.writer import LedgerWriter

DEFAULT_LEDGER: Final = "jsonl:"
"""The book of an exporter that no setting gives one."""
_AT_END_S: Final = 5.0
_log = logging.getLogger(semconv.LOGGER)


class CostSpanExporter(SpanExporter):
    """Books what spans cost. Called by span processors of the SDK, from their threads.

    Args:
        config: Settings; None reads them with the first spans, when everything else is set up.
        pricer: Where prices come from; None takes the runtime's, or what the settings say.
    """

    def __init__(self, config: Config | None = None, *, pricer: Pricer | None = None) -> None:
        self._config = config
        self._pricer = pricer
        self._instance = str(uuid.uuid4())
        self._lock = threading.Lock()
        self._booking: _Booking | None = None
        self._failed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand spans on to the book's queue. FAILURE where settings are wrong, which the log says once."""
        done = shield.run("span export", False, self._export, spans)
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all that was exported is in the book."""
        booking = self._booking
        return True if booking is None else booking.pipeline.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Book what is left. Spans that come afterwards are booked as well."""
        booking = self._booking
        if booking is not None:
            booking.pipeline.flush(_AT_END_S)

    def _export(self, spans: Sequence[ReadableSpan]) -> bool:
        booking = self._booking_now()
        if booking is None:
            return False
        for span in spans:
            if not (booking.shared and _is_booked(span)):
                booking.pipeline.process(_ended(span, self._instance))
        return True

    def _booking_now(self) -> _Booking | None:
        with self._lock:
            if self._booking is None and not self._failed:
                try:
                    self._booking = _booking_of(self._config, self._pricer)
                except ConfigError as error:
                    self._failed = True
                    _log.error("the span exporter otel_cost writes no book: %s", error)
            return self._booking


class _Booking:
    """What spans go through. ``shared``: the process's runtime has the same book, and writes what it settles there."""

    def __init__(self, config: Config, pricer: Pricer, book: LedgerWriter, *, shared: bool) -> None:
        self.shared = shared
        pricer.start_loading()
        self.pipeline = Pipeline(config=config, pricer=pricer, takers=(book,), matcher=Matcher(), adopt=True)


def _booking_of(config: Config | None, pricer: Pricer | None) -> _Booking:
    """With what the process has where otel-cost is installed, else with its own. Raises ConfigError."""
    installed = runtime.current() if config is None else None
    if installed is not None:
        config, pricer = installed.config, pricer or installed.pricer
        if installed.book is not None:
            return _Booking(config, pricer, installed.book, shared=True)
    config = config if config is not None else load_config()
    from otel_cost.ledger.writer import writer_of

    ledger = config.ledger if config.ledger.url else replace(config.ledger, url=DEFAULT_LEDGER)
    return _Booking(config, pricer or pricer_of(config), writer_of(ledger), shared=False)


def _is_booked(span: ReadableSpan) -> bool:
    """Whether the processor of this process settled it, and so has booked it or will once prices are there."""
    attributes = span.attributes or {}
    return semconv.STATUS in attributes and attributes.get(semconv.REASON) != Reason.FAULT


def _ended(span: ReadableSpan, instance: str) -> EndedSpan:
    own, scope, attributes = span.get_span_context(), span.instrumentation_scope, span.attributes or {}
    if own is None:
        raise ValueError("a span without a context was exported")
    failure = attributes.get(semconv.FAILURE) or attributes.get(semconv.ERROR_TYPE)
    failed = "_OTHER" if span.status.status_code is StatusCode.ERROR else ""
    return EndedSpan(
        trace_id=format_trace_id(own.trace_id),
        span_id=format_span_id(own.span_id),
        parent_span_id=format_span_id(span.parent.span_id) if span.parent is not None else "",
        name=span.name,
        kind=span.kind.name,
        scope=scope.name if scope is not None else "",
        scope_version=(scope.version or "") if scope is not None else "",
        start_ns=span.start_time or 0,
        end_ns=span.end_time or span.start_time or 0,
        attributes=attributes,
        resource={semconv.SERVICE_INSTANCE_ID: instance, **span.resource.attributes},
        error=failure if isinstance(failure, str) and failure else failed,
        sampled=own.trace_flags.sampled,
    )
