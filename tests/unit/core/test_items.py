"""Tools' spans cost what a price file says, once, and nothing without one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from otel_cost import semconv
from otel_cost.config import Config, PriceSettings
from otel_cost.pricing import Catalog, Pricer, load_catalog
from tests.support.world import FRAMEWORK, OFFICIAL, World, make_world

OVERLAY = Config(prices=PriceSettings(overlay=({"tools": {"github_api": 0.01, "search_*": 0.002}},)))
MCP = "opentelemetry.instrumentation.mcp"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(OVERLAY)


@pytest.fixture
def world(catalog: Catalog) -> Iterator[World]:
    with made(Pricer(lambda: catalog)) as world:
        world.runtime.pricer.catalog(30)
        yield world


@contextmanager
def made(pricer: Pricer, config: Config = OVERLAY) -> Iterator[World]:
    world = make_world(config=config, pricer=pricer)
    yield world


@contextmanager
def tool(world: World, name: str, scope: str = OFFICIAL, call: str = "", error: str = "") -> Iterator[Span]:
    attributes = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: name}
    if call:
        attributes[semconv.TOOL_CALL_ID] = call
    with world.tracer(scope).start_as_current_span(
        f"execute_tool {name}", kind=SpanKind.INTERNAL, attributes=attributes
    ) as span:
        yield span
        if error:
            span.set_attribute(semconv.ERROR_TYPE, error)
            span.set_status(Status(StatusCode.ERROR))


def test_a_tool_that_a_price_file_names_costs(world: World) -> None:
    with tool(world, "github_api"):
        pass
    (span,) = world.finished()
    assert span.attributes is not None
    assert span.attributes[semconv.COST_AMOUNT] == 0.01
    assert span.attributes[semconv.STATUS] == "priced"
    ((labels, usd),) = world.points(semconv.METRIC_SPEND)
    assert (labels[semconv.KIND], usd) == ("tool", 0.01)


def test_a_tool_that_none_names_is_no_operation_that_can_cost(world: World) -> None:
    with tool(world, "grep"):
        pass
    assert world.statuses() == [""]
    assert world.points(semconv.METRIC_OPERATIONS) == []


def test_without_price_files_no_tool_costs() -> None:
    with made(Pricer(lambda: load_catalog(Config())), Config()) as world:
        world.runtime.pricer.catalog(60)
        with tool(world, "github_api"):
            pass
        assert world.statuses() == [""]


def test_a_failed_call_costs_nothing_and_says_so(world: World) -> None:
    with tool(world, "github_api", error="TimeoutError"):
        pass
    (span,) = world.finished()
    assert span.attributes is not None
    assert (span.attributes[semconv.STATUS], span.attributes[semconv.REASON]) == ("priced", "failed")
    assert span.attributes[semconv.COST_AMOUNT] == 0


def test_two_instrumentations_of_one_call_count_once(world: World) -> None:
    """The framework's span of the tool around MCP's own."""
    with tool(world, "search_web", FRAMEWORK), tool(world, "search_web", MCP):
        pass
    assert world.spend() == 0.002
    with tool(world, "search_web", FRAMEWORK, "call_1"), tool(world, "search_web", MCP, "call_1"):
        pass
    assert world.spend() == 0.004


def test_two_calls_count_twice(world: World) -> None:
    for call in ("call_1", "call_2"):
        with tool(world, "search_web", call=call):
            pass
    for _ in range(2):
        with tool(world, "search_web"):
            pass
    assert world.spend() == pytest.approx(0.008)


def test_calls_with_one_id_are_as_many_as_they_are(world: World) -> None:
    """Some models number the tools that they ask for from 0 in each conversation, some in each answer."""
    for _ in range(2):
        with world.tracer("app").start_as_current_span("turns"):
            for _ in range(2):
                with tool(world, "search_web", FRAMEWORK, "call_0"), tool(world, "search_web", MCP, "call_0"):
                    pass
    assert world.spend() == pytest.approx(4 * 0.002)


def test_a_tool_inside_a_call_of_no_known_model_is_no_span_of_that_call(world: World) -> None:
    with (
        world.tracer("my.own").start_as_current_span("chat", attributes={semconv.OPERATION_NAME: "chat"}),
        tool(world, "search_web"),
    ):
        pass
    assert world.statuses() == ["priced", "unpriced"]
    assert world.spend() == 0.002


def test_a_tool_that_ends_before_prices_are_there_is_settled_then(catalog: Catalog) -> None:
    gate = threading.Event()

    def late() -> Catalog:
        gate.wait(30)
        return catalog

    with made(Pricer(late)) as world:
        for name in ("github_api", "grep"):
            with tool(world, name):
                pass
        assert world.statuses() == ["", ""], "whether they cost is not known yet"
        gate.set()
        assert world.runtime.pipeline.flush(30)
        assert world.spend() == 0.01
        ((labels, count),) = world.points(semconv.METRIC_OPERATIONS)
        assert (labels[semconv.STATUS], count) == ("priced", 1)
