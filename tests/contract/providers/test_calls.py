"""Whole answers, sync and async: one priced span for every call, whatever comes back."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil

import pytest
from opentelemetry.trace import SpanKind, StatusCode

import otel_cost_instrumentation
from otel_cost import runtime, semconv
from otel_cost.demo.provider import StandInProvider
from otel_cost.model import CostRecord, Reason
from tests.contract.providers.cases import CASES, STAND_INS, Case
from tests.contract.providers.conftest import ClientMaker
from tests.contract.providers.seen import USAGE, attributes_of, case_totals, error_type, only_span, status, totals
from tests.support.ports import free_ports
from tests.support.waiting import until
from tests.support.world import World

IN_AN_ENVIRONMENT_OF_ITS_OWN = {"litellm"}
"""It pins other SDKs to older releases: tests/emitters/test_litellm_ways.py."""
SECRET = "the-prompt-nobody-may-see"


def test_each_provider_module_on_disk_runs_this_suite() -> None:
    modules = {
        module.name
        for module in pkgutil.iter_modules(otel_cost_instrumentation.__path__)
        if not module.name.startswith("_") and module.name != "entry"
    }

    declared = {importlib.import_module(f"otel_cost_instrumentation.{name}").PROVIDER.name for name in modules}

    assert declared == modules == {case.provider for case in CASES} | IN_AN_ENVIRONMENT_OF_ITS_OWN


def _check(world: World, case: Case) -> None:
    span = only_span(world)
    found = attributes_of(span)
    assert status(span) == "priced"
    assert totals(span) == case_totals(case)
    assert found[semconv.COST_AMOUNT] > 0
    assert found[semconv.OPERATION_NAME] == case.operation
    assert found[semconv.REQUEST_MODEL] == case.model
    assert found.get(semconv.RESPONSE_MODEL) == (case.model if case.answers_model else None)
    assert found[semconv.PROVIDER_NAME] == case.named
    assert found[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is not StatusCode.ERROR


def test_a_call_has_one_priced_span(case: Case, client_of: ClientMaker, world: World) -> None:
    answer = case.call(client_of(case), USAGE, False)

    _check(world, case)
    assert not isinstance(answer, STAND_INS)


async def test_an_async_call_has_one_priced_span(case: Case, async_client_of: ClientMaker, world: World) -> None:
    pending = case.call(async_client_of(case), USAGE, False)
    assert asyncio.iscoroutine(pending)

    await pending

    _check(world, case)


@pytest.mark.needs("raw")
def test_a_raw_response_is_handed_on_as_it_is(case: Case, client_of: ClientMaker, world: World) -> None:
    assert case.raw
    raw = case.raw(client_of(case), USAGE, False)

    assert type(raw).__module__.partition(".")[0] == case.provider
    assert raw.parse().model == case.model
    _check(world, case)


@pytest.mark.needs("raw")
async def test_an_async_raw_response_is_handed_on_as_it_is(
    case: Case, async_client_of: ClientMaker, world: World
) -> None:
    assert case.raw
    raw = await case.raw(async_client_of(case), USAGE, False)

    parsed = raw.parse()
    assert (await parsed if asyncio.iscoroutine(parsed) else parsed).model == case.model
    _check(world, case)


def test_no_content_is_recorded(case: Case, client_of: ClientMaker, world: World) -> None:
    case.call(client_of(case), SECRET, False)
    if case.streams:
        list(case.call(client_of(case), SECRET, True))

    for span in world.finished():
        text = repr((span.name, dict(attributes_of(span)), span.events, span.status.description))
        assert SECRET not in text
        assert "stand-in " not in text


@pytest.mark.parametrize("code", [500, 429])
def test_a_provider_error_reaches_the_app_and_costs_nothing(
    case: Case, code: int, client_of: ClientMaker, world: World
) -> None:
    with pytest.raises(case.api_error) as caught:
        case.call(client_of(case), f"error:{code}", False)

    assert case.status_of(caught.value) == code
    assert type(caught.value.__cause__) is case.error_cause
    span = only_span(world)
    assert span.status.status_code is StatusCode.ERROR
    assert error_type(span)
    assert (status(span), attributes_of(span)[semconv.REASON]) == ("priced", "failed")
    assert attributes_of(span)[semconv.COST_AMOUNT] == 0


async def test_an_async_provider_error_reaches_the_app(case: Case, async_client_of: ClientMaker, world: World) -> None:
    with pytest.raises(case.api_error):
        await case.call(async_client_of(case), "error:500", False)

    assert only_span(world).status.status_code is StatusCode.ERROR


@pytest.mark.needs("retries")
def test_retries_of_the_sdk_are_one_call(
    case: Case, client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    case.call(client_of(case, retries=2), f"error:429*2 {USAGE}", False)

    assert len(server.requests) == 3
    _check(world, case)


async def test_a_cancelled_call_is_ended(
    case: Case,
    async_client_of: ClientMaker,
    server: StandInProvider,
    world: World,
    taken: list[CostRecord],
) -> None:
    client = async_client_of(case)
    task = asyncio.create_task(_awaited(case, client, f"slow:30 {USAGE}"))
    await asyncio.to_thread(until, lambda: server.requests, "the request to arrive", poll_s=0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

    (span,) = world.finished()
    assert error_type(span) == "CancelledError"
    assert len(taken) == 1
    assert (taken[0].error, taken[0].charge.reason) == ("CancelledError", Reason.ABORTED)


@pytest.mark.needs("timed")
def test_a_call_that_timed_out_says_so(case: Case, client_of: ClientMaker, taken: list[CostRecord]) -> None:
    """The provider may have answered, and billed, all the same."""
    assert case.timed
    with pytest.raises(case.lost):
        case.call(case.timed(client_of(case), 0.3), f"slow:30 {USAGE}", False)

    assert [(record.error, record.charge.reason) for record in taken] == [(case.error_names[0], Reason.ABORTED)]


@pytest.mark.needs("timed")
async def test_an_async_call_that_timed_out_says_so(
    case: Case, async_client_of: ClientMaker, taken: list[CostRecord]
) -> None:
    assert case.timed
    with pytest.raises(case.lost):
        await case.call(case.timed(async_client_of(case), 0.3), f"slow:30 {USAGE}", False)

    assert [(record.error, record.charge.reason) for record in taken] == [(case.error_names[0], Reason.ABORTED)]


def test_a_connection_lost_after_the_request_is_not_one_that_never_was(
    case: Case, client_of: ClientMaker, server: StandInProvider, world: World, taken: list[CostRecord]
) -> None:
    (free,) = free_ports(1)
    with case.opened(f"http://127.0.0.1:{free}", world.provider) as nowhere, pytest.raises(case.lost):
        case.call(nowhere, USAGE, False)
    with pytest.raises(case.lost):
        case.call(client_of(case), f"error:drop {USAGE}", False)

    assert len(server.requests) == 1
    assert [(record.error, record.charge.reason) for record in taken] == [
        (case.error_names[1], Reason.FAILED),
        (case.error_names[2], Reason.ABORTED),
    ]


async def _awaited(case: Case, client: object, text: str) -> object:
    return await case.call(client, text, False)


def test_parallel_equal_calls_are_all_counted(case: Case, client_of: ClientMaker, world: World) -> None:
    for _ in range(3):
        case.call(client_of(case), USAGE, False)

    assert world.statuses() == ["priced"] * 3


def test_without_a_runtime_the_sdk_is_called_straight(case: Case, client_of: ClientMaker, world: World) -> None:
    client = client_of(case)
    runtime.uninstall()

    answer = case.call(client, USAGE, False)

    assert not isinstance(answer, STAND_INS)
    assert not [span for span in world.finished() if span.instrumentation_scope.name.startswith("otel_cost")]  # type: ignore[union-attr]


@pytest.mark.needs("sender")
def test_http_spans_are_children_of_the_call(case: Case, server: StandInProvider, world: World) -> None:
    tracer = world.provider.get_tracer("some.http.instrumentation")
    assert case.sender
    with case.opened(server.base_url, world.provider) as client:
        owner, name = case.sender(client)
        send = getattr(owner, name)

        def traced_send(*args: object, **kwargs: object) -> object:
            with tracer.start_as_current_span("POST"):
                return send(*args, **kwargs)

        setattr(owner, name, traced_send)
        case.call(client, USAGE, False)

    http, call = world.finished()
    assert http.name == "POST"
    assert http.parent is not None
    assert http.parent.span_id == call.context.span_id
