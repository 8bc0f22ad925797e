"""Records what is sampled out, so that spend stays complete under any sampler.

Spans that a sampler drops reach no processor. Tracers of known GenAI emitters record all that their sampler drops; all
others record a dropped span only when its start attributes or its parent say GenAI. Such a span is priced and counted;
it keeps its not-sampled flag, so exporters skip it and its children follow the sampler's decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from otel_cost import dialects
from otel_cost.processor import node_of


class RecordingSampler(Sampler):
    """``root``, except that spans it drops are recorded: all of them (``always``), or those that look GenAI.

    Unlike the SDK's own always-record sampler it gives a recorded span the attributes that it was created with: a
    sampler that drops returns none, and the model's name would be lost.
    """

    def __init__(self, root: Sampler, *, always: bool) -> None:
        self._root = root
        self._always = always

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        result = self._root.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is Decision.DROP and (self._always or _looks_genai(parent_context, attributes)):
            return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)
        return result

    def get_description(self) -> str:
        return f"RecordingSampler{{{self._root.get_description()}}}"


def _looks_genai(parent_context: Context | None, attributes: Attributes) -> bool:
    if attributes and not dialects.EVIDENCE.isdisjoint(attributes):
        return True
    parent = node_of(trace.get_current_span(parent_context))
    return parent is not None and parent.genai


def record_sampled_out(provider: TracerProvider) -> None:
    """Make tracers of ``provider`` record GenAI spans that their sampler drops. Tracers handed out before are adapted
    too, as far as the provider still knows them; idempotent."""
    original = provider.get_tracer

    # Providers that wrap the SDK's take arguments of their own (Logfire's do): they are handed through as they come.
    @wraps(original)
    def get_tracer(instrumenting_module_name: str, *args: Any, **kwargs: Any) -> trace.Tracer:
        tracer = original(instrumenting_module_name, *args, **kwargs)
        adapt(tracer, instrumenting_module_name)
        return tracer

    provider.get_tracer = get_tracer  # type: ignore[method-assign]
    cached = getattr(provider, "_tracers", None)
    if isinstance(cached, dict):
        for scope, tracer in list(cached.items()):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            adapt(tracer, getattr(scope, "name", ""))  # pyright: ignore[reportUnknownArgumentType]


def adapt(tracer: trace.Tracer, scope: str) -> None:
    """Put a recording sampler around the tracer's own. Idempotent."""
    if isinstance(tracer, Tracer) and not isinstance(tracer.sampler, RecordingSampler):
        tracer.sampler = RecordingSampler(tracer.sampler, always=dialects.emitter_of(scope) is not None)
