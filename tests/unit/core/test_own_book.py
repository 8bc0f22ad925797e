"""An app that writes its own book: what the runtime, the exporter and the metrics make of it (FEATURES D3, E2, O9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

from otel_cost import runtime, semconv
from otel_cost.book_settings import LedgerSettings
from otel_cost.config import Config
from otel_cost.errors import ConfigError
from otel_cost.exporter import CostSpanExporter
from otel_cost.ledger.jsonl import JsonlLedger
from otel_cost.model import CostRecord, Status
from tests.contract.ledger.books import total
from tests.support.world import OFFICIAL, PRICES, World, chat, make_world
from tests.unit.core.test_light import HEAVY, modules_after

NANO_A_CALL = 3_500_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "costs.jsonl"


def config_of(path: Path) -> Config:
    return Config(ledger=LedgerSettings(url=f"jsonl:{path}", batch_age="1h"))


def booked(path: Path) -> Sequence[CostRecord]:
    with JsonlLedger(path) as ledger:
        return ledger.recent(0, 100)


def spans_without_verdict(*, sampled: bool = True) -> Sequence[ReadableSpan]:
    """Of an app into which otel-cost is not installed."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(**({} if sampled else {"sampler": ALWAYS_OFF}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    usage = {semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100}
    with provider.get_tracer(OFFICIAL).start_as_current_span(
        "chat", kind=SpanKind.CLIENT, attributes={**chat(), **usage}
    ):
        pass
    return kept.get_finished_spans()


def test_a_flush_of_the_provider_flushes_the_book(path: Path) -> None:
    world = make_world(config_of(path))
    with world.call(otel_cost__team="search"):
        pass
    assert world.provider.force_flush()
    (one,) = booked(path)
    assert (one.provider, one.usage and one.usage.input_tokens) == ("openai", 1000)
    with JsonlLedger(path) as ledger:
        assert total(ledger).amount_nano == NANO_A_CALL


def test_what_is_not_sampled_is_booked_as_well(path: Path) -> None:
    world = make_world(config_of(path), sampler=ALWAYS_OFF)
    with world.call():
        pass
    assert world.runtime.force_flush()
    assert len(booked(path)) == 1


def test_metrics_tell_what_became_of_records(path: Path) -> None:
    world = make_world(config_of(path))
    with world.call():
        pass
    assert _shown(world) == {"queued": 1, "spooled": 0, "written": 0, "dropped": 0, "dropped.usd": 0}
    assert world.runtime.force_flush()
    assert _shown(world) == {"queued": 0, "spooled": 0, "written": 1, "dropped": 0, "dropped.usd": 0}


def _shown(world: World) -> dict[str, float]:
    found = {}
    for name in ("queued", "spooled", "written", "dropped", "dropped.usd"):
        ((_, found[name]),) = world.points(f"otel_cost.ledger.{name}")
    return found


def test_an_app_without_a_book_has_no_metrics_of_one() -> None:
    world = make_world()
    with world.call():
        pass
    assert world.points(semconv.METRIC_LEDGER_QUEUED) == []


def test_a_book_that_cannot_be_stops_the_installation() -> None:
    runtime.uninstall()
    with pytest.raises(ConfigError, match=r"ledger\.url: this postgresql URL is not one"):
        runtime.install(TracerProvider(), config=Config(ledger=LedgerSettings(url="postgresql://u@h:x/d")))
    assert runtime.current() is None


def test_what_no_setting_names_is_not_imported(tmp_path: Path) -> None:
    install = (
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "import otel_cost; from otel_cost.config import Config; from otel_cost.book_settings import LedgerSettings\n"
        "assert otel_cost.install(TracerProvider(), config=Config({})) is not None\n"
        "assert any(name.startswith(('otel_cost.ledger.', 'otel_cost.exit_')) for name in sys.modules) is {}"
    )
    modules_after(install.format("", False))
    with_book = modules_after(install.format(f"ledger=LedgerSettings(url='jsonl:{tmp_path}/x')", True))
    assert not with_book.intersection(HEAVY)


# --- the exporter -----------------------------------------------------------------------------------------------------


def test_the_exporter_prices_what_has_no_verdict(path: Path) -> None:
    exporter = CostSpanExporter(config_of(path), pricer=PRICES)
    assert exporter.export(spans_without_verdict()) is SpanExportResult.SUCCESS
    assert exporter.force_flush()
    with JsonlLedger(path) as ledger:
        assert total(ledger).amount_nano == NANO_A_CALL


def test_the_exporter_adopts_a_verdict_as_it_stands(path: Path) -> None:
    world = make_world()
    with world.call(otel_cost__label__x="y"):
        pass
    (span,) = world.finished()
    attributes = {**(span.attributes or {}), semconv.COST_AMOUNT: 7.5, semconv.CHARGE_LIST_NANO: 8 * 10**9}
    other = ReadableSpan(
        span.name, span.get_span_context(), resource=span.resource, attributes=attributes, kind=span.kind,
        instrumentation_scope=span.instrumentation_scope, start_time=span.start_time, end_time=span.end_time,
    )  # fmt: skip
    exporter = CostSpanExporter(config_of(path), pricer=PRICES)
    exporter.export([other])
    exporter.shutdown()
    with JsonlLedger(path) as ledger:
        (standing,) = ledger.standing(0, 2**62)
    assert (standing.charge.amount_nano, standing.charge.list_nano) == (7_500_000_000, 8_000_000_000)
    assert standing.charge.status is Status.PRICED


def test_beside_the_runtimes_own_book_the_exporter_adds_only_what_was_missed(path: Path) -> None:
    world = make_world(config_of(path))
    with world.call():
        pass
    exporter = CostSpanExporter()
    assert exporter.export([*world.finished(), *spans_without_verdict()]) is SpanExportResult.SUCCESS
    assert exporter.force_flush()
    assert world.runtime.force_flush()
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    with JsonlLedger(path) as ledger:
        assert total(ledger).amount_nano == 2 * NANO_A_CALL


def test_an_exporter_with_wrong_settings_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = CostSpanExporter(
        replace(Config(), ledger=LedgerSettings(url="postgresql://u:secret@h:x/d")), pricer=PRICES
    )
    for _ in range(2):
        assert exporter.export(spans_without_verdict()) is SpanExportResult.FAILURE
    assert exporter.force_flush() is True
    assert caplog.text.count("the span exporter otel_cost writes no book") == 1
    assert "secret" not in caplog.text


def test_spans_that_are_no_calls_are_no_business_of_the_exporters(path: Path) -> None:
    world = make_world()
    with world.tracer("app").start_as_current_span("handle"):
        pass
    exporter = CostSpanExporter(config_of(path), pricer=PRICES)
    assert exporter.export(world.finished("handle")) is SpanExportResult.SUCCESS
    assert exporter.force_flush()
    assert not path.exists()
