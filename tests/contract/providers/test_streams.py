"""Streams: exact where the provider told the usage, estimated where the app left early, ended once in every case."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Iterator

import pytest
from opentelemetry.trace import StatusCode

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.cases import Case
from tests.contract.providers.conftest import ClientMaker
from tests.contract.providers.seen import (
    TOKENS_OF_USAGE,
    TOTALS,
    USAGE,
    attributes_of,
    ended,
    error_type,
    only_span,
    status,
    totals,
)
from tests.support.waiting import until
from tests.support.world import World


class Mishap(Exception):
    """Raised by the app itself."""


def _check_estimated(case: Case, world: World) -> None:
    span = ended(world)
    assert status(span) == "estimated"
    assert attributes_of(span)[semconv.USAGE_ESTIMATED] is True
    into, out = totals(span)
    assert into == (1000 if case.streams_usage_before_end else pytest.approx(TOKENS_OF_USAGE, abs=8))
    assert isinstance(out, int)
    assert out < 200


def test_a_stream_read_to_the_end_is_exact(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)
    assert isinstance(stream, streaming.stream_types[0])
    assert not world.finished()

    assert len(list(stream)) > 3

    span = only_span(world)
    assert (status(span), totals(span)) == ("priced", TOTALS)
    assert 0 < attributes_of(span)[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] < 60
    assert attributes_of(span)[semconv.REQUEST_STREAM] is True
    assert attributes_of(span)[semconv.RESPONSE_FINISH_REASONS]


async def test_an_async_stream_read_to_the_end_is_exact(
    streaming: Case, async_client_of: ClientMaker, world: World
) -> None:
    stream = await streaming.call(async_client_of(streaming), USAGE, True)
    assert isinstance(stream, streaming.stream_types[1])

    assert len([chunk async for chunk in stream]) > 3

    span = only_span(world)
    assert (status(span), totals(span)) == ("priced", TOTALS)


def test_a_stream_can_be_read_by_hand(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)

    read = 0
    while next(stream, None) is not None:
        read += 1

    assert read > 3
    assert next(stream, None) is None
    assert totals(only_span(world)) == TOTALS


def test_a_stream_goes_on_after_a_break(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)
    first = [next(iter(stream))]

    rest = list(stream)

    assert len(first + rest) > 3
    assert totals(only_span(world)) == TOTALS


@pytest.mark.needs("generators")
def test_iterating_is_done_by_generators_as_in_the_sdk(streaming: Case, client_of: ClientMaker) -> None:
    with streaming.call(client_of(streaming), USAGE, True) as stream:
        assert inspect.isgenerator(iter(stream))
        assert isinstance(stream, Iterator)


@pytest.mark.needs("generators")
async def test_async_iterating_is_done_by_generators_as_in_the_sdk(
    streaming: Case, async_client_of: ClientMaker
) -> None:
    async with await streaming.call(async_client_of(streaming), USAGE, True) as stream:
        assert inspect.isasyncgen(aiter(stream))
        assert isinstance(stream, AsyncIterator)


@pytest.mark.needs("own_iterator")
def test_a_stream_that_is_its_own_iterator_stays_one(streaming: Case, client_of: ClientMaker) -> None:
    with streaming.call(client_of(streaming), USAGE, True) as stream:
        assert iter(stream) is stream


@pytest.mark.needs("own_iterator")
async def test_an_async_stream_that_is_its_own_iterator_stays_one(
    streaming: Case, async_client_of: ClientMaker
) -> None:
    async with await streaming.call(async_client_of(streaming), USAGE, True) as stream:
        assert aiter(stream) is stream


def test_closing_early_is_estimated(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)
    next(stream)

    stream.close()

    _check_estimated(streaming, world)
    assert not streaming.response or stream.response.is_closed
    stream.close()
    assert len(world.finished()) == 1


async def test_closing_an_async_stream_early_is_estimated(
    streaming: Case, async_client_of: ClientMaker, world: World
) -> None:
    stream = await streaming.call(async_client_of(streaming), USAGE, True)
    await anext(stream)

    await streaming.close_stream(stream)
    await asyncio.to_thread(until, lambda: world.finished(), "the span to end", poll_s=0.01)

    _check_estimated(streaming, world)


@pytest.mark.needs("blocks")
def test_leaving_the_block_early_is_estimated(streaming: Case, client_of: ClientMaker, world: World) -> None:
    with streaming.call(client_of(streaming), USAGE, True) as stream:
        for _ in stream:
            break

    _check_estimated(streaming, world)


@pytest.mark.needs("blocks")
async def test_leaving_the_async_block_early_is_estimated(
    streaming: Case, async_client_of: ClientMaker, world: World
) -> None:
    async with await streaming.call(async_client_of(streaming), USAGE, True) as stream:
        async for _ in stream:
            break

    _check_estimated(streaming, world)


@pytest.mark.needs("response")
def test_closing_the_response_ends_the_call(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)
    next(stream)

    stream.response.close()

    _check_estimated(streaming, world)


@pytest.mark.needs("blocks")
def test_an_exception_of_the_app_is_not_the_providers(streaming: Case, client_of: ClientMaker, world: World) -> None:
    mishap = Mishap()

    def stumble() -> None:
        with streaming.call(client_of(streaming), USAGE, True) as stream:
            for _ in stream:
                raise mishap

    with pytest.raises(Mishap) as caught:
        stumble()

    assert caught.value is mishap
    _check_estimated(streaming, world)
    assert only_span(world).status.status_code is not StatusCode.ERROR


def test_a_dropped_stream_is_settled(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)
    next(stream)

    del stream

    _check_estimated(streaming, world)


def test_a_stream_dropped_in_a_cycle_is_settled(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)
    next(stream)
    holder: dict[str, object] = {"stream": stream}
    holder["itself"] = holder
    del stream, holder

    gc.collect()

    _check_estimated(streaming, world)


async def test_a_dropped_async_stream_is_settled(streaming: Case, async_client_of: ClientMaker, world: World) -> None:
    stream = await streaming.call(async_client_of(streaming), USAGE, True)
    await anext(stream)
    response = getattr(stream, "response", None)

    del stream, response
    gc.collect()
    await asyncio.to_thread(until, lambda: world.finished(), "the span to end", poll_s=0.01)

    _check_estimated(streaming, world)


@pytest.mark.needs("eager")
def test_a_stream_that_nobody_read_is_settled(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)

    del stream

    span = ended(world)
    assert status(span) == "estimated"
    assert totals(span)[1] == 0


@pytest.mark.needs("lazy")
def test_a_lazy_stream_that_nobody_read_was_never_a_call(
    streaming: Case, client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    stream = streaming.call(client_of(streaming), USAGE, True)

    del stream

    assert not server.requests
    assert not world.finished()


@pytest.mark.needs("raises_midstream")
def test_an_error_in_the_middle_reaches_the_app(streaming: Case, client_of: ClientMaker, world: World) -> None:
    stream = streaming.call(client_of(streaming), f"error:midstream {USAGE}", True)
    with pytest.raises(streaming.broken_off):
        list(stream)

    span = only_span(world)
    assert error_type(span)
    assert span.status.status_code is StatusCode.ERROR
    assert status(span) == "estimated"


def test_an_error_at_the_start_reaches_the_app(streaming: Case, client_of: ClientMaker, world: World) -> None:
    with pytest.raises(streaming.api_error):
        streaming.sent(client_of(streaming), "error:500")

    span = only_span(world)
    assert (status(span), attributes_of(span)[semconv.REASON]) == ("priced", "failed")


async def test_a_cancelled_stream_is_ended(
    streaming: Case, async_client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    started = asyncio.Event()

    async def read() -> None:
        async for _ in await streaming.call(async_client_of(streaming), f"pause:30 {USAGE}", True):
            started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(until, lambda: world.finished(), "the span to end", poll_s=0.01)

    assert status(only_span(world)) == "estimated"


@pytest.mark.needs("helper")
def test_the_helper_is_exact(streaming: Case, client_of: ClientMaker, world: World) -> None:
    assert streaming.helper
    with streaming.helper(client_of(streaming), USAGE) as stream:
        assert len(list(stream)) > 3

    span = only_span(world)
    assert (status(span), totals(span)) == ("priced", TOTALS)


@pytest.mark.needs("helper")
def test_leaving_the_helper_early_is_estimated(streaming: Case, client_of: ClientMaker, world: World) -> None:
    assert streaming.helper
    with streaming.helper(client_of(streaming), USAGE) as stream:
        next(iter(stream))

    _check_estimated(streaming, world)


@pytest.mark.needs("helper")
async def test_the_async_helper_is_exact(streaming: Case, async_client_of: ClientMaker, world: World) -> None:
    assert streaming.helper
    async with streaming.helper(async_client_of(streaming), USAGE) as stream:
        assert len([event async for event in stream]) > 3

    assert totals(only_span(world)) == TOTALS


@pytest.mark.needs("helper")
async def test_leaving_the_async_helper_early_is_estimated(
    streaming: Case, async_client_of: ClientMaker, world: World
) -> None:
    assert streaming.helper
    async with streaming.helper(async_client_of(streaming), USAGE) as stream:
        await anext(aiter(stream))

    _check_estimated(streaming, world)


@pytest.mark.needs("raw")
def test_a_raw_stream_is_watched_once_it_is_parsed(streaming: Case, client_of: ClientMaker, world: World) -> None:
    assert streaming.raw
    raw = streaming.raw(client_of(streaming), USAGE, True)
    assert "stream" in raw.headers["content-type"]
    stream = raw.parse()
    assert isinstance(stream, streaming.stream_types[0])
    assert raw.parse() is stream

    assert len(list(stream)) > 3

    # What a raw response's app reads is the wire: OpenAI's chat is not asked for usage behind its back.
    asked = streaming.name not in ("openai-chat", "azure-chat")
    assert status(only_span(world)) == ("priced" if asked else "estimated")


@pytest.mark.needs("raw")
async def test_an_async_raw_stream_is_watched(streaming: Case, async_client_of: ClientMaker, world: World) -> None:
    assert streaming.raw
    raw = await streaming.raw(async_client_of(streaming), USAGE, True)
    parsed = raw.parse()
    stream = await parsed if asyncio.iscoroutine(parsed) else parsed

    assert len([chunk async for chunk in stream]) > 3

    assert status(only_span(world)) in ("priced", "estimated")


@pytest.mark.needs("raw")
def test_a_raw_stream_that_nobody_read_is_settled(streaming: Case, client_of: ClientMaker, world: World) -> None:
    assert streaming.raw
    raw = streaming.raw(client_of(streaming), USAGE, True)

    del raw

    assert status(ended(world)) is not None
