"""Runs in an emitter set's environment: makes every case's calls with the real SDKs, and writes what became of them.

``python script.py BASE_URL OUTPUT.json``: the stand-in provider's address, and where the answer goes. Every
instrumentor that is installed in the environment is active, started in the order that ``opentelemetry-instrument``
uses; whether otel-cost's own are among them says OTEL_COST_INSTRUMENT.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path

from cases import CASES, Case
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_cost.runtime

_base_url = sys.argv[1]


def _start() -> tuple[InMemorySpanExporter, InMemoryMetricReader]:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    for point in entry_points(group="opentelemetry_pre_instrument"):
        point.load()()
    for point in entry_points(group="opentelemetry_instrumentor"):
        if point.name in {"otel_cost", "openai", "anthropic"} or "genai" in point.value:
            point.load()().instrument()
    runtime = otel_cost.runtime.current()
    assert runtime is not None, "otel-cost did not install itself"
    runtime.prices_needed()
    # Otherwise the first calls could end before there are prices, which is a test of its own elsewhere.
    assert runtime.pricer.catalog(timeout_s=60)
    return spans, reader


def _openai(kind: str = "OpenAI", retries: int = 0):
    import openai

    return getattr(openai, kind)(base_url=f"{_base_url}/v1", api_key="none", max_retries=retries)


def _anthropic(kind: str = "Anthropic"):
    import anthropic

    return getattr(anthropic, kind)(base_url=_base_url, api_key="none", max_retries=0)


def _asked(case: Case) -> dict[str, object]:
    return {"model": case.model, "messages": [{"role": "user", "content": case.prompt}]}


def _drain(chunks: Iterable[object]) -> None:
    for _ in chunks:
        pass


def chat(case: Case) -> None:
    with _openai() as client:
        client.chat.completions.create(**_asked(case))


chat_cached_and_reasoning = chat_unknown_model = chat


def chat_async(case: Case) -> None:
    async def call() -> None:
        async with _openai("AsyncOpenAI") as client:
            await client.chat.completions.create(**_asked(case))

    asyncio.run(call())


def chat_stream(case: Case) -> None:
    with _openai() as client:
        _drain(client.chat.completions.create(**_asked(case), stream=True, stream_options={"include_usage": True}))


def chat_stream_without_usage(case: Case) -> None:
    with _openai() as client:
        _drain(client.chat.completions.create(**_asked(case), stream=True))


def chat_twice(case: Case) -> None:
    with _openai() as client:
        for _ in range(2):
            client.chat.completions.create(**_asked(case))


def chat_in_threads(case: Case) -> None:
    with _openai() as client, ThreadPoolExecutor(8) as pool:
        _drain(pool.map(lambda _: client.chat.completions.create(**_asked(case)), range(8)))


def chat_retried(case: Case) -> None:
    with _openai(retries=1) as client:
        client.chat.completions.create(**_asked(case))


def chat_failed(case: Case) -> None:
    import openai

    with contextlib.suppress(openai.InternalServerError):
        chat(case)


def responses(case: Case) -> None:
    with _openai() as client:
        client.responses.create(model=case.model, input=case.prompt)


def responses_stream(case: Case) -> None:
    with _openai() as client:
        _drain(client.responses.create(model=case.model, input=case.prompt, stream=True))


def embeddings(case: Case) -> None:
    with _openai() as client:
        client.embeddings.create(model=case.model, input=case.prompt)


def messages(case: Case) -> None:
    with _anthropic() as client:
        client.messages.create(**_asked(case), max_tokens=1000)


messages_cached = messages


def messages_async(case: Case) -> None:
    async def call() -> None:
        async with _anthropic("AsyncAnthropic") as client:
            await client.messages.create(**_asked(case), max_tokens=1000)

    asyncio.run(call())


def messages_stream(case: Case) -> None:
    with _anthropic() as client:
        _drain(client.messages.create(**_asked(case), max_tokens=1000, stream=True))


def messages_stream_helper(case: Case) -> None:
    with _anthropic() as client, client.messages.stream(**_asked(case), max_tokens=1000) as stream:
        stream.until_done()


def messages_twice(case: Case) -> None:
    with _anthropic() as client:
        for _ in range(2):
            client.messages.create(**_asked(case), max_tokens=1000)


def _told(span: ReadableSpan) -> dict[str, object]:
    scope = span.instrumentation_scope
    return {
        "scope": scope.name if scope else "",
        "name": span.name,
        "span": format(span.context.span_id, "016x"),
        "parent": format(span.parent.span_id, "016x") if span.parent else "",
        "attributes": dict(span.attributes or {}),
    }


def _total(reader: InMemoryMetricReader, metric_name: str) -> float:
    data = reader.get_metrics_data()
    return sum(
        point.value
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == metric_name
        for point in metric.data.data_points
    )


def main() -> None:
    spans, reader = _start()
    told: dict[str, list[dict[str, object]]] = {}
    for case in CASES:
        call: Callable[[Case], None] = globals()[case.name]
        call(case)
        told[case.name] = [_told(span) for span in spans.get_finished_spans()]
        spans.clear()
    spend = _total(reader, "otel_cost.spend.usd")
    Path(sys.argv[2]).write_text(json.dumps({"cases": told, "spend_usd": spend}, indent=1, default=str))


if __name__ == "__main__":
    main()
