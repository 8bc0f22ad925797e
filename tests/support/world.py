"""A process's telemetry in miniature: real SDK providers with in-memory ends, and otel-cost installed into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import Span, SpanKind, Tracer

from otel_cost import runtime, semconv
from otel_cost.config import Config
from otel_cost.pricing import Pricer, pricer_of
from otel_cost.runtime import Runtime

OFFICIAL = "opentelemetry.instrumentation.genai.openai"
"""A scope of the wire layer."""
FRAMEWORK = "opentelemetry.instrumentation.genai.langchain"
"""A scope of the framework layer."""
PRICES = pricer_of(Config())
"""Loaded once for all tests: loading takes most of a second."""


def chat(
    model: str = "gpt-4o", *, provider: str = "openai", operation: str = "chat", **more: str | int | float | bool
) -> dict[str, str | int | float | bool]:
    """Start attributes of a conventional span; ``more`` is added as it is, with ``__`` for dots."""
    return {
        semconv.OPERATION_NAME: operation,
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: model,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


@dataclass
class World:
    """One process: what it emitted, and how to emit more."""

    provider: TracerProvider
    spans: InMemorySpanExporter
    metrics: InMemoryMetricReader
    logs: InMemoryLogRecordExporter
    runtime: Runtime
    tracers: dict[str, Tracer] = field(default_factory=dict)

    def tracer(self, scope: str = OFFICIAL) -> Tracer:
        return self.provider.get_tracer(scope, "1")

    @contextmanager
    def call(
        self,
        *,
        scope: str = OFFICIAL,
        usage: tuple[int, int] | None = (1000, 100),
        id: str = "",
        kind: SpanKind = SpanKind.CLIENT,
        **attributes: str | int | float | bool,
    ) -> Iterator[Span]:
        """A span around a provider call as an instrumentation would write it."""
        start = {**chat(), **{name.replace("__", "."): value for name, value in attributes.items()}}
        with self.tracer(scope).start_as_current_span("chat", kind=kind, attributes=start) as span:
            yield span
            if usage is not None:
                span.set_attribute(semconv.USAGE_INPUT_TOKENS, usage[0])
                span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, usage[1])
            if id:
                span.set_attribute(semconv.RESPONSE_ID, id)

    def finished(self, name: str | None = None) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if name is None or span.name == name]

    def statuses(self) -> list[str]:
        return [str((span.attributes or {}).get(semconv.STATUS, "")) for span in self.finished()]

    def points(self, metric: str) -> list[tuple[Mapping[str, object], float]]:
        """The data points of a counter or gauge, over all scopes."""
        data = self.metrics.get_metrics_data()
        if data is None:
            return []
        return [
            (dict(point.attributes or {}), point.value)  # type: ignore[union-attr]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for found in scope.metrics
            if found.name == metric
            for point in found.data.data_points
        ]

    def spend(self) -> float:
        return sum(value for _, value in self.points(semconv.METRIC_SPEND))

    def events(self, name: str) -> list[Mapping[str, object]]:
        return [
            dict(entry.log_record.attributes or {})
            for entry in self.logs.get_finished_logs()
            if entry.log_record.event_name == name
        ]


def make_world(
    config: Config | None = None,
    *,
    sampler: Sampler | None = None,
    pricer: Pricer | None = None,
    resource: Mapping[str, str] | None = None,
    temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE,
) -> World:
    """A fresh world. Prices are there already unless a ``pricer`` says otherwise."""
    if pricer is None:
        PRICES.start_loading()
        assert PRICES.catalog(60) is not None
        pricer = PRICES
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = TracerProvider(sampler=sampler, resource=Resource(dict(resource or {})), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    metrics = InMemoryMetricReader(preferred_temporality=_all_instruments(temporality))
    logger_provider = LoggerProvider(shutdown_on_exit=False)
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    runtime.uninstall()
    installed = runtime.install(
        provider,
        config=config or Config(),
        meter_provider=MeterProvider([metrics], shutdown_on_exit=False),
        logger_provider=logger_provider,
        pricer=pricer,
    )
    assert installed is not None
    return World(provider, spans, metrics, logs, installed)


def _all_instruments(temporality: AggregationTemporality) -> dict[type, AggregationTemporality]:
    from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter

    return {Counter: temporality, ObservableCounter: temporality, Histogram: temporality}
