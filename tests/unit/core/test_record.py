"""Costs by hand (FEATURES A1, A2, A3, A9, B17, C5): spans like all others, and the Charge for the caller."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, Inexact, localcontext
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

import otel_cost
from otel_cost import record, runtime, semconv
from otel_cost.config import Config, PriceSettings
from otel_cost.model import Charge, Reason, Status
from otel_cost.pricing import Pricer, load_catalog
from tests.support.world import PRICES, World, make_world

COMPUTE = {"cpu_core_hour": 0.05, "memory_gb_hour": 0.01, "gpu_hour": 1.5, "sandbox_minute": 0.002}
OVERLAY = Config(prices=PriceSettings(overlay=({"tools": {"github_api": 0.01}, "resources": COMPUTE},)))
LOADED = load_catalog(OVERLAY)


@pytest.fixture
def priced() -> Iterator[World]:
    """A process whose price files name a tool and resources."""
    yield make_world(OVERLAY, pricer=Pricer(lambda: LOADED))
    runtime.uninstall()


def _only(world: World) -> dict[str, object]:
    (span,) = world.finished()
    return dict(span.attributes or {})


def test_a_model_call_returns_what_it_cost(world: World) -> None:
    charge = otel_cost.record_llm("openai", "gpt-4o", 1000, 100, team="search", response_id="r1")
    assert (charge.status, charge.usd) == (Status.PRICED, Decimal("0.0035"))
    (span,) = world.finished()
    assert (span.name, span.kind) == ("chat gpt-4o", SpanKind.CLIENT)
    assert dict(span.attributes or {})[semconv.COST_AMOUNT] == 0.0035
    ((labels, usd),) = world.points(semconv.METRIC_SPEND)
    assert (labels["otel_cost.team"], labels[semconv.PROVIDER_NAME], usd) == ("search", "openai", 0.0035)
    assert otel_cost.charge_of(span) is None, "what exporters get is a copy"


def test_further_units_and_the_tier_decide_the_price(world: World) -> None:
    plain = otel_cost.record_llm("openai", "gpt-4o", 1000, 100)
    cached = otel_cost.record_llm("openai", "gpt-4o", 1000, 100, usage={"cache_read_tokens": 800})
    batch = otel_cost.record_llm("openai", "gpt-4o", 1000, 100, service_tier="batch")
    assert cached.parts[2] > 0
    assert batch.amount_nano * 2 == plain.amount_nano
    assert cached.amount_nano < plain.amount_nano


def test_the_time_of_the_call_is_what_was_said(world: World) -> None:
    started = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    otel_cost.record_llm("openai", "gpt-4o", 1, 1, started=started, duration_s=1.5)
    (span,) = world.finished()
    assert span.start_time == int(started.timestamp()) * 10**9
    assert span.end_time == span.start_time + 1_500_000_000


@pytest.mark.parametrize("counts", [(-1, 1), (True, 1), (math.nan, 1), ("many", 1), (1, 10**13)])
def test_counts_that_cannot_be_are_named_and_never_raised(world: World, counts: tuple[int, int]) -> None:
    charge = otel_cost.record_llm("openai", "gpt-4o", *counts)
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.INVALID_USAGE)
    assert charge.detail


def test_an_unknown_unit_is_named(world: World, caplog: pytest.LogCaptureFixture) -> None:
    otel_cost.record_llm("openai", "gpt-4o", 1, 1, usage={"words": 3})
    assert "no unit 'words'" in caplog.text


def test_a_failed_call_costs_nothing(world: World) -> None:
    charge = otel_cost.record_llm("openai", "gpt-4o", error="RateLimitError")
    assert (charge.status, charge.reason, charge.amount_nano) == (Status.PRICED, Reason.FAILED, 0)


def test_a_call_that_was_seen_as_well_is_counted_once(world: World) -> None:
    with world.call(id="r1"):
        pass
    assert otel_cost.record_llm("openai", "gpt-4o", 1000, 100, response_id="r1").status is Status.DUPLICATE
    assert world.spend() == 0.0035


def test_equal_calls_by_hand_are_as_many_as_were_recorded(world: World) -> None:
    for _ in range(3):
        otel_cost.record_llm("openai", "gpt-4o", 1000, 100)
    assert world.spend() == pytest.approx(0.0105)


def test_it_is_counted_when_everything_is_sampled_out() -> None:
    world = make_world(OVERLAY, sampler=ALWAYS_OFF, pricer=Pricer(lambda: LOADED))
    otel_cost.record_llm("openai", "gpt-4o", 1000, 100)
    otel_cost.record_tool("github_api")
    otel_cost.record_infrastructure("cpu_core_hour", quantity=2)
    assert world.spend() == pytest.approx(0.0035 + 0.01 + 0.10)


# --- tools ------------------------------------------------------------------------------------------------------------


def test_a_tool_costs_what_is_said_or_what_a_price_file_says(priced: World) -> None:
    said = otel_cost.record_tool("maps", usd="0.0000000125", operation="route", request_id="q1", team="a")
    assert said.amount_nano == 12, "half to even, once"
    assert otel_cost.record_tool("github_api").usd == Decimal("0.01")
    first, second = priced.finished()
    attributes = dict(first.attributes or {})
    assert (first.name, attributes[semconv.TOOL_CALL_ID]) == ("execute_tool maps", "q1")
    assert attributes["otel_cost.tool_operation"] == "route"
    assert dict(second.attributes or {})[semconv.PRICE_ID] == "tools/github_api"
    assert {labels[semconv.KIND] for labels, _ in priced.points(semconv.METRIC_SPEND)} == {"tool"}


def test_a_tool_that_is_said_to_cost_and_has_no_price_is_unpriced(
    priced: World, caplog: pytest.LogCaptureFixture
) -> None:
    charge = otel_cost.record_tool("unheard_of")
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.NO_RATE)
    assert "tools: {unheard_of: <USD>}" in caplog.text


@pytest.mark.parametrize("usd", [-0.01, math.nan, math.inf, "free", True, 10**7, "1" * 200, "1e-999999"])
def test_amounts_that_cannot_be_are_named(priced: World, usd: float | str) -> None:
    charge = otel_cost.record_tool("maps", usd=usd)
    if usd == "1e-999999":
        assert (charge.status, charge.amount_nano) == (Status.PRICED, 0)
    else:
        assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.INVALID_USAGE)
        assert semconv.USD in charge.detail


def test_a_block_around_a_tool_may_say_the_amount_at_its_end(priced: World) -> None:
    with otel_cost.tool("maps", team="a") as call, priced.call(id="r1"):
        call.usd = Decimal("0.005")
    assert call.charge.usd == call.total_usd == Decimal("0.005")
    inner, outer = priced.finished()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert dict(outer.attributes or {})[semconv.SUBTREE_COST] == 0.0035


def test_a_block_that_raises_is_a_failed_call(priced: World) -> None:
    mishap = LookupError("secret")

    def stumble(usd: str | None) -> Charge:
        with pytest.raises(LookupError) as caught, otel_cost.tool("github_api", usd=usd) as call:
            raise mishap
        assert caught.value is mishap
        return call.charge

    assert (stumble(None).reason, stumble("0.02").usd) == (Reason.FAILED, Decimal("0.02"))
    for span in priced.finished():
        assert dict(span.attributes or {})[semconv.ERROR_TYPE] == "LookupError"
        assert "secret" not in repr((span.events, span.attributes))


def test_the_charge_is_not_there_inside_the_block(priced: World) -> None:
    with otel_cost.tool("github_api") as call, pytest.raises(RuntimeError, match="ended"):
        _ = call.charge


# --- infrastructure ---------------------------------------------------------------------------------------------------


def test_a_resource_costs_what_is_said_or_its_quantity_by_the_price_file(priced: World) -> None:
    assert otel_cost.record_infrastructure("vector_index", usd=1.25).usd == Decimal("1.25")
    assert otel_cost.record_infrastructure("cpu_core", quantity="2.5", unit="hour").usd == Decimal("0.125")
    assert otel_cost.record_infrastructure("gpu_hour", quantity=Decimal("0.1")).usd == Decimal("0.15")
    assert {labels[semconv.KIND] for labels, _ in priced.points(semconv.METRIC_SPEND)} == {"infrastructure"}


@pytest.mark.parametrize("quantity", [-1, math.nan, "two", True, 10**13])
def test_quantities_that_cannot_be_are_named(priced: World, quantity: float | str) -> None:
    charge = otel_cost.record_infrastructure("cpu_core_hour", quantity=quantity)
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.INVALID_USAGE)


def test_a_resource_without_a_price_is_unpriced(priced: World) -> None:
    assert otel_cost.record_infrastructure("quantum_hour").reason is Reason.NO_RATE


def test_compute_is_priced_by_what_it_held_for_how_long(priced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FEATURES C5: the shipped example's rates, an hour of 2 cores, 1 GB, half a GPU and a sandbox."""
    times = iter((0, 3600 * 10**9))
    monkeypatch.setattr("otel_cost.record.time.perf_counter_ns", lambda: next(times))
    with otel_cost.compute(cpu_cores=2, memory_gb=1, gpus=0.5, sandbox=True, team="a") as used:
        pass
    assert [charge.usd for charge in used.charges] == [Decimal(text) for text in ("0.1", "0.01", "0.75", "0.12")]
    assert used.total_usd == Decimal("0.98")
    assert {span.end_time - span.start_time for span in priced.finished()} == {3600 * 10**9}  # type: ignore[operator]


