"""A tracing backend as small as can be: takes OTLP over HTTP (protobuf, gzip) on loopback and keeps what it got."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass(frozen=True)
class SinkSpan:
    """One received span; ids are lower-case hex, empty when absent."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    scope: str
    attributes: Mapping[str, object]
    resource: Mapping[str, object]


@dataclass(frozen=True)
class SinkLog:
    """One received log record; ``event`` is its event name."""

    event: str
    scope: str
    attributes: Mapping[str, object]


class OtlpSink:
    """Context manager. ``endpoint`` is what OTEL_EXPORTER_OTLP_ENDPOINT wants; the lists grow as requests come in."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[SinkSpan] = []
        self.trace_bodies: list[bytes] = []
        """The requests that brought them, as they came."""
        self.logs: list[SinkLog] = []
        self.metric_names: set[str] = set()
        self.sums: dict[str, list[tuple[Mapping[str, object], float]]] = {}
        """Counter name to its points as last received."""
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                known = sink._receive(self.path, body)
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Silence: requests are asserted on, not read."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="otlp-sink", daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> OtlpSink:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _receive(self, path: str, body: bytes) -> bool:
        if path == "/v1/traces":
            self.trace_bodies.append(body)
            self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
        elif path == "/v1/logs":
            self.logs.extend(_logs(ExportLogsServiceRequest.FromString(body)))
        elif path == "/v1/metrics":
            request = ExportMetricsServiceRequest.FromString(body)
            self.metric_names.update(_metric_names(request))
            self.sums.update(_sums(request))
        else:
            return False
        return True


def _spans(request: ExportTraceServiceRequest) -> list[SinkSpan]:
    return [
        SinkSpan(
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_span_id=span.parent_span_id.hex(),
            name=span.name,
            scope=of_scope.scope.name,
            attributes=attributes(span.attributes),
            resource=attributes(of_resource.resource.attributes),
        )
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _logs(request: ExportLogsServiceRequest) -> list[SinkLog]:
    return [
        SinkLog(event=record.event_name, scope=of_scope.scope.name, attributes=attributes(record.attributes))
        for of_resource in request.resource_logs
        for of_scope in of_resource.scope_logs
        for record in of_scope.log_records
    ]


def _metric_names(request: ExportMetricsServiceRequest) -> set[str]:
    return {
        metric.name
        for of_resource in request.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
    }


def _sums(request: ExportMetricsServiceRequest) -> dict[str, list[tuple[Mapping[str, object], float]]]:
    return {
        metric.name: [
            (attributes(point.attributes), point.as_double if point.HasField("as_double") else float(point.as_int))
            for point in metric.sum.data_points
        ]
        for of_resource in request.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
        if metric.HasField("sum")
    }


def attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """OTLP's list of key and value as a dict of plain Python values."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return attributes(value.kvlist_value.values)
        case kind:
            plain: object = getattr(value, kind)
            return plain
