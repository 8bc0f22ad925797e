"""One call from admission to the end of its span: claims, holds, faults of otel-cost's own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import trace

from otel_cost import BudgetExceeded, semconv, shield
from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets import Budgets
from otel_cost.budgets.holds import Holds
from otel_cost.config import Config
from otel_cost.runtime import Hold, Runtime
from otel_cost_instrumentation._base import Inside
from otel_cost_instrumentation._install import Installation
from tests.support.waiting import until
from tests.support.world import World, chat, make_world
from tests.unit.instrumentation import fake_sdk

USAGE = {"input": 1000, "output": 200}


@contextmanager
def wrapped(
    *, inside: Inside | None = None, name: str = "Client.ask", asynchronous: bool = False
) -> Iterator[ModuleType]:
    with fake_sdk.Importing() as module:
        installation = Installation()
        installation.add(fake_sdk.provider(inside=inside, name=name, asynchronous=asynchronous))
        try:
            yield module
        finally:
            installation.remove()


class HoldsOf:
    """Replaces admission, and counts what it gave and got back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
        self.world = world
        self.given = 0
        self.ended_at_release: list[int] = []
        monkeypatch.setattr(Budgets, "present", True)
        monkeypatch.setattr(Runtime, "admit", self.admit)

    def admit(self, call: object) -> Hold:
        self.given += 1
        return hold_that_tells(lambda: self.ended_at_release.append(len(self.world.finished())))


def hold_that_tells(released: Callable[[], None]) -> Hold:
    return Holds(lambda _hold_id: released()).take("h", ())


@pytest.mark.parametrize("claimed", [False, True])
def test_room_is_held_while_the_call_is_made_and_its_cost_comes_out_of_it(claimed: bool) -> None:
    world = make_world(Config(budgets=(BudgetSettings(name="b", amount_usd=Decimal(1), action="block"),)))
    during: list[int] = []

    def provider() -> dict[str, int]:
        during.extend(state.reserved_nano for state in world.runtime.budgets.states())
        return USAGE

    with wrapped() as sdk:
        if claimed:
            with world.tracer().start_as_current_span("chat", attributes=chat(), kind=trace.SpanKind.CLIENT):
                sdk.Client(provider).ask("gpt-4o")
                (waiting,) = world.runtime.budgets.states()
                assert waiting.reserved_nano == during[0]  # until the span's owner ends it
        else:
            sdk.Client(provider).ask("gpt-4o")
    assert world.statuses() == ["priced"]
    (state,) = world.runtime.budgets.states()
    assert during[0] > 0
    assert (state.spent_nano, state.reserved_nano) == (round(world.spend() * 10**9), 0)
    assert state.spent_nano > 0


def refuse(self: object, call: object) -> Hold:
    raise BudgetExceeded("no", budget="b", scope={}, limit_nano=1, spent_nano=1, retry_after_s=None)


def test_the_hold_is_released_once_the_span_has_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    holds = HoldsOf(monkeypatch, world)
    with wrapped() as sdk:
        sdk.Client(lambda: USAGE).ask("gpt-4o")

    assert (holds.given, holds.ended_at_release) == (1, [1])


