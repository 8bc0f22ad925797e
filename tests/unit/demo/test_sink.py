"""The sink keeps what it gets and passes on what the server takes, with the server's own answer."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_cost.demo.loopback import Handler, Loopback
from otel_cost.demo.sink import Event, Sink, direct


class Server:
    """In place of ``otel-cost serve``: keeps requests, answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[str, bytes, str | None]] = []


class ServerHandler(Handler):
    def do_POST(self) -> None:
        server = self.home.owner
        assert isinstance(server, Server)
        server.requests.append((self.path, self.body(), self.headers["content-encoding"]))
        self.send_response(server.status)
        self.send_header("content-length", "0")
        self.end_headers()


@contextmanager
def running() -> Iterator[tuple[Server, Sink]]:
    server = Server()
    with Loopback(server, ServerHandler) as listening, Sink(forward_to=listening.url) as sink:
        yield server, sink


def post(sink: Sink, path: str, body: bytes, **headers: str) -> int:
    told = {"content-type": "application/x-protobuf", **headers}
    try:
        with direct().open(Request(sink.endpoint + path, body, told), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def traces() -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name, span.start_time_unix_nano = b"t" * 16, b"s" * 8, "agent", 1
    return request.SerializeToString()


def test_traces_are_kept_and_passed_on_byte_for_byte() -> None:
    body = gzip.compress(traces())
    with running() as (server, sink):
        assert post(sink, "/v1/traces", body, **{"content-encoding": "gzip"}) == 200
        assert [span.name for span in sink.spans] == ["agent"]
    assert server.requests == [("/v1/traces", body, "gzip")]


@pytest.mark.parametrize("status", [400, 503])
def test_the_servers_refusal_reaches_the_exporter(status: int) -> None:
    with running() as (server, sink):
        server.status = status
        assert post(sink, "/v1/traces", traces()) == status


def test_a_server_that_is_away_is_a_503() -> None:
    with Loopback(Server(), ServerHandler) as gone:
        url = gone.url
    with Sink(forward_to=url) as sink:
        assert post(sink, "/v1/traces", traces()) == 503


def test_events_are_kept_by_name() -> None:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(event_name="something", attributes=[attribute("team", "a")])
    records.add(attributes=[attribute("an", "ordinary log line")])
    with running() as (server, sink):
        assert post(sink, "/v1/logs", request.SerializeToString()) == 200
        assert sink.events == [Event("something", {"team": "a"})]
    assert len(server.requests) == 1


def test_metrics_stay_and_the_last_value_of_a_series_counts() -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    counter = metrics.add(name="spend").sum.data_points
    counter.add(attributes=[attribute("team", "a")], as_double=0.5)
    counter.add(attributes=[attribute("team", "b")], as_int=2)
    counter.add(attributes=[attribute("team", "a")], as_double=0.75)
    metrics.add(name="limit").gauge.data_points.add(as_double=3)
    metrics.add(name="durations").histogram.data_points.add(count=1)
    with running() as (server, sink):
        assert post(sink, "/v1/metrics", request.SerializeToString()) == 200
        assert sorted((point.metric, point.value) for point in sink.points) == [
            ("limit", 3.0),
            ("spend", 0.75),
            ("spend", 2),
        ]
    assert server.requests == []


def test_any_other_path_is_a_404() -> None:
    with running() as (_, sink):
        assert post(sink, "/v1/profiles", b"") == 404
