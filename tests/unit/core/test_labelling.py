"""Who spent it: labels from code, baggage, spans and settings, and which of them win."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import baggage, context

from otel_cost import labels, semconv
from otel_cost.config import Config, LabelSettings
from otel_cost.labelling import MAX_LENGTH, current
from tests.support.world import World, make_world

TEAM = semconv.label_attribute("team")


def teams(world: World) -> list[str]:
    return sorted(str(attributes.get(TEAM, "")) for attributes, _ in world.points(semconv.METRIC_SPEND))


def test_inner_labels_win_and_none_removes() -> None:
    with labels(team="a", feature="x"):
        with labels(team="b", feature=None):
            assert dict(current()) == {"team": "b"}
        assert dict(current()) == {"team": "a", "feature": "x"}
    assert dict(current()) == {}


def test_as_decorator_of_functions_and_coroutines() -> None:
    @labels(team="a")
    def plain() -> str:
        return current()["team"]

    @labels(team="b")
    async def coroutine() -> str:
        await asyncio.sleep(0)
        return current()["team"]

    assert plain() == "a"
    assert asyncio.run(coroutine()) == "b"
    assert dict(current()) == {}


def test_tasks_keep_their_own() -> None:
    async def one(team: str) -> str:
        with labels(team=team):
            await asyncio.sleep(0)
            return current()["team"]

    async def both() -> list[str]:
        return await asyncio.gather(one("a"), one("b"))

    assert asyncio.run(both()) == ["a", "b"]


def test_threads_that_are_given_the_context_have_them() -> None:
    with labels(team="a"), ThreadPoolExecutor(1) as pool:
        carried = contextvars.copy_context()
        assert pool.submit(carried.run, lambda: dict(current())).result() == {"team": "a"}
        assert pool.submit(lambda: dict(current())).result() == {}


def test_labels_do_not_leak_into_baggage_unless_asked() -> None:
    with labels(user="u1"):
        assert baggage.get_all() == {}
    with labels(team="a", propagate=True):
        assert baggage.get_all() == {TEAM: "a"}
    assert baggage.get_all() == {}


def test_long_values_are_cut() -> None:
    with labels(team="x" * 1000):
        assert len(current()["team"]) == MAX_LENGTH


def test_inbound_baggage_counts_only_for_listed_labels() -> None:
    for allowed, expected in (((), [""]), (("team",), ["search"])):
        world = make_world(Config(labels=LabelSettings(baggage=allowed)))
        token = context.attach(baggage.set_baggage(TEAM, "search"))
        try:
            with world.call():
                pass
        finally:
            context.detach(token)
        assert teams(world) == expected


def test_code_wins_over_baggage_over_span_over_resource_over_settings() -> None:
    config = Config(labels=LabelSettings(static={"team": "settings"}, baggage=("team",)))
    world = make_world(config)
    with world.call():
        pass
    assert teams(world) == ["settings"]

    world = make_world(config, resource={TEAM: "resource"})
    with world.call():
        pass
    with world.call(**{TEAM: "span"}):
        pass
    with labels(team="code"), world.call(**{TEAM: "span"}):
        pass
    token = context.attach(baggage.set_baggage("team", "baggage"))
    with world.call(**{TEAM: "span"}):
        pass
    context.detach(token)
    assert teams(world) == ["baggage", "code", "resource", "span"]


def test_service_and_environment_come_from_the_resource() -> None:
    world = make_world(resource={"service.name": "shop", "deployment.environment": "production"})
    with world.call():
        pass
    ((attributes, _),) = world.points(semconv.METRIC_SPEND)
    assert attributes[semconv.SERVICE_NAME] == "shop"
    assert attributes[semconv.ENVIRONMENT] == "production"


def test_labels_are_those_of_the_start_of_the_call(world: World) -> None:
    with labels(team="a"):
        opened = world.call()
        opened.__enter__()
    with labels(team="b"):
        opened.__exit__(None, None, None)
    assert teams(world) == ["a"]


def test_labels_said_in_code_or_settings_stand_on_the_span_for_the_book_and_backends() -> None:
    world = make_world(Config(labels=LabelSettings(static={"project": "p", "team": "settings"})))
    with labels(team="search", session="s1"), world.call():
        pass
    with world.call(**{TEAM: "span"}):
        pass
    first, second = (span.attributes or {} for span in world.finished())
    assert first[TEAM] == "search"
    assert first[semconv.SESSION_ID] == "s1"
    assert first[semconv.label_attribute("project")] == "p"
    assert second[TEAM] == "span"


def test_one_instance_in_many_tasks_does_not_leak() -> None:
    shared = labels(team="search")

    async def one(first: asyncio.Event, second: asyncio.Event) -> dict[str, str]:
        with shared:
            first.set()
            await second.wait()
        return dict(current())

    async def both() -> list[dict[str, str]]:
        a, b = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(one(a, b), one(b, a))

    assert asyncio.run(both()) == [{}, {}]


def test_generators_cannot_be_decorated() -> None:
    def generator() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="inside it"):
        labels(team="a")(generator)


def test_the_nearest_span_around_a_call_says_whose_it_is(world: World) -> None:
    app = world.tracer("app")
    with (
        app.start_as_current_span("request", attributes={TEAM: "outer", semconv.USER_ID: "u"}),
        app.start_as_current_span("agent", attributes={TEAM: "inner"}),
    ):
        with world.call():
            pass
        with world.call(**{TEAM: "own"}):
            pass
    assert teams(world) == ["inner", "own"]
    assert {(span.attributes or {}).get(semconv.USER_ID) for span in world.finished("chat")} == {"u"}