def test_the_hold_of_a_failed_call_is_released(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    holds = HoldsOf(monkeypatch, world)
    with wrapped() as sdk, pytest.raises(ZeroDivisionError):
        sdk.Client(lambda: 1 / 0).ask("gpt-4o")

    assert holds.ended_at_release == [1]


def test_the_hold_of_a_stream_is_released_at_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    holds = HoldsOf(monkeypatch, world)
    with wrapped() as sdk:
        stream = sdk.Client(lambda: fake_sdk.chunks(8, USAGE)).ask("gpt-4o")
        assert holds.ended_at_release == []
        assert list(stream) == [8, USAGE]

    assert holds.ended_at_release == [1]


def test_the_budgets_no_gets_out_where_faults_are_swallowed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shield.set_strict(False)
    monkeypatch.setattr(Budgets, "present", True)
    monkeypatch.setattr(Runtime, "admit", refuse)
    asked: list[int] = []
    with wrapped() as sdk, pytest.raises(BudgetExceeded):
        sdk.Client(lambda: asked.append(1)).ask("gpt-4o")

    assert not asked
    assert not world.finished()


async def test_the_budgets_no_gets_out_of_an_async_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shield.set_strict(False)

    async def refuse_later(self: Runtime, call: object) -> Hold:
        return refuse(self, call)

    monkeypatch.setattr(Budgets, "present", True)
    monkeypatch.setattr(Runtime, "admit_async", refuse_later)
    with wrapped(name="Client.ask_async", asynchronous=True) as sdk, pytest.raises(BudgetExceeded):
        await sdk.Client(lambda: USAGE).ask_async("gpt-4o")


def test_a_call_that_is_none_of_ours_goes_straight_through(world: World) -> None:
    with wrapped() as sdk:
        assert sdk.Client(lambda: USAGE).ask("none of ours") is USAGE

    assert not world.finished()


# --- faults of our own ------------------------------------------------------------------------------------------------


def broken(*args: object, **kwargs: object) -> Any:
    raise RuntimeError("otel-cost's own mistake")


@pytest.mark.parametrize("method", ["admit", "claimable", "tracer"])
def test_a_fault_before_the_call_does_not_stop_it(
    method: str, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shield.set_strict(False)
    monkeypatch.setattr(Runtime, method, broken)
    with wrapped() as sdk:
        assert sdk.Client(lambda: USAGE).ask("gpt-4o") is USAGE


def test_a_fault_in_async_admission_does_not_stop_the_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shield.set_strict(False)
    monkeypatch.setattr(Budgets, "present", True)
    monkeypatch.setattr(Runtime, "admit_async", broken)
    with wrapped(name="Client.ask_async", asynchronous=True) as sdk:
        pending = sdk.Client(lambda: USAGE).ask_async("gpt-4o")
        with pytest.raises(StopIteration) as stopped:
            pending.send(None)

    assert stopped.value.value is USAGE


def test_a_fault_in_reading_arguments_does_not_stop_the_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shield.set_strict(False)
    monkeypatch.setattr(fake_sdk, "read", broken)
    with wrapped() as sdk:
        assert sdk.Client(lambda: USAGE).ask("gpt-4o") is USAGE


def test_a_fault_in_extraction_still_ends_the_span(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shield.set_strict(False)
    monkeypatch.setattr(fake_sdk, "answer", broken)
    with wrapped() as sdk:
        assert sdk.Client(lambda: USAGE).ask("gpt-4o") is USAGE

    assert world.statuses() == ["unpriced"]


def test_a_fault_in_reading_a_stream_still_ends_the_span(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shield.set_strict(False)
    monkeypatch.setattr(fake_sdk.Reader, "attributes", broken)
    holds = HoldsOf(monkeypatch, world)
    with wrapped() as sdk:
        assert list(sdk.Client(lambda: fake_sdk.chunks(8, USAGE)).ask("gpt-4o")) == [8, USAGE]

    assert world.statuses() == ["unpriced"]
    assert holds.ended_at_release == [1]


def test_a_chunk_that_cannot_be_read_reaches_the_app(world: World, caplog: pytest.LogCaptureFixture) -> None:
    shield.set_strict(False)
    with caplog.at_level(logging.ERROR, "otel_cost"), wrapped() as sdk:
        assert list(sdk.Client(lambda: fake_sdk.chunks("odd", USAGE)).ask("gpt-4o")) == ["odd", USAGE]

    assert world.statuses() == ["priced"]


# --- other people's spans ---------------------------------------------------------------------------------------------


def test_a_span_around_the_call_is_claimed_and_left_open(world: World) -> None:
    with wrapped() as sdk, world.tracer().start_as_current_span("theirs", attributes=chat()) as theirs:
        sdk.Client(lambda: USAGE).ask("gpt-4o")
        assert theirs.is_recording()

    (span,) = world.finished()
    assert (span.name, (span.attributes or {})[semconv.USAGE_OUTPUT_TOKENS]) == ("theirs", 200)


def test_a_second_call_in_a_claimed_span_has_its_own(world: World) -> None:
    with wrapped() as sdk, world.tracer().start_as_current_span("theirs", attributes=chat()):
        sdk.Client(lambda: USAGE).ask("gpt-4o")
        sdk.Client(lambda: {"input": 7, "output": 7}).ask("gpt-4o")

    assert {span.name for span in world.finished()} == {"theirs", "chat gpt-4o"}


def test_the_error_of_a_claimed_span_is_its_owners(world: World) -> None:
    theirs = world.tracer().start_span("theirs", attributes=chat())
    with (
        wrapped() as sdk,
        trace.use_span(theirs, end_on_exit=True, record_exception=False, set_status_on_exception=False),
        pytest.raises(ZeroDivisionError),
    ):
        sdk.Client(lambda: 1 / 0).ask("gpt-4o")

    (span,) = world.finished()
    assert semconv.ERROR_TYPE not in (span.attributes or {})


def test_a_claimed_span_is_kept_up_to_date_while_its_stream_is_read(world: World) -> None:
    """Its owner may end it at any moment, for instance in a finaliser that runs before ours."""
    with wrapped() as sdk, world.tracer().start_as_current_span("theirs", attributes=chat()) as theirs:
        stream = sdk.Client(lambda: fake_sdk.chunks(40, 40, 40, 40, USAGE)).ask("gpt-4o")
        for _ in range(4):
            next(stream)
        theirs.end()
        list(stream)

    (span,) = world.finished()
    found = span.attributes or {}
    assert (found[semconv.USAGE_OUTPUT_TOKENS], found[semconv.USAGE_ESTIMATED]) == (168, True)  # 1.05 for each word
    assert found[semconv.STATUS] == "estimated"


INSIDE = Inside(send="_send", answer="_make")


def self_tracing(sdk: ModuleType, world: World) -> type:
    """The SDK as one that traces itself: its span starts inside ``ask``, and is told the usage and ended there."""

    class Traced(sdk.Client):  # type: ignore[misc, name-defined]
        def _send(self) -> object:
            with world.tracer("com.anthropic.sdk.python").start_as_current_span("native", attributes=chat()) as span:
                answer = sdk.Client._send(self)
                span.set_attributes(fake_sdk.answer({"input": 1000, "output": 200}))
                return answer

    return Traced


def test_the_span_of_an_sdk_that_traces_itself_is_claimed_and_written_to(world: World) -> None:
    answer = {**USAGE, "searches": 2}
    with wrapped(inside=INSIDE) as sdk:
        assert self_tracing(sdk, world)(lambda: answer).ask("gpt-4o") is answer

    (span,) = world.finished()
    found = span.attributes or {}
    assert (span.name, found[semconv.STATUS], found[fake_sdk.SEARCHES]) == ("native", "priced", 2)


def test_without_its_own_span_ours_is_opened_at_the_same_place(world: World) -> None:
    with wrapped(inside=INSIDE) as sdk:
        sdk.Client(lambda: USAGE).ask("gpt-4o")

    assert [span.name for span in world.finished()] == ["chat gpt-4o"]


def test_an_sdk_that_changed_inside_is_wrapped_outside(world: World) -> None:
    with wrapped(inside=Inside(send="_gone", answer="_make")) as sdk:
        self_tracing(sdk, world)(lambda: USAGE).ask("gpt-4o")

    # Two spans for one call, of which matching counts one.
    assert sorted(world.statuses()) == ["duplicate", "priced"]


def test_a_dropped_stream_is_settled_by_another_thread(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be dropped by a garbage collection, on a thread that holds any lock."""
    released_by: list[str] = []
    hold = hold_that_tells(lambda: released_by.append(threading.current_thread().name))
    monkeypatch.setattr(Budgets, "present", True)
    monkeypatch.setattr(Runtime, "admit", lambda self, call: hold)
    with wrapped() as sdk:
        stream = sdk.Client(lambda: fake_sdk.chunks(40, USAGE)).ask("gpt-4o")
        next(stream)
        del stream

        until(lambda: released_by, "the call to be settled", poll_s=0.01)

    assert world.statuses() == ["estimated"]
    assert released_by != [threading.current_thread().name]


def test_taking_the_wrappers_off_settles_what_is_open(world: World) -> None:
    with wrapped() as sdk:
        stream = sdk.Client(lambda: fake_sdk.chunks(40, USAGE)).ask("gpt-4o")
        next(stream)

    assert world.statuses() == ["estimated"]
    assert list(stream) == [USAGE]
