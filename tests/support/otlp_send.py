"""OTLP requests made by hand: what an app in any language would send."""

from __future__ import annotations

import secrets
import time

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tests.support import http

PROTOBUF = "application/x-protobuf"


def _pairs(attributes: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]


def span(endpoint: str, name: str, *, resource: dict[str, str], attributes: dict[str, str]) -> int:
    """Send one ended span to ``endpoint``; the HTTP status."""
    now = time.time_ns()
    one = Span(
        trace_id=secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        name=name,
        start_time_unix_nano=now - 1_000_000,
        end_time_unix_nano=now,
        attributes=_pairs(attributes),
    )
    scope = ScopeSpans(scope=InstrumentationScope(name="by-hand"), spans=[one])
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=Resource(attributes=_pairs(resource)), scope_spans=[scope])]
    )
    return http.post(f"{endpoint}/v1/traces", request.SerializeToString(), PROTOBUF)


def counter(
    endpoint: str, name: str, unit: str, value: float, *, resource: dict[str, str], attributes: dict[str, str]
) -> int:
    """Send one cumulative, monotonic sum to ``endpoint``; the HTTP status."""
    now = time.time_ns()
    point = NumberDataPoint(
        start_time_unix_nano=now - 1_000_000_000,
        time_unix_nano=now,
        as_double=value,
        attributes=_pairs(attributes),
    )
    total = Sum(
        data_points=[point],
        aggregation_temporality=AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
        is_monotonic=True,
    )
    scope = ScopeMetrics(scope=InstrumentationScope(name="by-hand"), metrics=[Metric(name=name, unit=unit, sum=total)])
    request = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=Resource(attributes=_pairs(resource)), scope_metrics=[scope])]
    )
    return http.post(f"{endpoint}/v1/metrics", request.SerializeToString(), PROTOBUF)
