"""The app cannot tell the difference: the same calls with and without otel-cost, held against each other."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from enum import Enum
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

import otel_cost_instrumentation
from otel_cost import runtime, semconv
from otel_cost.demo.provider import StandInProvider
from otel_cost_instrumentation._base import Method
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
    with ExitStack() as stack:
        yield lambda case: stack.enter_context(case.opened(server.base_url, None))


def _shape(value: Any, case: Case) -> Any:
    """An answer as plain data, of a model the fields that were set; what depends on the moment left out."""
    kind = type(value)
    if hasattr(kind, "model_fields"):
        return kind.__name__, _shape({name: getattr(value, name) for name in value.model_fields_set}, case)
    if isinstance(value, list | tuple):
        return [_shape(item, case) for item in value]
    if isinstance(value, Mapping):
        left_out = _OF_THE_MOMENT | case.of_the_moment
        return {key: _shape(item, case) for key, item in value.items() if key not in left_out}
    if hasattr(kind, "tolist"):  # an array
        return kind.__name__, str(value.dtype), value.tolist()
    if hasattr(value, "__dict__") and not isinstance(value, type | Enum):
        return kind.__name__, _shape(vars(value), case)
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
    assert _shape(with_us, case) == _shape(without, case)


def test_chunks_are_the_same(streaming: Case, bare: Any, client_of: ClientMaker, world: World) -> None:
    with_us = list(streaming.call(client_of(streaming), FIXED, True))
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()

    without = list(streaming.call(bare(streaming), FIXED, True))

    assert [type(chunk) for chunk in with_us] == [type(chunk) for chunk in without]
    assert _shape(with_us, streaming) == _shape(without, streaming)
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
    assert type(with_us.value.__cause__) is type(without.value.__cause__)
    assert _without_request_id(with_us.value) == _without_request_id(without.value)


def _without_request_id(error: BaseException) -> object:
    body = getattr(error, "body", None)
    return {key: value for key, value in body.items() if key != "request_id"} if isinstance(body, dict) else body


@pytest.mark.needs("blocks")
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


@pytest.mark.needs("helper")
def test_nothing_goes_out_before_the_helper_is_entered(
    streaming: Case, client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    assert streaming.helper
    streaming.helper(client_of(streaming), FIXED)

    assert not server.requests
    assert not world.finished()


def test_the_wrapped_methods_look_like_the_sdks(case: Case, client_of: ClientMaker, bare: Any) -> None:
    otel_cost_instrumentation.activate()
    with_us = _looks(case)
    otel_cost_instrumentation.deactivate()

    assert with_us
    assert _looks(case) == with_us


def _looks(case: Case) -> list[tuple[object, ...]]:
    """How the methods look that the case's provider module wraps, as far as this version of the SDK has them."""
    provider = importlib.import_module(f"otel_cost_instrumentation.{case.provider}").PROVIDER
    found = [_found(method) for method in provider.methods]
    return [
        (inspect.signature(method), method.__doc__, method.__qualname__, inspect.iscoroutinefunction(method))
        for method in found
        if method is not None
    ]


def _found(method: Method) -> Any:
    """The method that is declared; None where its module is not there."""
    owner, _, name = method.name.partition(".")
    return getattr(getattr(sys.modules.get(method.module), owner, None), name, None)


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
        semconv.PROVIDER_NAME: case.named,
        semconv.REQUEST_MODEL: case.model,
    }
    with world.tracer().start_as_current_span("theirs", attributes=start) as span:
        case.call(client_of(case), 'usage:{"input":10,"output":5}', False)

    if case.self_traced:
        # The SDK's own span is the inner one, and is claimed; theirs is another span of the same call.
        assert world.statuses() == ["priced", "duplicate"]
    else:
        assert [found.name for found in world.finished()] == ["theirs"]
        assert world.statuses() == ["priced"]
    assert span.status.status_code is StatusCode.UNSET  # type: ignore[attr-defined]
