"""What goes into the real Collector comes out where collector.yaml says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import collector, otlp_send, prometheus, waiting
from tests.support.otlp_sink import OtlpSink, SinkSpan

pytestmark = pytest.mark.collector

RESOURCE = {"service.name": "shop", "service.instance.id": "shop-1"}


def _named(sink: OtlpSink, name: str) -> list[SinkSpan]:
    return [span for span in sink.spans if span.name == name]


def test_a_span_reaches_the_tracing_backend_and_the_book(tmp_path: Path) -> None:
    with (
        OtlpSink() as traces,
        OtlpSink() as book,
        collector.running(tmp_path, traces=traces.endpoint, book=book.endpoint) as running,
    ):
        assert otlp_send.span(running.otlp_http, "chat m", resource=RESOURCE, attributes={"a": "b"}) == 200
        for sink in (traces, book):
            (span,) = waiting.until(lambda sink=sink: _named(sink, "chat m"), "the span")
            assert span.attributes == {"a": "b"}
            assert span.resource["service.name"] == "shop"


@pytest.mark.prometheus
def test_an_apps_counter_is_scraped_under_the_apps_own_name(tmp_path: Path) -> None:
    with (
        OtlpSink() as sink,
        collector.running(tmp_path, traces=sink.endpoint, book=sink.endpoint) as running,
        prometheus.running(tmp_path, {"otel-apps": running.metrics, "otel-collector": running.own_metrics}) as prom,
    ):
        sent = otlp_send.counter(
            running.otlp_http,
            "otel_cost.spend.usd",
            "{USD}",
            1.25,
            resource=RESOURCE,
            attributes={"otel_cost.team": "a"},
        )
        assert sent == 200
        (sample,) = waiting.until(lambda: prom.query("otel_cost_spend_usd_total"), "the counter in Prometheus")
        assert sample.value == 1.25
        assert sample.labels["job"] == "shop"
        assert sample.labels["instance"] == "shop-1"
        assert sample.labels["otel_cost_team"] == "a"


@pytest.mark.prometheus
def test_the_queue_alert_reads_metrics_that_the_collector_has(tmp_path: Path) -> None:
    with (
        OtlpSink() as sink,
        collector.running(tmp_path, traces=sink.endpoint, book=sink.endpoint) as running,
        prometheus.running(tmp_path, {"otel-collector": running.own_metrics}) as prom,
    ):
        for metric in ("otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"):
            query = f'{metric}{{exporter="otlp_http/book"}}'
            assert waiting.until(lambda query=query: prom.query(query), query)


def test_what_the_book_did_not_get_survives_a_crash_of_the_collector(tmp_path: Path) -> None:
    name = "kept-over-a-crash"

    def on_disk() -> bool:
        return any(name.encode() in file.read_bytes() for file in (tmp_path / "book-queue").iterdir())

    with OtlpSink() as traces:
        nobody = "http://127.0.0.1:9"  # the discard port: nothing listens
        with collector.running(tmp_path, traces=traces.endpoint, book=nobody) as running:
            assert otlp_send.span(running.otlp_http, name, resource=RESOURCE, attributes={}) == 200
            waiting.until(on_disk, "the span in the queue's file")
            running.child.kill()
        with OtlpSink() as book, collector.running(tmp_path, traces=traces.endpoint, book=book.endpoint):
            (span,) = waiting.until(lambda: _named(book, name), "the span, after the restart")
            assert span.resource["service.name"] == "shop"
