"""CPU that otel-cost adds to one non-streamed call of the real ``openai`` SDK, answered inside the process.

Run: ``python -m tests.benchmarks.bench_instrumentation``. Rounds with and without otel-cost alternate in one run, so
that a busy machine slows both; the figure is the median over rounds. Included: guard, span, extraction, matching,
price, attributes, metrics. Not included: exporters, which are the app's own.
"""

from __future__ import annotations

import gc
import itertools
import json
import statistics
import sys
import time

import httpx2
import openai

import otel_cost_instrumentation
from otel_cost import runtime
from otel_cost.demo.provider import WIRES
from tests.benchmarks.reporting import Row, report
from tests.support.world import make_world

CALLS = 300
ROUNDS = 15
REACH_US = 60.0
"""The project's own target for what is added to one call."""
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "How long is a piece of string? " * 20}]}


def answering() -> httpx2.MockTransport:
    """A transport that gives the stand-in's answer without a socket, each under an id of its own."""
    wire = WIRES["/v1/chat/completions"]
    before, after = json.dumps(wire.answer(BODY, wire.told(BODY, "id:NUMBER"))).encode().split(b"NUMBER")
    headers = {"content-type": "application/json"}
    numbers = itertools.count()

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=b"%schatcmpl-%d%s" % (before, next(numbers), after), headers=headers)

    return httpx2.MockTransport(answer)


def cpu_per_call_us(client: openai.OpenAI) -> float:
    gc.collect()
    started = time.thread_time()
    for _ in range(CALLS):
        client.chat.completions.create(**BODY)  # type: ignore[call-overload]
    return (time.thread_time() - started) / CALLS * 1e6


def measure() -> dict[str, float]:
    """Median CPU of one call in microseconds, by variant."""
    world = make_world()
    processors = world.provider._active_span_processor
    processors._span_processors = (world.runtime.processor,)  # without the exporter of tests
    figures: dict[str, list[float]] = {"without": [], "unsettled": [], "with": []}
    with openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=answering())) as client:
        cpu_per_call_us(client)
        for _ in range(ROUNDS):
            # Copies, as resources bind the client's methods when they are first used.
            figures["without"].append(cpu_per_call_us(client.with_options()))
            otel_cost_instrumentation.activate()
            wrapped = client.with_options()
            figures["with"].append(cpu_per_call_us(wrapped))
            processors._span_processors = ()
            figures["unsettled"].append(cpu_per_call_us(wrapped))
            processors._span_processors = (world.runtime.processor,)
            otel_cost_instrumentation.deactivate()
    runtime.uninstall()
    return {name: statistics.median(values) for name, values in figures.items()}


def main() -> int:
    figures = measure()
    without = figures["without"]
    rows = [
        Row("CPU added to one call", figures["with"] - without, "µs", at_most=REACH_US, beside=without),
        Row("of that, guard, span and extraction", figures["unsettled"] - without, "µs"),
        Row("of that, settling in otel_cost", figures["with"] - figures["unsettled"], "µs"),
        Row("a call with otel-cost, as a multiple of one without", figures["with"] / without, "x"),
    ]
    return report("One non-streamed call of the openai SDK", rows)


if __name__ == "__main__":
    sys.exit(main())
