"""Labels follow the work: tasks, thread pools, threads, and workers elsewhere (FEATURES E4)."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context, propagate
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

import otel_cost
from otel_cost import labelling
from otel_cost.config import Config, LabelSettings
from tests.support.world import World, make_world

TEAM = {"otel_cost.team": "search"}


@pytest.fixture
def threads() -> Iterator[None]:
    """What ``opentelemetry-instrument`` does to threads when the instrumentation is installed."""
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


def _call(world: World) -> None:
    with world.call():
        pass


def _teams(world: World) -> list[object]:
    return [(span.attributes or {}).get("otel_cost.team") for span in world.finished()]


def test_tasks_and_threads_of_asyncio(world: World) -> None:
    async def work() -> None:
        with otel_cost.labels(team="search"):
            await asyncio.gather(asyncio.to_thread(_call, world), asyncio.create_task(asyncio.to_thread(_call, world)))

    asyncio.run(work())
    assert _teams(world) == ["search"] * 2


def test_side_by_side_tasks_keep_their_own(world: World) -> None:
    async def one(team: str) -> None:
        with otel_cost.labels(team=team):
            await asyncio.sleep(0)
            _call(world)

    async def work() -> None:
        await asyncio.gather(*(one(team) for team in "abc"))

    asyncio.run(work())
    assert sorted(map(str, _teams(world))) == ["a", "b", "c"]


@pytest.mark.usefixtures("threads")
def test_threads_and_pools_under_opentelemetrys_threading_instrumentation(world: World) -> None:
    with otel_cost.labels(team="search"), ThreadPoolExecutor(2) as pool:
        thread = threading.Thread(target=_call, args=(world,))
        thread.start()
        thread.join()
        pool.submit(_call, world).result()
    assert _teams(world) == ["search"] * 2


def test_a_pool_by_hand(world: World) -> None:
    with ThreadPoolExecutor(1) as pool, otel_cost.labels(team="search"):
        pool.submit(contextvars.copy_context().run, _call, world).result()
    assert _teams(world) == ["search"]


def _worker(messages: Any, answers: Any) -> None:
    """A worker of a task queue in a process of its own: the message's headers are all it gets."""
    world = make_world(Config(labels=LabelSettings(baggage=("team",))))
    token = context.attach(propagate.extract(messages.get()))
    _call(world)
    context.detach(token)
    answers.put(_teams(world))


def test_a_worker_elsewhere_believes_what_its_settings_allow() -> None:
    spawning = multiprocessing.get_context("spawn")
    messages, answers = spawning.Queue(), spawning.Queue()
    worker = spawning.Process(target=_worker, args=(messages, answers))
    worker.start()
    headers: dict[str, str] = {}
    with otel_cost.labels(team="search", project="secret", propagate=True):
        propagate.inject(headers)
    messages.put(headers)
    assert answers.get(timeout=120) == ["search"]
    worker.join()
    assert labelling.current() == {}
