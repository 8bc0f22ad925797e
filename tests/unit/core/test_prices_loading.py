"""Calls that end before prices are there lose nothing; prices that never come are said."""

from __future__ import annotations

import threading

import pytest

from otel_cost import semconv
from otel_cost.errors import ConfigError
from otel_cost.pricing import Catalog, Pricer
from tests.support.waiting import until
from tests.support.world import PRICES, make_world
from tests.unit.core.test_telemetry import in_child


class Gate:
    """A price load that waits to be let through."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def load(self) -> Catalog:
        assert self.open.wait(60)
        PRICES.start_loading()
        catalog = PRICES.catalog(60)
        assert catalog is not None
        return catalog


def test_the_span_says_loading_and_the_money_follows() -> None:
    gate = Gate()
    world = make_world(pricer=Pricer(gate.load))
    with world.call(id="r1"):
        pass
    attributes = world.finished()[0].attributes or {}
    assert (attributes[semconv.STATUS], attributes[semconv.REASON]) == ("unpriced", "prices_loading")
    assert world.spend() == 0
    gate.open.set()
    until(lambda: world.spend() == 0.0035, "the spend")
    assert [v for _, v in world.points(semconv.METRIC_OPERATIONS)] == [1]


def test_flush_waits_for_prices() -> None:
    gate = Gate()
    world = make_world(pricer=Pricer(gate.load))
    with world.call(id="r1"):
        pass
    assert world.provider.force_flush(1) is False
    gate.open.set()
    assert world.provider.force_flush(60_000)
    assert world.spend() == 0.0035


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_what_waits_at_a_fork_is_settled_by_the_parent_alone() -> None:
    gate = Gate()
    world = make_world(pricer=Pricer(gate.load, fork_wait_s=0.01))
    with world.call(id="r1"):
        pass

    def child() -> None:
        gate.open.set()
        assert world.provider.force_flush(60_000)
        assert world.spend() == 0
        with world.call(id="r2"):
            pass
        assert world.provider.force_flush(60_000)
        assert world.spend() == 0.0035

    in_child(child)
    gate.open.set()
    assert world.provider.force_flush(60_000)
    assert world.spend() == 0.0035


def test_prices_that_cannot_be_loaded_leave_calls_unpriced_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Catalog:
        raise ConfigError("prices.yaml:3: no such unit")

    world = make_world(pricer=Pricer(broken))
    for number in range(3):
        with world.call(id=f"r{number}"):
            pass
    assert world.provider.force_flush(60_000)
    counts = [(a[semconv.REASON], v) for a, v in world.points(semconv.METRIC_OPERATIONS)]
    assert counts == [("no_prices", 3)]
    assert "prices.yaml:3" in caplog.text


def test_flush_waits_for_what_another_thread_is_settling() -> None:
    gate = Gate()
    world = make_world(pricer=Pricer(gate.load))
    for number in range(500):
        with world.call(id=f"r{number}"):
            pass
    gate.open.set()
    until(world.runtime.pricer.ready, "prices")
    assert world.provider.force_flush(60_000)
    assert world.spend() == pytest.approx(500 * 0.0035, abs=1e-9)
