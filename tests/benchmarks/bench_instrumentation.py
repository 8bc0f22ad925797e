"""CPU that otel-cost adds to the real ``openai`` SDK, answered inside the process: to one call, and to one chunk of a
stream.

Run: ``python -m tests.benchmarks.bench_instrumentation``. All variants take turns in one process, and of many rounds
the shortest counts: whatever else a machine does only ever adds to a round. Included: guard, span, extraction,
matching, price, attributes, metrics. Not included: exporters, which are the app's own.

What OpenTelemetry itself takes for it is measured beside: a span by hand with the very attributes that otel-cost's
spans have, and as many records on histograms. A chunk's share is measured between the 200th and the 2,000th of a
stream, so that what is done once for a stream is not in it, in pieces that are long enough to have all of what is done
every so often.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

import openai
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

import otel_cost_instrumentation
from otel_cost import runtime, semconv
from tests.benchmarks import in_process_openai as in_process
from tests.benchmarks.reporting import Row, report
from tests.support.world import make_world

CALLS = 25
ROUNDS = 150
SKIPPED, PIECES, PIECE = 200, 6, 300
STREAM_ROUNDS = 15
CALL_US, CHUNK_US = 60.0, 3.0
"""The project's own targets for what is added."""

Work = Callable[[openai.OpenAI], object]


class ByHand:
    """One call's span and metrics as an app would write them itself, with what otel-cost found out given to it."""

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        at_start = (semconv.OPERATION_NAME, semconv.REQUEST_MODEL, semconv.PROVIDER_NAME)
        where = (semconv.SERVER_ADDRESS, semconv.SERVER_PORT)
        self._start = {name: attributes[name] for name in (*at_start, *where)}
        self._end = {name: value for name, value in attributes.items() if name not in self._start}
        self._on_metrics = {name: self._start[name] for name in at_start}
        self._tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")
        meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("bench")
        self._duration = meter.create_histogram(
            semconv.METRIC_OPERATION_DURATION, explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS_S
        )
        self._tokens = meter.create_histogram(
            semconv.METRIC_TOKEN_USAGE, explicit_bucket_boundaries_advisory=semconv.TOKEN_BUCKETS
        )
        self._cost = meter.create_histogram(
            semconv.METRIC_OPERATION_COST, explicit_bucket_boundaries_advisory=semconv.COST_BUCKETS_USD
        )

    def call(self, client: openai.OpenAI) -> None:
        started = time.perf_counter()
        span = self._tracer.start_span(f"chat {in_process.MODEL}", kind=SpanKind.CLIENT, attributes=self._start)
        with trace.use_span(span, end_on_exit=True):
            answer = in_process.call(client)
            span.set_attributes(self._end)
            span.set_attribute(semconv.RESPONSE_ID, answer.id)
            self._duration.record(time.perf_counter() - started, self._on_metrics)
            assert answer.usage is not None
            counts = (("input", answer.usage.prompt_tokens), ("output", answer.usage.completion_tokens))
            for token_type, count in counts:
                self._tokens.record(count, {**self._on_metrics, semconv.GEN_AI_TOKEN_TYPE: token_type})
            self._cost.record(0.001, self._on_metrics)


@dataclass
class Bench:
    """The SDK, with and without otel-cost: one process, in turns."""

    client: openai.OpenAI
    without: tuple[SpanProcessor, ...]
    settling: tuple[SpanProcessor, ...]
    provider: TracerProvider

    def cpu_us(self, work: Work, times: int, *, wrapped: bool = False, settled: bool = True) -> float:
        """Microseconds of CPU for each of ``times`` turns of ``work``."""
        self.provider._active_span_processor._span_processors = self.settling if settled else self.without
        if wrapped:
            otel_cost_instrumentation.activate()
        client = self.client.with_options()  # a copy, as resources bind the client's methods when they are first used
        work(client)
        started = time.process_time_ns()
        for _ in range(times):
            work(client)
        took = time.process_time_ns() - started
        if wrapped:
            otel_cost_instrumentation.deactivate()
        return took / times / 1000


def attributes_of_a_call(bench: Bench) -> Mapping[str, AttributeValue]:
    """What otel-cost writes on the span of one call."""
    ended: list[Mapping[str, AttributeValue]] = []

    class Keep(SpanProcessor):
        def on_end(self, span: trace.Span) -> None:  # type: ignore[override]
            ended.append(dict(getattr(span, "attributes")))  # noqa: B009

    settling = bench.settling
    bench.settling = (*settling, Keep())
    bench.cpu_us(in_process.call, 1, wrapped=True)
    bench.settling = settling
    return ended[-1]


def of_calls(bench: Bench) -> list[Row]:
    by_hand = ByHand(attributes_of_a_call(bench))
    rounds = [
        (
            bench.cpu_us(in_process.call, CALLS),
            bench.cpu_us(in_process.call, CALLS, wrapped=True),
            bench.cpu_us(in_process.call, CALLS, wrapped=True, settled=False),
            bench.cpu_us(by_hand.call, CALLS),
        )
        for _ in range(ROUNDS)
    ]
    without, full, unsettled, hand = map(min, zip(*rounds, strict=True))
    return [
        Row("CPU added to one call", full - without, "µs", at_most=CALL_US, beside=without),
        Row("of that, guard, span and extraction", unsettled - without, "µs"),
        Row("of that, settling in otel_cost", full - unsettled, "µs"),
        Row("added by a span and histograms by hand", hand - without, "µs"),
        Row("added, as a share of the SDK's own call", 100 * (full - without) / without, "%"),
        Row("by hand, as a share of the SDK's own call", 100 * (hand - without) / without, "%"),
    ]


def of_chunks(bench: Bench) -> list[Row]:
    def shortest_us(wrapped: bool) -> float:
        taken: list[float] = []
        bench.cpu_us(lambda client: taken.append(chunk_us(client)), 1, wrapped=wrapped)
        return min(taken)

    rounds = [(shortest_us(False), shortest_us(True)) for _ in range(STREAM_ROUNDS)]
    without, full = map(min, zip(*rounds, strict=True))
    return [
        Row("CPU added to one chunk", full - without, "µs", at_most=CHUNK_US, beside=without),
        Row("added, as a share of the SDK's own chunk", 100 * (full - without) / without, "%"),
    ]


def chunk_us(client: openai.OpenAI) -> float:
    """Microseconds of CPU for one chunk of a stream: of its pieces the shortest."""
    chunks = in_process.stream(client, SKIPPED + PIECES * PIECE)
    taken: list[int] = []
    for _ in islice(chunks, SKIPPED):
        pass
    for _ in range(PIECES):
        started = time.process_time_ns()
        for _ in islice(chunks, PIECE):
            pass
        taken.append(time.process_time_ns() - started)
    for _ in chunks:
        pass
    return min(taken) / PIECE / 1000


def main() -> int:
    world = make_world()
    gc.freeze()  # collections of what was there before are nobody's
    with in_process.client() as client:
        bench = Bench(client, (), (world.runtime.processor,), world.provider)
        rows = [*of_calls(bench), *of_chunks(bench)]
    runtime.uninstall()
    return report("One call, and one chunk, of the openai SDK", rows)


if __name__ == "__main__":
    sys.exit(main())
