"""Prices spans of this process while they end, so that the cost is on the span that every exporter sees.

A span is already frozen when processors are told of its end, so the end itself has to be met: ``on_start`` turns the
span into an instance of a cached subclass of its own class, whose ``end`` takes the end time first (pricing must not
lengthen the span), settles, sets the attributes, and then ends it as its class would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, cast

from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as _SUPPRESSED  # pyright: ignore[reportPrivateUsage]
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode
from opentelemetry.trace.span import format_span_id, format_trace_id

from otel_cost import callers, dialects, labelling, semconv, shield, wire
from otel_cost.config import Config
from otel_cost.ended import EndedSpan
from otel_cost.finalising import Finaliser, inside_collection, watch_collections
from otel_cost.model import EMPTY, Charge, CostRecord, Kind, Reason, Status, nano_to_usd
from otel_cost.pipeline import Pipeline
from otel_cost.sightings import NOTHING_INSIDE, Inside, is_ours
from otel_cost.switching import Switch, is_disabled

_NODE: Final = "_otel_cost_node"
_ENDED: Final = "_otel_cost_ended"
_KEPT: Final = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.SYSTEM,
    semconv.REQUEST_MODEL,
)
"""Attributes kept from the start: past 128 the SDK drops the oldest ones."""
_SCOPES_AT_MOST: Final = 10_000


class Node:
    """What is remembered of an open span: its place in the tree and what was counted below it."""

    # Defaults live on the class: most spans are no calls, and every assignment is paid for each of them.
    genai = False
    hides = False  # whether its emitter keeps the spans inside it from being exported
    kept: Mapping[str, object] = EMPTY
    enriched = False
    settled = False
    ended = False
    inside = NOTHING_INSIDE
    subtree_nano = 0
    charge: Charge | None = None

    def __init__(self, processor: CostSpanProcessor, parent: Node | None, where: Context) -> None:
        self.processor = processor
        self.parent = parent
        self.where: Context | None = where

    def end(self) -> None:
        """The span has ended. Its context is let go: it holds the parent span, and that its own, without end in an app
        whose jobs start each other."""
        self.ended = True
        self.where = None

    def claim(self) -> bool:
        """Mark the span as enriched by one of our instrumentors; False when another call did so before."""
        with _nodes_lock:
            first, self.enriched = not self.enriched, True
        return first


_nodes_lock: Final = threading.RLock()
"""Over what nodes of several spans share. Re-entrant: a signal's handler may end a span in the middle of it."""


def node_of(span: object) -> Node | None:
    """The node of an open span; None for spans that are not recorded, ended, or not of an instrumented provider."""
    return cast("Node | None", getattr(span, _NODE, None))


def charge_of(span: object) -> Charge | None:
    """What an ended span of this process cost; None for one that is no GenAI operation, has not ended, or belongs to a
    provider that otel-cost is not installed into."""
    node = node_of(span)
    return node.charge if node is not None else None


class _GenaiScopes(dict[str, bool]):
    """Whether spans of a scope are treated as calls from their start: those of known emitters, and of scopes that were
    seen to write such spans (which are put in)."""

    def __missing__(self, scope: str) -> bool:
        known = dialects.emitter_of(scope) is not None
        if len(self) < _SCOPES_AT_MOST:
            self[scope] = known
        return known


