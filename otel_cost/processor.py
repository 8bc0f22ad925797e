"""Prices spans of this process while they end, so that the cost is on the span that every exporter sees.

A span is already frozen when processors are told of its end, so the end itself has to be met: ``on_start`` turns the
span into an instance of a cached subclass of its own class, whose ``end`` takes the end time first (pricing must not
lengthen the span), settles, sets the attributes, and then ends it as its class would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode
from opentelemetry.trace.span import format_span_id, format_trace_id

from otel_cost import dialects, labelling, semconv, shield, wire
from otel_cost.config import Config
from otel_cost.matching import Inside
from otel_cost.model import EMPTY, NANO, Charge, CostRecord, Reason, Status, nano_to_usd
from otel_cost.pipeline import EndedSpan, Pipeline

_NODE: Final = "_otel_cost_node"
_ENDED: Final = "_otel_cost_ended"
_KEPT: Final = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.SYSTEM,
    semconv.REQUEST_MODEL,
)
"""Attributes kept from the start: past 128 the SDK drops the oldest ones."""


class Node:
    """What is remembered of an open span: its place in the tree and what was counted below it."""

    __slots__ = (
        "calls",
        "enriched",
        "genai",
        "kept",
        "labels",
        "lock",
        "own_calls",
        "parent",
        "processor",
        "settled",
        "subtree_nano",
    )

    def __init__(
        self,
        processor: CostSpanProcessor,
        parent: Node | None,
        genai: bool,
        kept: Mapping[str, object],
        who: Mapping[str, str],
    ) -> None:
        self.processor = processor
        self.parent = parent
        self.genai = genai
        self.kept = kept
        self.labels = who
        self.lock = threading.Lock()
        self.enriched = False
        self.settled = False
        self.calls = 0
        self.own_calls = 0
        self.subtree_nano = 0

    def claim(self) -> bool:
        """Mark the span as enriched by one of our instrumentors; False when another call did so before."""
        with self.lock:
            first, self.enriched = not self.enriched, True
        return first


def node_of(span: object) -> Node | None:
    """The node of an open span; None for spans that are not recorded, ended, or not of an instrumented provider."""
    return cast("Node | None", getattr(span, _NODE, None))


class CostSpanProcessor(SpanProcessor):
    """Settles GenAI spans as they end. Add it to a provider with ``otel_cost.install(provider)``.

    Callbacks run on the app's threads, never block and never raise.
    """

    def __init__(
        self, pipeline: Pipeline, config: Config, *, instance_id: str, on_genai: Callable[[], None] = lambda: None
    ) -> None:
        self._pipeline = pipeline
        self._baggage = config.labels.baggage
        self._compat = config.compat
        self._instance = instance_id
        self._on_genai = on_genai

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        shield.run("span start", None, self._start, span, parent_context)

    def _start(self, span: Span, parent_context: Context | None) -> None:
        if _NODE in span.__dict__:
            return  # a second processor of ours on the same provider
        parent = node_of(trace.get_current_span(parent_context))
        attributes = span.attributes or {}
        scope = span.instrumentation_scope
        genai = not dialects.EVIDENCE.isdisjoint(attributes) or (
            scope is not None and dialects.emitter_of(scope.name) is not None
        )
        kept: Mapping[str, object] = EMPTY
        if genai:
            kept = {name: attributes[name] for name in _KEPT if name in attributes}
            self._on_genai()
        who = labelling.current(parent_context)
        if self._baggage:
            who = {**labelling.from_baggage(self._baggage, parent_context), **who}
        setattr(span, _NODE, Node(self, parent, genai, kept, who))
        span.__class__ = _ending_class(type(span))

    # --- the end ------------------------------------------------------------------------------------------------------

    def settle(self, span: Span, node: Node, end_ns: int) -> None:
        """Price ``span``, which is about to end at ``end_ns``, and write what it cost on it."""
        attributes = span.attributes or {}
        if node.genai or not dialects.EVIDENCE.isdisjoint(attributes):
            record = self._pipeline.process(self._ended(span, node, attributes, end_ns))
            if record is not None:
                span.set_attributes(wire.charge_to_attributes(record.charge))
                _write_compat(span, record, self._compat)
                _add_to_ancestors(node, record)
        if node.subtree_nano:
            span.set_attribute(semconv.SUBTREE_COST, nano_to_usd(node.subtree_nano))

    def _ended(self, span: Span, node: Node, attributes: Mapping[str, object], end_ns: int) -> EndedSpan:
        if any(name not in attributes for name in node.kept):
            attributes = {**node.kept, **attributes}
        own = span.get_span_context()
        scope = span.instrumentation_scope
        resource = span.resource.attributes
        if semconv.SERVICE_INSTANCE_ID not in resource:
            # One process is one instance to matching, whatever its resource says.
            resource = {**resource, semconv.SERVICE_INSTANCE_ID: self._instance}
        return EndedSpan(
            trace_id=format_trace_id(own.trace_id),
            span_id=format_span_id(own.span_id),
            parent_span_id=format_span_id(span.parent.span_id) if span.parent is not None else "",
            name=span.name,
            kind=span.kind.name,
            scope=scope.name if scope is not None else "",
            scope_version=(scope.version or "") if scope is not None else "",
            start_ns=span.start_time or end_ns,
            end_ns=end_ns,
            attributes=attributes,
            resource=resource,
            error=_error_of(span, attributes),
            labels=node.labels,
            sampled=own.trace_flags.sampled,
            enriched=node.enriched,
            inside=Inside(node.calls, node.own_calls),
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: the work was done while the span could still be written to."""

    def shutdown(self) -> None:
        self._pipeline.flush(5.0)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._pipeline.flush(timeout_millis / 1000)


