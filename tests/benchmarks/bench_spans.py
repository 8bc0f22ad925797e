"""What otel-cost adds to a span, beside the same span without it, in one run.

``python -m tests.benchmarks.bench_spans`` prints microseconds for each and fails (exit code 1) past the targets: 2.5 µs
for a span that is no LLM call, 30 µs for one that is (usage, matching, price, attributes, metrics, a budget in memory).
The start-up and memory targets are measured on fresh interpreters.
"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Tracer

from otel_cost import runtime, semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from tests.benchmarks.reporting import Row, report

ROUNDS = 15
SPANS = 2_000
START = {
    semconv.OPERATION_NAME: "chat",
    semconv.PROVIDER_NAME: "openai",
    semconv.REQUEST_MODEL: "gpt-4o",
    semconv.SERVER_ADDRESS: "api.openai.com",
}


def tracer_with(installed: bool, scope: str) -> Tracer:
    provider = TracerProvider(resource=Resource({"service.name": "bench"}), shutdown_on_exit=False)
    if installed:
        runtime.uninstall()
        made = runtime.install(
            provider,
            config=Config(budgets=(BudgetSettings(name="b", amount_usd=Decimal(10**6), per=("team",)),)),
            meter_provider=MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False),
        )
        assert made is not None
        made.pricer.start_loading()
        assert made.pricer.catalog(60) is not None
    return provider.get_tracer(scope, "1")


def plain(tracer: Tracer) -> None:
    span = tracer.start_span("GET /", kind=SpanKind.SERVER, attributes={"http.request.method": "GET", "url.path": "/"})
    span.set_attribute("http.response.status_code", 200)
    span.end()


_numbers = iter(range(10**9))


def llm(tracer: Tracer) -> None:
    span = tracer.start_span("chat gpt-4o", kind=SpanKind.CLIENT, attributes=START)
    span.set_attribute(semconv.RESPONSE_MODEL, "gpt-4o-2024-08-06")
    span.set_attribute(semconv.RESPONSE_ID, f"chatcmpl-{next(_numbers)}")
    span.set_attribute(semconv.USAGE_INPUT_TOKENS, 1200)
    span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, 150)
    span.set_attribute(semconv.USAGE_CACHE_READ, 1000)
    span.end()


def added_us(work: Callable[[Tracer], None], scope: str) -> tuple[float, float]:
    """(microseconds without, microseconds added): the best of interleaved rounds, the figure least disturbed."""
    without, with_us = tracer_with(False, scope), tracer_with(True, scope)
    base, full = [], []
    for _ in range(ROUNDS):
        base.append(_round(work, without))
        full.append(_round(work, with_us))
    return min(base), min(full) - min(base)


def _round(work: Callable[[Tracer], None], tracer: Tracer) -> float:
    gc.collect()
    gc.disable()
    started = time.process_time_ns()
    for _ in range(SPANS):
        work(tracer)
    took = time.process_time_ns() - started
    gc.enable()
    return took / SPANS / 1000


def startup_ms() -> float:
    """CPU milliseconds that otel-cost adds to an interpreter whose SDK ``opentelemetry-instrument`` has set up
    (medians of 9). Without settings: a config file costs its validation on top."""
    env = {**os.environ, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    bare = (
        "import opentelemetry.instrumentation.instrumentor, opentelemetry.metrics\n"
        "from opentelemetry.sdk._configuration import _OTelSDKConfigurator\n"
        "_OTelSDKConfigurator().configure()\n"
    )
    ours = bare + "from otel_cost_instrumentation import entry\nentry.pre_instrument()"
    without, with_us = ([sys.executable, "-c", code] for code in (bare, ours))
    return statistics.median(_run_ms(with_us, env) - _run_ms(without, env) for _ in range(9))


def _run_ms(command: list[str], env: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=env, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def prices_mb() -> float:
    """Resident megabytes that loaded prices add to a process which has otel-cost installed."""
    code = (
        "import re, pathlib; from otel_cost.pricing import pricer_of; from otel_cost.config import Config\n"
        "rss = lambda: int(re.search(r'VmRSS:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
        "before = rss()\n"
        "pricer_of(Config()).catalog(60)\n"
        "print((rss() - before) / 1024)"
    )
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def main() -> int:
    plain_base, plain_added = added_us(plain, "bench")
    llm_base, llm_added = added_us(llm, "opentelemetry.instrumentation.genai.openai")
    return report(
        "otel-cost on spans",
        [
            Row("added to a span that is no LLM call", plain_added, "µs", at_most=2.5, beside=plain_base),
            Row("added to the span of an LLM call", llm_added, "µs", at_most=30, beside=llm_base),
            Row("added to the start of opentelemetry-instrument", startup_ms(), "ms", at_most=100),
            Row("added to memory by loaded prices", prices_mb(), "MB", at_most=60),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