class CostSpanProcessor(SpanProcessor):
    """Settles GenAI spans as they end. Add it to a provider with ``otel_cost.install(provider)``.

    Callbacks run on the app's threads, never block and never raise.
    """

    def __init__(
        self, pipeline: Pipeline, config: Config, *, instance_id: str, on_genai: Callable[[], None] = lambda: None
    ) -> None:
        self._pipeline = pipeline
        self._baggage = config.labels.baggage
        self._resolver = labelling.Resolver(config)
        self._compat = config.compat
        self._static = config.labels.static
        self._switch: Switch = config.recording_switch
        self._instance = instance_id
        self._on_genai = on_genai
        self._genai_scopes = _GenaiScopes()
        self._finaliser = Finaliser()
        watch_collections()
        self._last_resource: tuple[object, Mapping[str, object]] = (None, {})

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        # Every span of the app comes by here: what is not needed for all of them is in _start_call.
        if node_of(span) is not None:
            return  # a second processor of ours on the same provider
        where = parent_context if parent_context is not None else context.get_current()
        scope = span.instrumentation_scope
        parent = node_of(trace.get_current_span(where))
        while parent is not None and parent.ended:
            parent = parent.parent
        if parent is not None and parent.hides and where.get(_SUPPRESSED):
            return  # exported nowhere, so it must not carry the money
        node = Node(self, parent, where)
        setattr(span, _NODE, node)
        span.__class__ = _ending_classes[type(span)]
        if scope is not None and self._genai_scopes[scope.name]:
            shield.run("span start", None, self._start_call, span, node, scope.name)

    def _start_call(self, span: Span, node: Node, scope: str) -> None:
        node.genai = True
        emitter = dialects.emitter_of(scope)
        node.hides = emitter is not None and emitter.hides
        attributes = _attributes_of(span)
        node.kept = {name: attributes[name] for name in _KEPT if name in attributes}
        self._finaliser.prepare()
        self._on_genai()

    # --- the end ------------------------------------------------------------------------------------------------------

    def settle(self, span: Span, node: Node, end_ns: int) -> None:
        """Price ``span``, which is about to end at ``end_ns``, and write what it cost on it."""
        attributes = _attributes_of(span)
        if node.genai or not dialects.EVIDENCE.isdisjoint(attributes):
            self._settle_call(span, node, attributes, end_ns)
        if node.subtree_nano:
            span.set_attribute(semconv.SUBTREE_COST, nano_to_usd(node.subtree_nano))

    def _settle_call(self, span: Span, node: Node, attributes: dict[str, object], end_ns: int) -> None:
        if is_disabled(self._switch, node.where):
            span.set_attribute(semconv.DISABLED, True)
            return
        around = {**labels_around(self._resolver, node.where), **callers.attributes_in(node.where)}
        route = around.pop(semconv.HTTP_ROUTE, None)
        if route is not None:
            around.setdefault(semconv.CALLER_ROUTE, route)
        ended = self._ended(span, node, {**around, **node.kept, **attributes}, end_ns)
        record = self._pipeline.process(ended)
        if record is None:
            return
        node.charge = record.charge
        if not node.genai and len(self._genai_scopes) < _SCOPES_AT_MOST:
            self._genai_scopes[ended.scope] = True
        # With what the SDK dropped to make room: whoever prices the span after us needs to know its model as well.
        written: dict[str, wire.Value] = {
            name: value
            for name, value in {**around, **node.kept}.items()
            if name not in attributes and isinstance(value, wire.Value)
        }
        # Said in code, in baggage or in settings: backends and the book would not know it otherwise.
        written.update({semconv.label_attribute(label): value for label, value in ended.labels.items()})
        for label, value in self._static.items():
            name = semconv.label_attribute(label)
            if name not in attributes and name not in written:
                written[name] = value
        written.update(wire.charge_to_attributes(record.charge))
        if record.opinions:
            written.update(wire.opinions_to_attributes(record.opinions))
        written.update(_compatible(record, self._compat))
        span.set_attributes(written)
        _add_to_ancestors(node, record)

    def _ended(self, span: Span, node: Node, attributes: Mapping[str, object], end_ns: int) -> EndedSpan:
        own = span.get_span_context()
        scope = span.instrumentation_scope
        who = {**labelling.from_baggage(self._baggage, node.where), **labelling.current(node.where)}
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
            resource=self._resource_of(span),
            error=_error_of(span, attributes),
            labels=who,
            sampled=own.trace_flags.sampled,
            inside=node.inside,
        )

    def _resource_of(self, span: Span) -> Mapping[str, object]:
        """The resource's attributes as a plain mapping. One process is one instance, whatever its resource says."""
        seen, attributes = self._last_resource
        if seen is not span.resource:
            attributes = {semconv.SERVICE_INSTANCE_ID: self._instance, **span.resource.attributes}
            self._last_resource = (span.resource, attributes)
        return attributes

    def put_off(self, work: Callable[[], None]) -> None:
        """Run ``work``, the end of a span, on a thread that holds no locks."""
        self._finaliser.put(work)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: the work was done while the span could still be written to."""

    def shutdown(self) -> None:
        self.force_flush(5000)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self._finaliser.drain()
        return self._pipeline.flush(timeout_millis / 1000)


_EVIDENCE: Final = dialects.EVIDENCE
_FAULTED: Final = object()
_FAULT_ATTRIBUTES: Final = wire.charge_to_attributes(Charge(Status.UNPRICED, Reason.FAULT))


class _EndingClasses(dict[type, type]):
    """A span class to its subclass whose ``end`` settles the span first."""

    def __missing__(self, cls: type) -> type:
        made = self[cls] = _make_ending_class(cls)
        return made


_ending_classes: Final = _EndingClasses()


def _make_ending_class(cls: type[Span]) -> type[Span]:
    def end(self: Span, end_time: int | None = None) -> None:
        end_ns = time.time_ns() if end_time is None else end_time
        node = node_of(self)
        if node is None:
            return cls.end(self, end_ns)
        if not (node.genai or node.subtree_nano) and _EVIDENCE.isdisjoint(_attributes_of(self)):
            node.end()
            return cls.end(self, end_ns)
        if inside_collection():
            return node.processor.put_off(partial(end, self, end_ns))
        if _is_first(self):
            try:
                _settle_once(self, node, end_ns)
            finally:
                # Whatever interrupts the settling (a signal's exception, too): the span ends.
                node.end()
                try:
                    cls.end(self, end_ns)
                finally:
                    vars(self)[_ENDED].release()
        return None

    return type(cls.__name__, (cls,), {"end": end, "__module__": cls.__module__, "__qualname__": cls.__qualname__})


def _is_first(span: Span) -> bool:
    """Whether this is the first end() of ``span``. A second one waits until the first is through.

    The mark is on the instance, while a copy of a span shares its node: it ends by itself, settled once. The lock is
    re-entrant, so that a signal handler which ends the very span that is being settled does not wait for itself.
    """
    lock = threading.RLock()
    lock.acquire()
    first: threading.RLock = vars(span).setdefault(_ENDED, lock)
    if first is lock:
        return True
    with first:
        return False


def _settle_once(span: Span, node: Node, end_ns: int) -> None:
    if node.settled:
        return
    node.settled = True
    done = shield.run("span end", _FAULTED, node.processor.settle, span, node, end_ns)
    if done is _FAULTED:
        span.set_attributes(_FAULT_ATTRIBUTES)


def _attributes_of(span: Span) -> dict[str, object]:
    """A copy of the span's attributes."""
    try:
        # The SDK's own container copies without a lock and without a step for each key; the public property wraps it.
        return cast("dict[str, object]", getattr(span, "_attributes").copy())  # noqa: B009
    except AttributeError:
        return dict(span.attributes or {})


