"""App, Collector and server see the same calls: each view has every dollar once, and none has it twice (FEATURES O8).

Every call of the app comes to the book twice, as a span and as a charge event, by the Collector; a part of them once
more, straight from a second exporter that sends what it has again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from otel_cost.demo.provider import StandInProvider
from otel_cost.model import NANO
from tests.support import collector, http, processes, prometheus, server, waiting
from tests.support.expected import Call, total_nano
from tests.support.otlp_sink import OtlpSink

pytestmark = [pytest.mark.e2e, pytest.mark.collector, pytest.mark.prometheus]

CALLS = (
    Call("chat", "gpt-4o-mini", 1200, 345, cached=1024),
    Call("stream", "gpt-4o", 777, 88),
    Call("responses", "o3-mini", 4096, 2048),
    Call("chat", "gpt-4o", 5000, 500),
)
# That a budget blocks makes the app wait for prices: every span of it is a priced one.
SETTINGS = """
stream_usage_hosts: [127.0.0.1]
budgets: [{name: far, amount_usd: 1000, period: month, action: block}]
"""
EXPECTED = total_nano(CALLS)
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Views:
    prometheus: prometheus.Prometheus
    book: str
    traces: OtlpSink

    def app(self) -> int:
        """What the app's own metric says, scraped from the Collector; in nano-USD, as all of these."""
        return self._sum("otel_cost_spend_usd_total")

    def book_metric(self) -> int:
        """What the server's metric says; what was taken back is a counter of its own."""
        return self._sum("otel_cost_book_spend_usd_total") - self._sum("otel_cost_book_voided_usd_total")

    def summary(self) -> int:
        found = cast(dict[str, Any], http.get_json(f"{self.book}/api/v1/costs/summary", days="2"))
        return int(found["total"]["cost"]["nano_usd"])

    def entries(self) -> int:
        """The calls themselves, one by one."""
        found = cast(dict[str, Any], http.get_json(f"{self.book}/api/v1/costs/entries", days="2", limit="1000"))
        return sum(int(entry["cost"]["nano_usd"]) for entry in found["entries"])

    def health(self) -> int:
        found = cast(dict[str, Any], http.get_json(f"{self.book}/health"))
        return int(found["last_24h"]["cost"]["nano_usd"])

    def scraped_at(self) -> float:
        (sample,) = self.prometheus.query('timestamp(up{job="otel-cost-server"})')
        return sample.value

    def _sum(self, metric: str) -> int:
        return sum(round(sample.value * NANO) for sample in self.prometheus.query(metric))


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Views]:
    directory = tmp_path_factory.mktemp("views")
    with ExitStack() as started:
        traces = started.enter_context(OtlpSink())
        provider = started.enter_context(StandInProvider())
        book = started.enter_context(server.running(directory))
        otelcol = started.enter_context(collector.running(directory, traces=traces.endpoint, book=book))
        scraped = {"otel-apps": otelcol.metrics, "otel-cost-server": book.removeprefix("http://")}
        prom = started.enter_context(prometheus.running(directory, scraped))
        _run_app(directory, provider.base_url, otelcol.otlp_http)
        yield Views(prom, book, traces)


def _run_app(directory: Path, provider: str, otlp: str) -> None:
    script = directory / "calls.json"
    script.write_text(json.dumps([(call.kind, call.model, call.prompt) for call in CALLS]))
    settings = directory / "otel-cost.yaml"
    settings.write_text(SETTINGS)
    environment = processes.clean_environment(
        {
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_API_KEY": "none",
            "OTEL_COST_CONFIG": str(settings),
            "OTEL_COST_CHARGE_EVENTS": "all",
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_TRACES_EXPORTER": "otlp",
        }
    )
    app = Path(__file__).parent / "apps" / "shop.py"
    command = [server.BIN / "opentelemetry-instrument", sys.executable, app, script]
    done = subprocess.run(
        [str(part) for part in command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_every_view_has_every_dollar_once(views: Views) -> None:
    waiting.until(lambda: views.summary() == EXPECTED, "all calls in the book")
    waiting.until(lambda: views.app() == EXPECTED, "all calls in the app's metric")
    waiting.until(lambda: views.book_metric() == EXPECTED, "all calls in the book's metric")
    assert views.entries() == EXPECTED
    waiting.until(lambda: views.health() == EXPECTED, "all calls in the health of the last day")
    _send_again(views)
    assert views.summary() == EXPECTED
    assert views.entries() == EXPECTED
    scraped = views.scraped_at()
    waiting.until(lambda: views.scraped_at() > scraped, "another scrape of the server")
    assert (views.book_metric(), views.app()) == (EXPECTED, EXPECTED)


def _send_again(views: Views) -> None:
    """What the tracing backend got, by a second exporter, straight to the server."""
    bodies = list(views.traces.trace_bodies)
    assert bodies
    for body in bodies:
        assert http.post(f"{views.book}/v1/traces", body, PROTOBUF) == 200
