"""SDK methods that return a generator: the request goes out with its first step, and so does everything of ours."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import trace

from otel_cost import BudgetExceeded, semconv
from otel_cost.budgets import Budgets
from otel_cost.runtime import Runtime
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._install import Installation
from tests.support.waiting import until
from tests.support.world import World
from tests.unit.instrumentation import fake_sdk

USAGE = {"input": 1000, "output": 200}
Sent = list[trace.SpanContext]


def _read(*given: Any) -> Any:
    request = fake_sdk.read(*given)
    return request and request._replace(lazy=True)


@pytest.fixture
def sent() -> Sent:
    """The span that was the current one when each request went out."""
    return []


@pytest.fixture
def client(world: World, sent: Sent) -> Iterator[Any]:
    def stream(self: object, model: str) -> Iterator[object]:
        sent.append(trace.get_current_span().get_span_context())
        yield from (40, 40, USAGE)

    async def stream_async(self: object, model: str) -> AsyncIterator[object]:
        sent.append(trace.get_current_span().get_span_context())
        for chunk in (40, 40, USAGE):
            yield chunk

    with fake_sdk.Importing() as module:
        _add(module, stream, stream_async)
        installation = Installation()
        methods = (Method(fake_sdk.NAME, f"Client.{name}", _read) for name in ("stream", "stream_async"))
        installation.add(Provider("made_up", tuple(methods)))
        yield module.Client(dict)
        installation.remove()


def _add(module: ModuleType, *functions: Callable[..., object]) -> None:
    for function in functions:
        setattr(module.Client, function.__name__, function)


def test_nothing_happens_before_the_first_chunk(client: Any, world: World, sent: Sent) -> None:
    stream = client.stream("gpt-4o")
    assert inspect.isgenerator(stream)
    assert iter(stream) is stream
    assert not sent

    assert list(stream) == [40, 40, USAGE]

    (span,) = world.finished()
    assert world.statuses() == ["priced"]
    assert sent == [span.context]
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_an_async_generator_is_as_lazy(client: Any, world: World, sent: Sent) -> None:
    stream = client.stream_async("gpt-4o")
    assert inspect.isasyncgen(stream)
    assert aiter(stream) is stream
    assert not sent

    assert [chunk async for chunk in stream] == [40, 40, USAGE]

    assert world.statuses() == ["priced"]
    assert sent == [world.finished()[0].context]


def test_one_that_nobody_reads_was_never_a_call(client: Any, world: World, sent: Sent) -> None:
    client.stream("gpt-4o").close()
    client.stream("gpt-4o")

    assert not sent
    assert not world.finished()


def test_leaving_early_is_estimated(client: Any, world: World) -> None:
    stream = client.stream("gpt-4o")
    next(stream)
    stream.close()

    assert world.statuses() == ["estimated"]
    assert list(stream) == []


def test_dropping_it_is_estimated(client: Any, world: World) -> None:
    stream = client.stream("gpt-4o")
    next(stream)
    del stream

    until(lambda: world.finished(), "the abandoned call's span to end", poll_s=0.01)
    assert world.statuses() == ["estimated"]


async def test_closing_an_async_one_early_is_estimated(client: Any, world: World) -> None:
    stream = client.stream_async("gpt-4o")
    await anext(stream)
    await stream.aclose()

    assert world.statuses() == ["estimated"]


def _refuse(self: object, call: object) -> None:
    raise BudgetExceeded("no", budget="b", scope={}, limit_nano=1, spent_nano=1, retry_after_s=None)


async def _refuse_async(self: object, call: object) -> None:
    _refuse(self, call)


async def test_a_budgets_no_comes_instead_of_the_first_chunk(
    client: Any, world: World, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budgets, "present", True)
    monkeypatch.setattr(Runtime, "admit", _refuse)
    monkeypatch.setattr(Runtime, "admit_async", _refuse_async)
    stream, other = client.stream("gpt-4o"), client.stream_async("gpt-4o")

    with pytest.raises(BudgetExceeded):
        next(stream)
    with pytest.raises(BudgetExceeded):
        await anext(other)

    assert list(stream) == [] == [chunk async for chunk in other]
    assert not sent
    assert not world.finished()


def test_a_call_of_none_of_ours_is_left_alone(client: Any, world: World) -> None:
    assert type(client.stream("none of ours")) is type(chunk for chunk in ())
    assert semconv.STATUS not in repr(world.finished())
