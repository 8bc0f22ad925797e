"""Where the sample app sends its telemetry: it keeps everything to show it, and passes on what the server takes.

An app has one OTLP endpoint; in earnest a collector stands there and fans out. Here this sink does: spans and log
events go on to ``otel-cost serve`` byte for byte and the server's answer goes back, so that a failure there is seen by
the exporter. Metrics stay here: the server has no use for them. The spans are kept because the tree needs those that
cost nothing (agents, sessions), which no ledger holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

from otel_cost.demo.loopback import Handler, Loopback
from otel_cost.ended import EndedSpan
from otel_cost.server import otlp

MAX_BYTES: Final = 50 * 2**20
_PROTOBUF: Final = otlp.Encoding.PROTOBUF
Attributes = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Event:
    """One log event by its name."""

    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Point:
    """The last value of one series of a counter or gauge."""

    metric: str
    attributes: Attributes
    value: float


def direct() -> OpenerDirector:
    """An opener for loopback addresses: whatever proxy the environment names is not asked."""
    return build_opener(ProxyHandler({}))


class Sink:
    """A context manager. ``spans``, ``events`` and ``points`` grow while it runs, and may be read from any thread."""

    def __init__(self, forward_to: str) -> None:
        self.spans: list[EndedSpan] = []
        self.events: list[Event] = []
        self._points: dict[tuple[str, str], Point] = {}
        self._forward_to = forward_to
        self._server = Loopback(self, _Handler)

    @property
    def endpoint(self) -> str:
        """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` wants."""
        return self._server.url

    @property
    def points(self) -> tuple[Point, ...]:
        return tuple(self._points.values())

    def __enter__(self) -> Sink:
        self._server.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.__exit__(*exc_info)

    def receive(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Keep one export and pass it on; the HTTP status to answer with."""
        plain = otlp.decompress(body, headers.get("content-encoding", ""), MAX_BYTES)
        if path == "/v1/metrics":
            self._keep_points(ExportMetricsServiceRequest.FromString(plain))
            return 200
        if path == "/v1/traces":
            self.spans.extend(otlp.spans_of(otlp.parse_traces(plain, _PROTOBUF), otlp.Rejected()))
        elif path == "/v1/logs":
            self._keep_events(plain)
        else:
            return 404
        return self._pass_on(path, body, headers)

    def _keep_events(self, plain: bytes) -> None:
        for resource in otlp.parse_logs(plain, _PROTOBUF).resource_logs:
            for scope in resource.scope_logs:
                self.events += [
                    Event(record.event_name, _attributes(record.attributes))
                    for record in scope.log_records
                    if record.event_name
                ]

    def _keep_points(self, request: ExportMetricsServiceRequest) -> None:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in _number_points(metric):
                        attributes = _attributes(point.attributes)
                        value = point.as_double if point.HasField("as_double") else point.as_int
                        self._points[metric.name, repr(sorted(attributes.items()))] = Point(
                            metric.name, attributes, value
                        )

    def _pass_on(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        kept = {name: headers[name] for name in ("content-type", "content-encoding") if name in headers}
        try:
            with direct().open(Request(self._forward_to + path, body, kept), timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except (URLError, OSError):
            return 503  # the exporter tries again


def _number_points(metric: Metric) -> list[NumberDataPoint]:
    kind = metric.WhichOneof("data")
    if kind == "sum":
        return list(metric.sum.data_points)
    return list(metric.gauge.data_points) if kind == "gauge" else []


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> object:
    kind = pair.value.WhichOneof("value")
    value: object = getattr(pair.value, kind) if kind else None
    return value


class _Handler(Handler):
    def do_POST(self) -> None:
        sink = self.home.owner
        assert isinstance(sink, Sink)
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = sink.receive(self.path, body, headers)
        self.send_response(status)
        self.send_header("content-type", _PROTOBUF.value)
        self.send_header("content-length", "0")
        self.end_headers()