def test_compute_is_recorded_when_the_block_raises(priced: World) -> None:
    with pytest.raises(LookupError), otel_cost.compute(cpu_cores=1) as used:
        raise LookupError
    assert [charge.status for charge in used.charges] == [Status.PRICED]


# --- off --------------------------------------------------------------------------------------------------------------


def test_without_otel_cost_nothing_is_kept_and_it_is_said_once(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_told", set())
    runtime.uninstall()
    tracer = world.tracer("app")
    with caplog.at_level(logging.WARNING), tracer.start_as_current_span("request") as request:
        for _ in range(2):
            assert otel_cost.record_llm("openai", "gpt-4o", 1, 1).reason is Reason.NOT_RECORDED
        with otel_cost.tool("maps", usd=1) as call, tracer.start_as_current_span("inside") as inside:
            pass
        assert call.charge.reason is Reason.NOT_RECORDED
        assert inside.parent.span_id == request.get_span_context().span_id  # type: ignore[attr-defined]
    assert caplog.text.count("not installed") == 1


def test_prices_that_are_loading_are_waited_for() -> None:
    make_world(pricer=Pricer(lambda: PRICES.catalog(60) or LOADED))
    assert otel_cost.record_llm("openai", "gpt-4o", 1000, 100).usd == Decimal("0.0035")


def test_a_wrong_length_is_no_reason_to_raise(world: World) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    assert otel_cost.record_llm("openai", "gpt-4o", 1000, 100, started=past, duration_s=-5).usd == Decimal("0.0035")


@pytest.mark.parametrize(
    "times",
    [
        {"duration_s": math.nan},
        {"duration_s": -math.inf},
        {"duration_s": 1e300},
        {"duration_s": "x"},
        {"duration_s": None},
        {"started": "2026-10-01"},
        {"started": datetime.min},
        {"started": datetime.max},
        {"started": datetime(1950, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
def test_times_that_cannot_be_are_taken_for_now(world: World, times: dict[str, Any]) -> None:
    """None raises, and none is on a span: an exporter would refuse the whole batch."""
    assert otel_cost.record_llm("openai", "gpt-4o", 1000, 100, **times).usd == Decimal("0.0035")
    (span,) = world.finished()
    assert span.start_time is not None
    assert span.end_time == span.start_time
    assert abs(span.start_time - time.time_ns()) < 600 * 10**9


def test_integers_of_thousands_of_digits_and_odd_units_are_no_reason_to_raise(world: World) -> None:
    charges = [otel_cost.record_tool("x", 10**5000), otel_cost.record_infrastructure("x", quantity=10**5000)]
    with otel_cost.tool("x") as call:
        call.usd = 10**5000
    charges.append(call.charge)
    assert {charge.reason for charge in charges} == {Reason.INVALID_USAGE}
    odd: Any = {1: 2, "x": 3, "cache_read_tokens": 1000}
    assert otel_cost.record_llm("openai", "gpt-4o", 1000, 100, usage=odd).usd == Decimal("0.00225")


@pytest.mark.parametrize("cores", ["two", math.nan, -1, [1], 10**5000], ids=["text", "nan", "-1", "list", "long"])
def test_no_number_of_cores_is_a_reason_to_raise(priced: World, cores: Any) -> None:
    with localcontext() as app:
        app.traps[Inexact] = True
        with otel_cost.compute(cpu_cores=cores, memory_gb=10**9) as meter:
            pass
    assert [charge.reason for charge in meter.charges] == [Reason.INVALID_USAGE, None]
