"""``otel_cost.guard`` and ``otel_cost.can_spend`` (FEATURES C9, C7)."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

import otel_cost
from otel_cost import labelling, runtime, semconv
from otel_cost.budget_settings import BudgetSettings, BudgetStoreSettings
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores import MemoryStore
from otel_cost.budgets.stores.base import Refused, Reserved, RowState, Stale, Want
from otel_cost.config import Config
from otel_cost.errors import BudgetExceeded, BudgetStoreUnavailable
from otel_cost.guarding import MAX_USD, nano_of
from otel_cost.model import PlannedCall, record_key
from otel_cost.runtime import Runtime
from tests.support.waiting import until
from tests.support.world import World, make_world

GPT4O = PlannedCall(provider="openai", model="gpt-4o", operation="chat", max_output_tokens=100)
"""Reserves 0.001 USD."""
CALL_USD = 0.0035
"""What a call of the world costs."""


def with_budgets(*budgets: dict[str, Any]) -> World:
    given = [{"name": "b", "amount_usd": Decimal("0.01"), "action": "block", **more} for more in budgets or ({},)]
    return make_world(Config(budgets=tuple(BudgetSettings(**one) for one in given)))


def stands(world: World, name: str = "b") -> tuple[float, float]:
    """What a budget has spent and reserved, in USD, over its rows."""
    states = [state for state in world.runtime.budgets.states() if state.budget.name == name]
    return sum(state.spent_nano for state in states) / 1e9, sum(state.reserved_nano for state in states) / 1e9


def call(world: World) -> None:
    with world.call():
        pass


# --- a block ----------------------------------------------------------------------------------------------------------


def test_a_block_does_not_begin_when_nothing_is_left() -> None:
    world = with_budgets({"per": ("team",)})
    with otel_cost.labels(team="search"):
        for _ in range(3):
            call(world)
    with pytest.raises(BudgetExceeded) as caught, otel_cost.guard(team="search"):
        pytest.fail("the block ran")
    assert caught.value.scope == {"team": "search"}
    assert labelling.current() == {}
    with otel_cost.guard(team="other"):
        assert labelling.current() == {"team": "other"}
    assert labelling.current() == {}
    assert stands(world) == (pytest.approx(3 * CALL_USD), 0)


def test_what_is_estimated_is_reserved_for_the_block_and_given_back() -> None:
    world = with_budgets()
    with otel_cost.guard(0.008):
        assert stands(world) == (0, 0.008)
        with pytest.raises(BudgetExceeded):
            contextvars.Context().run(otel_cost.guard(0.008).__enter__)  # somebody else
    assert stands(world) == (0, 0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_it_is_given_back_however_the_block_ends(error: type[BaseException]) -> None:
    world = with_budgets()
    with pytest.raises(error), otel_cost.guard(0.008):
        raise error
    assert stands(world) == (0, 0)


def test_calls_in_the_block_draw_on_its_room() -> None:
    world = with_budgets()
    with otel_cost.guard(0.01):  # all there is
        hold = world.runtime.admit(GPT4O)
        assert stands(world) == (0, 0.01)
        hold.release()
        call(world)
        assert stands(world) == (0.0035, 0.0065)
    assert stands(world) == (0.0035, 0)


def test_a_call_needs_room_of_its_own_for_what_the_block_does_not_cover() -> None:
    world = with_budgets()
    with otel_cost.guard(0.0015):
        first, second = world.runtime.admit(GPT4O), world.runtime.admit(GPT4O)
        assert stands(world)[1] == pytest.approx(0.002)
        for _ in range(8):
            world.runtime.admit(GPT4O)
        with pytest.raises(BudgetExceeded):
            world.runtime.admit(GPT4O)
        first.release()
        second.release()
        assert stands(world)[1] == pytest.approx(0.0095)  # eight calls, and the block's own 0.0015


def test_a_low_estimate_does_not_open_a_limit() -> None:
    """Calls side by side in a block cannot overshoot: the limit is a limit."""
    world = with_budgets()
    with otel_cost.guard(0.000001):
        for _ in range(10):
            world.runtime.admit(GPT4O)
        with pytest.raises(BudgetExceeded):
            world.runtime.admit(GPT4O)


def test_what_a_call_under_way_has_drawn_stays_reserved_after_the_block() -> None:
    world = with_budgets()
    with otel_cost.guard(0.005):
        hold = world.runtime.admit(GPT4O)
    assert stands(world)[1] > 0
    hold.release()
    assert stands(world) == (0, 0)


def test_but_nobody_else_can_draw_on_it_any_more() -> None:
    world = with_budgets()
    with otel_cost.guard(0.009):
        world.runtime.admit(GPT4O)
        later = contextvars.copy_context()
    later.run(world.runtime.admit, GPT4O)
    with pytest.raises(BudgetExceeded):
        later.run(world.runtime.admit, GPT4O)


def test_a_call_that_settles_leaves_the_block_what_it_did_not_cost() -> None:
    world = with_budgets()
    with otel_cost.guard(0.01):
        hold = world.runtime.admit(PlannedCall("openai", "gpt-4o", "chat", max_output_tokens=500))  # 0.005 USD
        with world.call() as span:
            of_span = span.get_span_context()
            hold.bind(record_key(format(of_span.trace_id, "032x"), format(of_span.span_id, "016x")))
        hold.release()
        assert stands(world) == (0.0035, 0.0065)
        with otel_cost.guard(0.0065):
            pass
        with pytest.raises(BudgetExceeded), otel_cost.guard(0.0066):
            pass


def test_a_task_that_outlives_the_block_has_no_room_from_it() -> None:
    world = with_budgets()
    with otel_cost.guard(0.008):
        later = contextvars.copy_context()
    with otel_cost.guard(0.01), pytest.raises(BudgetExceeded):
        later.run(world.runtime.admit, GPT4O)


def test_blocks_nest_and_the_inner_draws_on_the_outer() -> None:
    world = with_budgets({}, {"name": "feature", "per": ("feature",)})
    with otel_cost.guard(0.01):
        with otel_cost.guard(0.004, feature="x"):
            assert (stands(world), stands(world, "feature")[1]) == ((0, 0.01), pytest.approx(0.014))
            call(world)
            assert stands(world) == (0.0035, 0.0065)
        assert stands(world) == (0.0035, 0.0065)
        with otel_cost.guard(0.0065):
            pass
        with pytest.raises(BudgetExceeded), otel_cost.guard(0.0066):
            pass
    assert (stands(world), stands(world, "feature")) == ((0.0035, 0), (0.0035, 0))


def test_two_blocks_inside_one_do_not_have_the_same_room() -> None:
    world = with_budgets()
    with otel_cost.guard(0.01), otel_cost.guard(0.006):
        outer = contextvars.copy_context()
        with pytest.raises(BudgetExceeded), otel_cost.guard(0.0101):
            pass
        outer.run(otel_cost.guard(0.004).__enter__)
        with pytest.raises(BudgetExceeded), otel_cost.guard(0.0061):
            pass
    assert world


def test_budgets_by_what_only_a_call_has_are_left_to_the_calls() -> None:
    world = with_budgets({"per": ("model",), "amount_usd": Decimal(0)}, {"name": "m", "match": {"provider": "x"}})
    with otel_cost.guard(5):
        assert stands(world) == (0, 0)
    with pytest.raises(BudgetExceeded), otel_cost.guard(5, model="gpt-4o"):
        pass


def test_a_trace_and_a_session_have_their_own_limit() -> None:
    world = with_budgets({"period": "trace"}, {"name": "s", "period": "session"})
    with world.tracer("app").start_as_current_span("request"), otel_cost.guard(0.009, session="one"):
        rows = {state.row.scope[0][0] for state in world.runtime.budgets.states()}
        assert rows == {"trace", "session"}


def test_a_paused_budget_lets_no_block_begin() -> None:
    world = with_budgets({"action": "alert"})
    world.runtime.budgets.pause("b", actor="ada", reason="too much")
    with pytest.raises(BudgetExceeded, match="somebody paused it"), otel_cost.guard():
        pass


def test_nothing_is_asked_where_nothing_is_installed_or_limited_or_counted() -> None:
    make_world()
    with otel_cost.guard(MAX_USD):
        assert otel_cost.can_spend(MAX_USD)
    runtime.uninstall()
    with otel_cost.guard(MAX_USD, team="a"):
        assert labelling.current() == {"team": "a"}
        assert otel_cost.can_spend(MAX_USD) == otel_cost.Decision(True)
    with_budgets()
    with otel_cost.disabled(), otel_cost.guard(MAX_USD):
        assert otel_cost.can_spend(MAX_USD)


@pytest.mark.parametrize(
    "amount",
    [-1, -0.01, Decimal("-0.01"), float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), 1e9 + 1, 10**40, True,
     "0.5", "much", b"1", 1j, [1]],
)  # fmt: skip
def test_bad_amounts_are_refused_at_once(amount: Any) -> None:
    with pytest.raises(ValueError, match="estimated_usd is"):
        otel_cost.guard(amount)
    with pytest.raises(ValueError, match="estimated_usd is"):
        otel_cost.can_spend(amount)


def test_the_smallest_estimate_reserves_something() -> None:
    world = with_budgets()
    with otel_cost.guard(1e-15):
        assert stands(world) == (0, 1e-9)


# --- threads, tasks, decorators ---------------------------------------------------------------------------------------


def test_one_instance_in_many_threads_and_in_itself() -> None:
    world = with_budgets({"amount_usd": Decimal(1)})
    shared = otel_cost.guard(0.001, team="a")
    inside = threading.Barrier(5)

    def work() -> None:
        with shared, shared:
            inside.wait(30)
            inside.wait(30)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait(30)
    # The inner one's room comes out of the outer one's.
    assert stands(world) == (0, pytest.approx(0.004))
    inside.wait(30)
    for thread in threads:
        thread.join()
    assert stands(world) == (0, 0)


def test_a_block_may_be_left_in_another_context_than_it_was_entered_in() -> None:
    """As a framework does that runs both ends of a dependency in threads."""
    world = with_budgets()
    block = otel_cost.guard(0.005)
    contextvars.copy_context().run(block.__enter__)
    contextvars.copy_context().run(block.__exit__, None, None, None)
    assert stands(world) == (0, 0)


def test_decorated_functions_are_blocks_each() -> None:
    world = with_budgets()

    @otel_cost.guard(0.004, team="a")
    def twice(depth: int) -> tuple[float, float]:
        """Doc."""
        return twice(depth - 1) if depth else stands(world)

    assert twice(0) == (0, 0.004)
    assert twice(5) == (0, 0.004)
    assert (twice.__name__, twice.__doc__) == ("twice", "Doc.")
    assert stands(world) == (0, 0)


async def test_decorated_coroutines_run_side_by_side() -> None:
    world = with_budgets()
    go = asyncio.Event()

    @otel_cost.guard(0.002)
    async def work(team: str) -> str:
        await go.wait()
        return team

    tasks = [asyncio.create_task(work(str(number))) for number in range(6)]
    await asyncio.sleep(0)
    assert stands(world) == (0, 0.01)
    tasks[0].cancel()
    go.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert inspect.iscoroutinefunction(work)
    assert [type(one) for one in done] == [asyncio.CancelledError, *[str] * 4, BudgetExceeded]
    assert stands(world) == (0, 0)


def test_decorated_generators_keep_their_context_to_themselves() -> None:
    world = with_budgets()

    @otel_cost.guard(0.004, team="inside")
    def numbers(start: int) -> Generator[Any, Any, str]:
        try:
            got = yield labelling.current()["team"], stands(world)
        except LookupError as error:
            got = error
        call(world)
        yield got
        return "end"

    assert inspect.isgeneratorfunction(numbers)
    with otel_cost.labels(team="outside"):
        steps = numbers(1)
        assert stands(world) == (0, 0)  # lazy, as generators are
        assert next(steps) == ("inside", (0, 0.004))
        assert labelling.current() == {"team": "outside"}
        assert steps.send("sent") == "sent"
        assert stands(world) == (0.0035, 0.0005)
        with pytest.raises(StopIteration) as end:
            next(steps)
        assert end.value.value == "end"
        thrown = LookupError()
        other = numbers(1)
        next(other)
        assert other.throw(thrown) is thrown
        other.close()
    assert stands(world) == (0.007, 0)


async def test_decorated_async_generators_likewise() -> None:
    world = with_budgets()
    closed: list[str] = []

    @otel_cost.guard(0.004, team="inside")
    async def numbers() -> AsyncIterator[Any]:
        try:
            await asyncio.sleep(0)
            try:
                got = yield labelling.current()["team"], stands(world)
            except LookupError as error:
                got = error
            await asyncio.sleep(0)
            yield got
            yield labelling.current()["team"]
        finally:
            await asyncio.sleep(0)
            closed.append(labelling.current()["team"])

    assert inspect.isasyncgenfunction(numbers)
    steps: Any = numbers()
    assert await anext(steps) == ("inside", (0, 0.004))
    assert labelling.current() == {}
    assert await steps.asend("sent") == "sent"
    assert [item async for item in steps] == ["inside"]
    assert stands(world) == (0, 0)
    thrown = LookupError()
    steps = numbers()
    await anext(steps)
    assert await steps.athrow(thrown) is thrown
    await steps.aclose()
    assert closed == ["inside", "inside"]
    assert stands(world) == (0, 0)


async def test_a_generator_that_breaks_breaks_for_its_caller() -> None:
    world = with_budgets()

    @otel_cost.guard(0.004)
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise LookupError("mine")

    @otel_cost.guard(0.004)
    def sync_broken() -> Iterator[int]:
        yield 1
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        [item async for item in broken()]
    with pytest.raises(LookupError, match="mine"):
        list(sync_broken())
    assert stands(world) == (0, 0)


# --- a store elsewhere ------------------------------------------------------------------------------------------------


class Elsewhere(MemoryStore):
    """A store that answers when the test says so, and not in memory as far as anybody is told."""

    local = False  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.answer = threading.Event()
        self.answer.set()
        self.away = False

    def _wait(self) -> None:
        self.asked.set()
        assert self.answer.wait(30)
        if self.away:
            raise BudgetStoreUnavailable("the store is away")

    def reserve(
        self, hold_id: str, wants: Sequence[Want], *, version: int, now_ns: int, expires_ns: int
    ) -> Reserved | Refused | Stale:
        self._wait()
        return super().reserve(hold_id, wants, version=version, now_ns=now_ns, expires_ns=expires_ns)

    def read(self, rows: Sequence[RowKey]) -> list[RowState]:
        self._wait()
        return super().read(rows)

    def release(self, hold_ids: Collection[str]) -> None:
        super().release(hold_ids)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Elsewhere]]:
    """Installs a runtime over such a store, with one budget of those settings."""
    made: list[Runtime] = []

    def install(*, cache: str = "off", **more: Any) -> Elsewhere:
        store = Elsewhere()
        settings = {"name": "b", "amount_usd": Decimal("0.01"), "action": "block", **more}
        monkeypatch.setattr(runtime, "store_of", lambda _config: store)
        config = Config(budgets=(BudgetSettings(**settings),), budget_store=BudgetStoreSettings(cache=cache))
        made.append(make_world(config).runtime)
        return store

    yield install
    for installed in made:
        installed.budgets.close()
    runtime.uninstall()


def reserved(store: Elsewhere) -> int:
    return sum(row.reserved_nano for row in store.rows("b"))


async def test_the_loop_runs_on_while_the_store_is_asked(elsewhere: Callable[..., Elsewhere]) -> None:
    store = elsewhere()
    store.answer.clear()

    async def block() -> str:
        async with otel_cost.guard(0.004):
            return "ran"

    task = asyncio.create_task(block())
    while not store.asked.is_set():
        await asyncio.sleep(0.001)
    assert not task.done()
    store.answer.set()
    assert await task == "ran"


async def test_room_that_comes_for_a_cancelled_block_is_given_back(elsewhere: Callable[..., Elsewhere]) -> None:
    store = elsewhere()
    store.answer.clear()

    @otel_cost.guard(0.004)
    async def block() -> None:
        pytest.fail("it was cancelled before")

    task = asyncio.create_task(block())
    while not store.asked.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.answer.set()
    await asyncio.get_running_loop().shutdown_default_executor()  # by now the room is there
    installed = runtime.current()
    assert installed is not None
    async with asyncio.timeout(30):
        while installed.budgets._taking.holds._open or reserved(store):
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("fail", ["open", "closed"])
async def test_without_the_stores_word_it_goes_by_the_budget(elsewhere: Callable[..., Elsewhere], fail: str) -> None:
    """FEATURES C9: fail open or closed, per budget."""
    store = elsewhere(fail=fail)
    store.away = True
    decision = await otel_cost.can_spend_async(0.001)
    assert decision.allowed is otel_cost.can_spend(0.001).allowed is (fail == "open")
    if fail == "open":
        async with otel_cost.guard(0.004):
            pass
        return
    assert (decision.budget, decision.spent_usd, decision.retry_after_s) == ("b", None, 1.0)
    assert "the store is away, and fail is closed" in decision.reason
    with pytest.raises(BudgetExceeded, match="fail is closed"):
        async with otel_cost.guard(0.004):
            pass


def test_what_a_block_leaves_is_given_back_in_the_background(elsewhere: Callable[..., Elsewhere]) -> None:
    store = elsewhere()
    with otel_cost.guard(0.004):
        assert reserved(store) == 4_000_000
    until(lambda: not reserved(store), "the room to be given back")


def test_what_was_let_through_from_memory_counts_until_the_block_ends(elsewhere: Callable[..., Elsewhere]) -> None:
    """The bound on what a process lets through without asking takes in all of a block, not only its first call."""
    elsewhere(cache="1h", amount_usd=Decimal(10))
    installed = runtime.current()
    assert installed is not None
    decisions = installed.budgets.decisions
    with otel_cost.guard():
        pass  # the store was asked once
    with otel_cost.guard(0.05):
        assert decisions.hits == 1
        otel_cost.record_tool("search", usd="0.01")
        assert installed.force_flush()
        assert len(decisions._kept.through) == 1
    assert not decisions._kept.through
    assert [state.spent_nano for state in installed.budgets.states()] == [10_000_000]


# --- only asking ------------------------------------------------------------------------------------------------------


def test_can_spend_says_where_the_tightest_budget_stands() -> None:
    """FEATURES C7: limit, spent, reserved, remaining."""
    world = with_budgets({}, {"name": "wide", "amount_usd": Decimal(100)}, {"name": "told", "action": "alert"})
    call(world)
    world.runtime.admit(GPT4O)
    decision = otel_cost.can_spend(0.001)
    assert decision
    assert (decision.allowed, decision.reason, decision.budget, decision.scope) == (True, "", "b", {})
    figures = (decision.limit_usd, decision.spent_usd, decision.reserved_usd, decision.remaining_usd)
    assert figures == tuple(map(Decimal, ("0.01", "0.0035", "0.001", "0.0055")))
    assert decision.retry_after_s is None
    assert stands(world) == (0.0035, 0.001)


def test_can_spend_says_no_with_the_reason_and_without_an_event() -> None:
    """FEATURES C9: can it execute at this estimated cost, and the reason if not."""
    world = with_budgets({"per": ("team",), "period": "hour"})
    decision = otel_cost.can_spend(0.0101, team="a")
    assert not decision
    assert (decision.budget, decision.scope, decision.spent_usd) == ("b", {"team": "a"}, 0)
    assert "budget 'b' (team='a') does not allow a call" in decision.reason
    assert decision.retry_after_s is not None
    assert otel_cost.can_spend(0.01, team="a")
    assert world.events(semconv.EVENT_BUDGET_BLOCKED) == []
    assert labelling.current() == {}


def test_can_spend_nothing_asks_whether_anything_is_left() -> None:
    world = with_budgets({"amount_usd": Decimal("0.0035")})
    assert otel_cost.can_spend()
    call(world)
    assert not otel_cost.can_spend()


def test_can_spend_in_a_block_counts_what_the_block_has() -> None:
    world = with_budgets()
    with otel_cost.guard(0.01):
        assert otel_cost.can_spend(0.01)
        call(world)
        assert otel_cost.can_spend(0.0065)
        assert not otel_cost.can_spend(0.0066)
    assert world


@pytest.mark.parametrize("pause", ["by hand", "by itself"])
def test_can_spend_knows_a_pause(pause: str) -> None:
    world = with_budgets({"action": "pause", "amount_usd": Decimal("0.003")})
    if pause == "by hand":
        world.runtime.budgets.pause("b", actor="ada", reason="too much")
    else:
        call(world)
    decision = otel_cost.can_spend()
    assert not decision
    assert "paused" in decision.reason


def test_a_decision_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        otel_cost.can_spend().allowed = False  # type: ignore[misc]


class Float64(float):
    """A float of its own making, as numpy's are: its ``repr`` is no number."""

    def __repr__(self) -> str:
        return f"np.float64({float(self)!r})"


def test_an_estimate_may_be_a_float_of_numpy() -> None:
    assert nano_of(Float64(0.1)) == 100_000_000
    with pytest.raises(ValueError, match="estimated_usd is"):
        nano_of(Float64("nan"))
