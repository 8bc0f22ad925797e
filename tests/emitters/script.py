"""Runs in an emitter's environment: starts it, makes every case's calls for real, and writes what became of them.

``python script.py EMITTER BASE_URL OUTPUT.json``: the emitter's name, the stand-in provider's address, and where the
answer goes. otel-cost is installed as ``opentelemetry-instrument`` would, before the emitter; whether its own
instrumentors are active says OTEL_COST_INSTRUMENT.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path

import starters
from cases import CASES
from emitters import EMITTERS, Emitter
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from telling import SPANS, scope_of

import otel_cost.runtime


def _start(emitter: Emitter) -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    starters.PROVIDERS.get(emitter.name, starters.provider)()
    for point in entry_points(group="opentelemetry_pre_instrument"):
        if point.name == "otel_cost":
            point.load()()
    runtime = otel_cost.runtime.current()
    assert runtime is not None, "otel-cost did not install itself"
    for point in entry_points(group="opentelemetry_instrumentor"):
        if point.name == "otel_cost":
            point.load()().instrument()
    getattr(starters, emitter.name)()
    runtime.prices_needed()
    # Otherwise the first calls could end before there are prices, which is a test of its own elsewhere.
    assert runtime.pricer.catalog(timeout_s=60)
    return reader


def _told(span: ReadableSpan) -> dict[str, object]:
    return {
        "scope": scope_of(span),
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
    emitter = next(emitter for emitter in EMITTERS if emitter.name == sys.argv[1])
    reader = _start(emitter)
    calls = importlib.import_module(f"calls_{emitter.via}")
    told: dict[str, list[dict[str, object]]] = {}
    for case in CASES:
        if case.via != emitter.via or case.provider not in emitter.providers:
            continue
        try:
            getattr(calls, case.name)(case)
        except Exception:
            print(f"{emitter.name}: {case.name}", file=sys.stderr)
            traceback.print_exc()
            raise
        told[case.name] = [_told(span) for span in SPANS.get_finished_spans()]
        SPANS.clear()
    spend = _total(reader, "otel_cost.spend.usd")
    Path(sys.argv[3]).write_text(json.dumps({"cases": told, "spend_usd": spend}, indent=1, default=str))


if __name__ == "__main__":
    main()