def _error_of(span: Span, attributes: Mapping[str, object]) -> str:
    error = attributes.get(semconv.FAILURE) or attributes.get(semconv.ERROR_TYPE)
    if isinstance(error, str) and error:
        return error
    return "_OTHER" if span.status.status_code is StatusCode.ERROR else ""


def _add_to_ancestors(node: Node, record: CostRecord) -> None:
    if not record.charge.status.counted and record.charge.status is not Status.UNPRICED:
        return
    counted = _counted(record)
    nano = record.charge.amount_nano
    above = node.parent
    with _nodes_lock:  # calls that run side by side add to the same spans
        while above is not None:
            above.inside = above.inside.plus(counted)
            above.subtree_nano += nano
            above = above.parent


def _counted(record: CostRecord) -> Inside:
    """What the record is to the spans around it: a tool is no call of a model's."""
    if record.kind is not Kind.LLM:
        return NOTHING_INSIDE
    into, out = (record.usage.get("input_tokens"), record.usage.get("output_tokens")) if record.usage else (0, 0)
    return Inside(1, int(is_ours(record.scope)), into, out, int(record.charge.reason is Reason.FAILED))


def labels_around(resolver: labelling.Resolver, where: Context | None) -> dict[str, object]:
    """Label attributes of the open spans around ``where``, the nearest one's winning: a request's span says whose it is
    for all calls inside it."""
    found: dict[str, object] = {}
    while where is not None:
        span = trace.get_current_span(where)
        node = node_of(span)
        if node is None or node.ended:
            break
        found = {**resolver.only_labels(_attributes_of(cast("Span", span))), **found}
        where = node.where
    return found


def _compatible(record: CostRecord, compat: tuple[str, ...]) -> dict[str, float]:
    """The cost under the names that other products read."""
    if not compat or not record.charge.status.counted:
        return {}
    usd = nano_to_usd(record.charge.amount_nano)
    found: dict[str, float] = {}
    if "openlit" in compat:
        found[semconv.COMPAT_OPENLIT_COST] = usd
    if "logfire" in compat:
        found[semconv.COMPAT_LOGFIRE_COST] = usd
    if "openinference" in compat:
        parts = {"total": usd, "prompt": _sum_usd(record, (0, 2, 3)), "completion": _sum_usd(record, (1,))}
        found.update({semconv.COMPAT_OPENINFERENCE_PREFIX + name: value for name, value in parts.items()})
    return found


def _sum_usd(record: CostRecord, indexes: tuple[int, ...]) -> float:
    return nano_to_usd(sum(record.charge.parts[index] for index in indexes))
