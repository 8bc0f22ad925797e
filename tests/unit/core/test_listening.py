"""``otel_cost.on_budget_event``: what happens to budgets, told to the app (FEATURES C16: to whom)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import otel_cost
from otel_cost import runtime, semconv, shield
from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets import BudgetEvent, RowKey
from otel_cost.budgets.listening import _MAX_WAITING, BudgetNotice, Listeners
from otel_cost.budgets.spec import Budget, budget_of
from otel_cost.config import Config
from otel_cost.errors import BudgetExceeded
from tests.support import processes, tools
from tests.support.world import World, make_world

Heard = list[BudgetNotice]


def budget(**more: Any) -> BudgetSettings:
    return BudgetSettings(**{"name": "b", "amount_usd": Decimal("0.01"), "thresholds": ("50%", "100%"), **more})


def world_with(**more: Any) -> World:
    return make_world(Config(budgets=(budget(**more),)))


def spend(world: World, calls: int, **who: str) -> None:
    with otel_cost.labels(**who):
        for _ in range(calls):
            with world.call():
                pass


def told() -> None:
    assert runtime.listeners.flush(30)


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[BudgetNotice], object]], None]]:
    ends: list[Callable[[], None]] = []
    yield lambda callback: ends.append(otel_cost.on_budget_event(callback))
    for end in ends:
        end()


@pytest.fixture
def heard(listen: Any) -> Heard:
    notices: Heard = []
    listen(notices.append)
    return notices


def event(
    name: str = semconv.EVENT_BUDGET_BLOCKED, *, share: str = "1", team: str = "a", actor: str = ""
) -> BudgetEvent:
    row = RowKey("b", (("team", team),), "")
    return BudgetEvent(name, "b", row, "critical", Decimal(share), 2_000_000_000, 1_000_000_000, "why", actor)


def test_thresholds_and_breach_come_with_everything_a_message_needs(heard: Heard) -> None:
    world = world_with(per=("team",), notify=("finops", "search-leads"), period="total")
    spend(world, 3, team="search")
    told()
    assert [(one.name, one.threshold) for one in heard] == [
        (semconv.EVENT_BUDGET_THRESHOLD, Decimal("0.5")),
        (semconv.EVENT_BUDGET_THRESHOLD, Decimal(1)),
        (semconv.EVENT_BUDGET_BREACH, Decimal(1)),
    ]
    breach = heard[-1]
    assert (breach.budget, breach.scope, breach.severity) == ("b", {"team": "search"}, "critical")
    assert (breach.spent_usd, breach.limit_usd) == (Decimal("0.0105"), Decimal("0.01"))
    assert breach.recipients == ("finops", "search-leads")
    assert breach.message == "budget 'b' (team='search') is used up: 0.010500 of 0.010000 USD are spent"
    with pytest.raises(AttributeError):
        breach.name = ""  # type: ignore[misc]
    with pytest.raises(TypeError):
        breach.scope["team"] = ""  # type: ignore[index]


def test_blocked_calls_come_once_within_the_cooldown(heard: Heard) -> None:
    world = world_with(action="block", per=("team",))
    spend(world, 3, team="a")
    spend(world, 3, team="b")
    for _ in range(5):
        for team in "ab":
            with pytest.raises(BudgetExceeded), otel_cost.guard(team=team):
                pass
    told()
    blocked = [one.scope["team"] for one in heard if one.name == semconv.EVENT_BUDGET_BLOCKED]
    assert blocked == ["a", "b"]
    assert len(world.events(semconv.EVENT_BUDGET_BLOCKED)) == 10, "as events they all are there"


def test_what_a_person_does_is_always_told(heard: Heard) -> None:
    world = world_with()
    for _ in range(2):
        world.runtime.budgets.pause("b", actor="ada", reason="too much")
        world.runtime.budgets.resume("b", actor="ada", reason="fine again")
    told()
    assert [one.name.rpartition(".")[2] for one in heard] == ["paused", "resumed"] * 2
    assert {one.actor for one in heard} == {"ada"}


def test_after_the_cooldown_the_next_says_how_many_there_were() -> None:
    now, heard = [0.0], Heard()
    listeners = Listeners(lambda: now[0])
    listeners.add(heard.append)
    hourly: Budget = budget_of(budget(cooldown="1h"))
    for at in (0, 1, 3599, 3600, 3601, 7200):
        now[0] = at
        listeners.tell(event(), hourly)
        listeners.tell(event(team="other"), budget_of(budget(cooldown="1ms")))
    assert listeners.flush(30)
    assert [one.suppressed for one in heard if one.scope["team"] == "a"] == [0, 2, 1]
    assert [one.suppressed for one in heard if one.scope["team"] == "other"] == [0] * 6


@pytest.mark.parametrize(
    "other", [event(share="0.8"), event(team="b"), event(semconv.EVENT_BUDGET_BREACH), event(actor="ada")]
)
def test_the_cooldown_is_for_the_same_thing_only(other: BudgetEvent) -> None:
    listeners, heard = Listeners(), Heard()
    listeners.add(heard.append)
    for one in (event(), event(), other):
        listeners.tell(one, budget_of(budget()))
    assert listeners.flush(30)
    assert len(heard) == 2


def test_callbacks_run_on_a_thread_of_their_own_and_hold_nobody_up(listen: Any, heard: Heard) -> None:
    go = threading.Event()
    threads: list[str] = []

    def slow(notice: BudgetNotice) -> None:
        threads.append(threading.current_thread().name)
        assert go.wait(30)

    listen(slow)
    world = world_with()
    spend(world, 2)
    assert not world.runtime.force_flush(0.01), "the callback is still busy"
    go.set()
    assert world.runtime.force_flush()
    assert set(threads) == {"otel-cost-listeners"}
    assert heard


def test_what_a_callback_raises_is_logged_and_the_others_are_told(
    listen: Any, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    shield.set_strict(False)

    def broken(notice: BudgetNotice) -> None:
        raise LookupError("mine")

    listen(broken)
    second: Heard = []
    listen(second.append)
    before = shield.faults().get("budget callback", 0)
    spend(world_with(), 3)
    told()
    assert len(second) == len(heard) == 3
    assert shield.faults()["budget callback"] == before + 3


def test_too_many_notices_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    listeners, heard, go, begun = Listeners(), Heard(), threading.Event(), threading.Event()

    def slow(notice: BudgetNotice) -> None:
        begun.set()
        assert go.wait(30)
        heard.append(notice)

    listeners.add(slow)
    settings = budget_of(budget())
    listeners.tell(event(), settings)
    assert begun.wait(30)
    with caplog.at_level(logging.ERROR):
        for number in range(_MAX_WAITING + 5):
            listeners.tell(event(team=str(number)), settings)
    go.set()
    assert listeners.flush(30)
    assert (len(heard), listeners.dropped) == (_MAX_WAITING + 1, 5)
    assert caplog.text.count("too slow") == 1


def test_what_was_subscribed_ends_and_the_same_may_be_twice() -> None:
    heard = Heard()
    ends = [otel_cost.on_budget_event(heard.append) for _ in range(2)]
    spend(world_with(thresholds=()), 3)
    told()
    assert len(heard) == 2
    for _ in range(2):
        ends[0]()
    spend(world_with(thresholds=()), 3)
    told()
    assert len(heard) == 3
    ends[1]()
    spend(world_with(thresholds=()), 3)
    told()
    assert len(heard) == 3


def test_a_callback_may_spend_and_subscribe(listen: Any, heard: Heard) -> None:
    world = world_with(thresholds=("50%", "100%", "200%"))

    def again(notice: BudgetNotice) -> None:
        if notice.threshold < 1:
            spend(world, 1)
            assert not runtime.listeners.flush(30), "it would wait for itself"

    listen(again)
    spend(world, 2)
    told()
    assert semconv.EVENT_BUDGET_BREACH in {one.name for one in heard}


def test_a_coroutine_function_is_refused() -> None:
    async def callback(notice: BudgetNotice) -> None:
        pass

    with pytest.raises(TypeError, match="plain function"):
        otel_cost.on_budget_event(callback)
    with pytest.raises(TypeError, match="this is int"):
        otel_cost.on_budget_event(3)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_tells_its_own_and_not_its_parents() -> None:
    listeners, heard, go, begun = Listeners(), Heard(), threading.Event(), threading.Event()

    def slow(notice: BudgetNotice) -> None:
        begun.set()
        assert go.wait(30)
        heard.append(notice)

    listeners.add(slow)
    listeners.tell(event(team="parent"), budget_of(budget()))
    listeners.tell(event(team="waiting"), budget_of(budget()))
    assert begun.wait(30)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        go.set()
        listeners.tell(event(team="child"), budget_of(budget()))
        flushed = listeners.flush(30)
        os.write(write, f"{flushed} {[one.scope['team'] for one in heard]}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000) == b"True ['child']"
    go.set()
    assert listeners.flush(30)
    assert [one.scope["team"] for one in heard] == ["parent", "waiting"]


AT_EXIT = """
import otel_cost, threading
from decimal import Decimal
from opentelemetry.sdk.trace import TracerProvider
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
otel_cost.on_budget_event(lambda notice: print(threading.current_thread().name, notice.name))
otel_cost.install(TracerProvider(), config=Config(budgets=(BudgetSettings("b", Decimal("0.001")),)))
otel_cost.record_tool("search", usd="0.002")
"""


def test_at_the_end_of_a_process_what_waits_is_told() -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=True, cwd=tools.CHECKOUT,
        env=processes.clean_environment({}), timeout=60,
    )  # fmt: skip
    assert f"otel-cost-listeners {semconv.EVENT_BUDGET_BREACH}" in done.stdout