_FAULTED: Final = object()
_FAULT_ATTRIBUTES: Final = wire.charge_to_attributes(Charge(Status.UNPRICED, Reason.FAULT))
_ending_classes: Final[dict[type, type]] = {}


def _ending_class(cls: type[Span]) -> type[Span]:
    """The cached subclass of ``cls`` whose ``end`` settles the span first."""
    found = _ending_classes.get(cls)
    if found is None:
        found = _ending_classes[cls] = _make_ending_class(cls)
    return found


def _make_ending_class(cls: type[Span]) -> type[Span]:
    def end(self: Span, end_time: int | None = None) -> None:
        end_ns = time.time_ns() if end_time is None else end_time
        node = node_of(self)
        if node is not None:
            # A second end() waits until the first has written its attributes, then does nothing. That mark is on the
            # instance, while a copy of a span shares its node and attributes: it ends by itself, settled once.
            with node.lock:
                if self.__dict__.get(_ENDED, False):
                    return
                setattr(self, _ENDED, True)
                if not node.settled:
                    node.settled = True
                    done = shield.run("span end", _FAULTED, node.processor.settle, self, node, end_ns)
                    if done is _FAULTED and node.genai:
                        self.set_attributes(_FAULT_ATTRIBUTES)
        cls.end(self, end_ns)

    return type(cls.__name__, (cls,), {"end": end, "__module__": cls.__module__, "__qualname__": cls.__qualname__})


def _error_of(span: Span, attributes: Mapping[str, object]) -> str:
    error = attributes.get(semconv.ERROR_TYPE)
    if isinstance(error, str) and error:
        return error
    return "_OTHER" if span.status.status_code is StatusCode.ERROR else ""


def _add_to_ancestors(node: Node, record: CostRecord) -> None:
    if not record.charge.status.counted and record.charge.status is not Status.UNPRICED:
        return
    ours = record.scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX)
    nano = record.charge.amount_nano
    above = node.parent
    while above is not None:
        above.calls += 1
        above.own_calls += ours
        above.subtree_nano += nano
        above = above.parent


def _write_compat(span: Span, record: CostRecord, compat: tuple[str, ...]) -> None:
    if not compat or not record.charge.status.counted:
        return
    usd = record.charge.amount_nano / NANO
    if "openlit" in compat:
        span.set_attribute(semconv.COMPAT_OPENLIT_COST, usd)
    if "logfire" in compat:
        span.set_attribute(semconv.COMPAT_LOGFIRE_COST, usd)
    if "openinference" in compat:
        names = {"total": usd, "prompt": _sum_usd(record, (0, 2, 3)), "completion": _sum_usd(record, (1,))}
        span.set_attributes({semconv.COMPAT_OPENINFERENCE_PREFIX + name: value for name, value in names.items()})


def _sum_usd(record: CostRecord, indexes: tuple[int, ...]) -> float:
    return nano_to_usd(sum(record.charge.parts[index] for index in indexes))
