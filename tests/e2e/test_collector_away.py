"""The Collector is away, and comes back: the app runs on, its spend is complete, and the spans that were lost are
counted (FEATURES O8)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_ports
from tests.support.processes import clean_environment, running
from tests.support.waiting import until

pytestmark = pytest.mark.e2e

APP = """
import pathlib, sys, time
from openai import OpenAI
client, answered, proceed = OpenAI(), pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
def ask():
    client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": 'usage:{"input":1000,"output":100}'}]
    )
for _ in range(3):
    ask()
answered.touch()
while not proceed.exists():
    time.sleep(0.05)
ask()
print("done")
"""
EXPORTED = "otel.sdk.exporter.span.exported"
"""The SDK's own count of spans handed to its exporter, with an error type where that failed."""


def test_the_app_runs_on_and_no_spend_is_lost(tmp_path: Path) -> None:
    answered, proceed = tmp_path / "answered", tmp_path / "proceed"
    (port,) = free_ports(1)
    with StandInProvider() as provider:
        environment = clean_environment(
            {
                "OPENAI_API_KEY": "none",
                "OPENAI_BASE_URL": provider.base_url + "/v1",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
                "OTEL_METRIC_EXPORT_INTERVAL": "200",
                "OTEL_BSP_SCHEDULE_DELAY": "100",
                "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true",
            }
        )
        command = ["opentelemetry-instrument", sys.executable, "-c", APP, answered, proceed]
        with running(command, name="app", directory=tmp_path, environment=environment) as app:
            until(answered.exists, "three answers with no Collector there")
            until(lambda: "Failed to export span" in app.output(), "the spans to be given up")
            with OtlpSink(port) as collector:
                proceed.touch()
                until(lambda: app.process.poll() is not None, "the app to end", timeout_s=60)
                assert app.process.returncode == 0, app.output()
                assert "done" in app.output()
                spend = collector.sums[semconv.METRIC_SPEND]
                # gpt-4o: 2.50 and 10.00 USD per million tokens, four calls
                assert sum(value for _, value in spend) == pytest.approx(0.014, abs=1e-12)
                lost = sum(value for at, value in collector.sums[EXPORTED] if semconv.ERROR_TYPE in at)
                arrived = sum(span.scope.startswith("otel_cost_instrumentation") for span in collector.spans)
                assert lost >= 1
                assert lost + len(collector.spans) >= 4 > arrived
