"""Recording switched off for a request (FEATURES E4), where the settings allow it."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from opentelemetry import baggage, context

import otel_cost
from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.model import Reason
from tests.support.world import World, chat, make_world

Switch = Literal["off", "code", "baggage"]


def _one(world: World) -> None:
    with world.call():
        pass


def test_nothing_inside_is_recorded_and_its_spans_say_so(world: World) -> None:
    with otel_cost.disabled():
        _one(world)
        assert otel_cost.record_tool("maps", usd=1).reason is Reason.NOT_RECORDED
    call, tool = (dict(span.attributes or {}) for span in world.finished())
    assert call[semconv.DISABLED] is tool[semconv.DISABLED] is True
    assert semconv.STATUS not in call
    assert world.points(semconv.METRIC_OPERATIONS) == []
    _one(world)
    assert world.spend() == 0.0035


def test_a_call_started_inside_stays_off_when_it_ends_outside(world: World) -> None:
    with otel_cost.disabled():
        span = world.tracer().start_span("chat", attributes=chat())
    span.set_attributes({semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100})
    span.end()
    assert world.points(semconv.METRIC_OPERATIONS) == []


def test_as_a_decorator_and_across_tasks(world: World) -> None:
    @otel_cost.disabled()
    async def quiet() -> None:
        await asyncio.gather(*(asyncio.to_thread(_one, world) for _ in range(2)))

    @otel_cost.disabled()
    def quiet_too() -> None:
        _one(world)

    asyncio.run(quiet())
    quiet_too()
    _one(world)
    assert sorted(world.statuses()) == ["", "", "", "priced"]


@pytest.mark.parametrize(
    ("switch", "code", "inbound"), [("off", True, True), ("code", False, True), ("baggage", False, False)]
)
def test_the_settings_say_who_may(switch: Switch, code: bool, inbound: bool) -> None:
    """``code`` and ``inbound``: whether a call is recorded that the code, or baggage, asks to leave out."""
    world = make_world(Config(recording_switch=switch))
    with otel_cost.disabled():
        _one(world)
    assert (world.spend() > 0) is code
    token = context.attach(baggage.set_baggage(semconv.DISABLED, "true"))
    before = world.spend()
    _one(world)
    context.detach(token)
    assert (world.spend() > before) is inbound
