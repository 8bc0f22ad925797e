"""The app cannot tell the difference: the same calls with and without otel-cost, held against each other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

import otel_cost_instrumentation
from otel_cost import runtime, semconv
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.cases import Case
from tests.contract.providers.conftest import ClientMaker
from tests.contract.providers.seen import status
from tests.support.world import World

FIXED = 'usage:{"input":1000,"output":200,"cached":400,"reasoning":50} id:fixed chunks:5'
_OF_THE_MOMENT = frozenset({"created", "created_at", "completed_at", "item_id"})


@pytest.fixture
def bare(server: StandInProvider) -> Iterator[Any]:
    """Makes clients in a process without otel-cost."""
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()
    clients: list[Any] = []

    def make(case: Case) -> Any:
        clients.append(case.client(server.base_url, 0, None, False))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def _shape(value: Any) -> Any:
    """A model as plain data, with the fields that were set; what depends on the moment left out."""
    if hasattr(type(value), "model_fields"):
        named = {name: _shape(getattr(value, name)) for name in value.model_fields_set if name not in _OF_THE_MOMENT}
        return type(value).__name__, named
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items() if key not in _OF_THE_MOMENT}
    return _stable(value)


def _stable(value: Any) -> Any:
    # Item ids of the Responses API are random.
    return "random" if isinstance(value, str) and value.startswith(("msg_", "rs_", "ws_")) else value


def test_answers_are_the_same(case: Case, bare: Any, client_of: ClientMaker, world: World) -> None:
    with_us = case.call(client_of(case), FIXED, False)
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()

    without = case.call(bare(case), FIXED, False)

    assert type(with_us) is type(without)
    assert _shape(with_us) == _shape(without)


def test_chunks_are_the_same(streaming: Case, bare: Any, client_of: ClientMaker, world: World) -> None:
    with_us = list(streaming.call(client_of(streaming), FIXED, True))
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()

    without = list(streaming.call(bare(streaming), FIXED, True))

    assert [type(chunk) for chunk in with_us] == [type(chunk) for chunk in without]
    assert [_shape(chunk) for chunk in with_us] == [_shape(chunk) for chunk in without]
    assert "priced" in world.statuses()


@pytest.mark.parametrize("told", ["error:500", "error:429", "error:400"])
def test_errors_are_the_same(case: Case, told: str, bare: Any, client_of: ClientMaker, world: World) -> None:
    with pytest.raises(case.api_error) as with_us:
        case.call(client_of(case), told, False)
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()

    with pytest.raises(case.api_error) as without:
        case.call(bare(case), told, False)

    assert type(with_us.value) is type(without.value)
    assert _without_request_id(with_us.value) == _without_request_id(without.value)


def _without_request_id(error: Exception) -> object:
    body = getattr(error, "body", None)
    return {key: value for key, value in body.items() if key != "request_id"} if isinstance(body, dict) else body


def test_one_request_goes_out_when_the_stream_is_made(
    streaming: Case, client_of: ClientMaker, server: StandInProvider
) -> None:
    with streaming.call(client_of(streaming), FIXED, True) as stream:
        assert len(server.requests) == 1
        list(stream)

    assert len(server.requests) == 1


async def test_nothing_goes_out_before_an_async_call_is_awaited(
    case: Case, async_client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    pending = case.call(async_client_of(case), FIXED, False)
    await asyncio.sleep(0)
    assert not server.requests
    pending.close()

    assert not world.finished()


def test_nothing_goes_out_before_the_helper_is_entered(
    streaming: Case, client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    assert streaming.helper is not None
    streaming.helper(client_of(streaming), FIXED)

    assert not server.requests
    assert not world.finished()


def test_the_wrapped_methods_look_like_the_sdks(case: Case, client_of: ClientMaker, bare: Any) -> None:
    otel_cost_instrumentation.activate()
    kind = type(client_of(case))
    with_us = inspect.signature(kind.post), kind.post.__doc__, kind.post.__qualname__
    otel_cost_instrumentation.deactivate()

    assert (inspect.signature(kind.post), kind.post.__doc__, kind.post.__qualname__) == with_us


def test_a_model_without_a_price_is_answered_all_the_same(
    case: Case, client_of: ClientMaker, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    case.call(client_of(case), f"model:nobody-knows-this {FIXED}", False)

    # The requested model is the fallback, so the answer is priced by that and never at a silent 0.
    assert world.statuses() == ["priced"]


def test_two_calls_in_one_trace_are_two(case: Case, client_of: ClientMaker, world: World) -> None:
    with world.provider.get_tracer("app").start_as_current_span("request"):
        case.call(client_of(case), 'usage:{"input":10,"output":5}', False)
        case.call(client_of(case), 'usage:{"input":10,"output":5}', False)

    calls = [span for span in world.finished() if span.name != "request"]
    assert [status(span) for span in calls] == ["priced", "priced"]


def test_a_span_of_the_official_kind_is_enriched_and_not_doubled(
    case: Case, client_of: ClientMaker, world: World
) -> None:
    start = {
        semconv.OPERATION_NAME: case.operation,
        semconv.PROVIDER_NAME: case.provider,
        semconv.REQUEST_MODEL: case.model,
    }
    with world.tracer().start_as_current_span("theirs", attributes=start) as span:
        case.call(client_of(case), 'usage:{"input":10,"output":5}', False)

    if case.name in ("anthropic-self-traced", "anthropic-beta"):
        # The SDK's own span is the inner one, and is claimed; theirs is another span of the same call.
        assert world.statuses() == ["priced", "duplicate"]
    else:
        assert [found.name for found in world.finished()] == ["theirs"]
        assert world.statuses() == ["priced"]
    assert span.status.status_code is StatusCode.UNSET  # type: ignore[attr-defined]
