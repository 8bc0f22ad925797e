"""One process with otel-cost installed, the stand-in provider, and clients of the real SDKs against it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import cache
from typing import Any

import pytest

import otel_cost_instrumentation
from otel_cost import runtime
from otel_cost.config import Config, PriceSettings
from otel_cost.demo.provider import StandInProvider
from otel_cost.model import CostRecord
from otel_cost.pricing import Pricer, pricer_of
from tests.contract.providers.cases import CASES, PRICES, WIRES, Case, Client
from tests.support.world import World, make_world

ClientMaker = Callable[..., Client]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``case`` is every case, ``streaming`` those that can stream; of those, the ones that have what the test needs."""
    for name, cases in (("case", CASES), ("streaming", [case for case in CASES if case.streams])):
        if name in metafunc.fixturenames:
            able = [case for case in cases if _able(case, metafunc)]
            metafunc.parametrize(name, able, ids=lambda case: case.name)


def _able(case: Case, metafunc: pytest.Metafunc) -> bool:
    asynchronous = "async_client_of" in metafunc.fixturenames
    if asynchronous and not case.asynchronous:
        return False
    if not case.sync and ("client_of" in metafunc.fixturenames or not asynchronous):
        return False
    needed = [feature for mark in metafunc.definition.iter_markers("needs") for feature in mark.args]
    return all(getattr(case, feature) for feature in needed)


@pytest.fixture(autouse=True)
def no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every SDK's client reads all authorities of the Web when it is made, which takes as long as a test. Nothing here
    is asked over TLS."""
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *args, **kwargs: None)


@pytest.fixture
def server() -> Iterator[StandInProvider]:
    with StandInProvider(wires=WIRES) as provider:
        yield provider


STAND_IN = "127.0.0.1"
"""The stand-in may be asked for usage in streams, as the provider's own host is."""


@pytest.fixture
def config() -> Config:
    return Config(stream_usage_hosts=(STAND_IN,))


@cache
def _prices() -> Pricer:
    """Loaded once for all tests."""
    pricer = pricer_of(Config(prices=PriceSettings(overlay=PRICES)))
    pricer.start_loading()
    assert pricer.catalog(60) is not None
    return pricer


@pytest.fixture
def world(config: Config) -> Iterator[World]:
    made = make_world(config, pricer=_prices())
    otel_cost_instrumentation.activate()
    yield made
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()


@pytest.fixture
def taken(world: World, monkeypatch: pytest.MonkeyPatch) -> list[CostRecord]:
    """Every record that is settled from now on."""
    records: list[CostRecord] = []
    take = world.runtime.telemetry.take

    def keep(record: CostRecord) -> None:
        records.append(record)
        take(record)

    monkeypatch.setattr(world.runtime.telemetry, "take", keep)
    return records


@pytest.fixture
def client_of(server: StandInProvider, world: World) -> Iterator[Callable[[Case], Client]]:
    """Makes a synchronous client of a case; closed afterwards."""
    with ExitStack() as stack:

        def make(case: Case, *, retries: int = 0) -> Any:
            client = case.client(server.base_url, retries, world.provider, False)
            stack.callback(case.close, client)
            return client

        yield make


@pytest.fixture
async def async_client_of(server: StandInProvider, world: World) -> AsyncIterator[Callable[[Case], Client]]:
    """Makes an asynchronous client of a case; closed afterwards."""
    clients: list[Any] = []
    async with AsyncExitStack() as stack:

        def make(case: Case, *, retries: int = 0) -> Any:
            client = case.client(server.base_url, retries, world.provider, True)
            stack.push_async_callback(case.close, client)
            clients.append(client)
            return client

        yield make
