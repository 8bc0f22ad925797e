"""Spend is complete with a sampler that keeps nothing (FEATURES O8, promise 3)."""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, get_current_span

from otel_cost import semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from tests.support.world import World, chat, make_world


def unsampled(config: Config | None = None) -> World:
    return make_world(config, sampler=ParentBased(ALWAYS_OFF))


def test_all_spend_is_counted_and_nothing_is_exported() -> None:
    world = unsampled()
    for number in range(10):
        with world.call(id=f"r{number}"):
            pass
    assert world.spend() == 0.035
    assert world.finished() == []


def test_attributes_given_at_creation_survive_a_dropping_sampler() -> None:
    world = unsampled()
    with world.call(id="r1"):
        pass
    ((attributes, _),) = world.points(semconv.METRIC_SPEND)
    assert attributes[semconv.RESPONSE_MODEL] == "gpt-4o"


def test_unsampled_charges_travel_as_events() -> None:
    world = unsampled()
    with world.call(id="r1"):
        pass
    (event,) = world.events(semconv.EVENT_CHARGE)
    assert event[semconv.CHARGE_AMOUNT_NANO] == 3_500_000


def test_sampled_charges_do_not(world: World) -> None:
    with world.call(id="r1"):
        pass
    assert world.events(semconv.EVENT_CHARGE) == []


def test_budgets_see_unsampled_spend() -> None:
    world = unsampled(Config(budgets=(BudgetSettings(name="all", amount_usd=_usd("0.003")),)))
    with world.call(id="r1"):
        pass
    assert len(world.events(semconv.EVENT_BUDGET_BREACH)) == 1


def test_children_of_a_recorded_span_stay_unsampled() -> None:
    world = unsampled()
    with world.call(id="r1"), world.tracer("app").start_as_current_span("http"):
        assert not get_current_span().get_span_context().trace_flags.sampled


def test_plain_spans_are_still_dropped() -> None:
    world = unsampled()
    with world.tracer("app").start_as_current_span("work") as span:
        assert not span.is_recording()


def test_unknown_scopes_are_recorded_when_their_start_attributes_say_genai() -> None:
    world = unsampled()
    with world.tracer("my.own.client").start_as_current_span("chat", kind=SpanKind.CLIENT, attributes=chat()) as span:
        span.set_attribute(semconv.USAGE_INPUT_TOKENS, 1000)
        span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, 100)
    assert world.spend() == 0.0035


def test_tracers_handed_out_before_install_are_adapted() -> None:
    from opentelemetry.sdk.trace import TracerProvider

    from otel_cost import runtime
    from tests.support.world import OFFICIAL, PRICES

    runtime.uninstall()
    PRICES.catalog(60)
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    tracer = provider.get_tracer(OFFICIAL)
    runtime.install(provider, config=Config(), pricer=PRICES)
    assert tracer.start_span("chat").is_recording()


def _usd(text: str):  # type: ignore[no-untyped-def]
    from decimal import Decimal

    return Decimal(text)
