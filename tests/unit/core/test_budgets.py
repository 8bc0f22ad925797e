"""Budgets, first cut: thresholds, breach events, and a block before the call."""

from __future__ import annotations

import pickle
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_cost import runtime, semconv, shield
from otel_cost.budget_settings import BudgetOverride, BudgetSettings
from otel_cost.budgets.evaluate import newly_reached
from otel_cost.budgets.manager import GAUGE_ROWS
from otel_cost.budgets.periods import period_start
from otel_cost.budgets.spec import PPM, RowKey, budget_of
from otel_cost.budgets.stores.base import Post, Refused, Settlement, Want
from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.config import Config, PriceSettings
from otel_cost.errors import BudgetExceeded
from otel_cost.labelling import labels
from otel_cost.model import NANO, PlannedCall
from tests.support.world import World, chat, make_world
from tests.unit.core.test_wire import record

GPT4O = PlannedCall(provider="openai", model="gpt-4o", operation="chat", max_output_tokens=10)
"""Reserves 0.0001 USD."""


def usd(text: str) -> Decimal:
    return Decimal(text)


def with_budget(**settings: object) -> World:
    return make_world(Config(budgets=(BudgetSettings(**{"name": "b", "amount_usd": usd("0.01"), **settings}),)))  # type: ignore[arg-type]


def spend(world: World, calls: int, **who: str) -> None:
    """Each call costs 0.0035 USD."""
    with labels(**who):
        for _ in range(calls):
            with world.call():
                pass


def test_thresholds_and_breach_are_told_once_each() -> None:
    world = with_budget(thresholds=("50%", "80%", "100%"))
    spend(world, 5)
    marks = [event[semconv.BUDGET_THRESHOLD] for event in world.events(semconv.EVENT_BUDGET_THRESHOLD)]
    assert marks == [0.5, 0.8, 1.0]
    (breach,) = world.events(semconv.EVENT_BUDGET_BREACH)
    assert breach[semconv.BUDGET_SPENT] == 0.0105
    assert breach[semconv.BUDGET_LIMIT] == 0.01
    assert sum(v for _, v in world.points(semconv.METRIC_BUDGET_BREACHES)) == 1


def test_gauges_show_where_a_budget_stands() -> None:
    world = with_budget(per=("team",))
    spend(world, 1, team="search")
    (spent,) = world.points(semconv.METRIC_BUDGET_SPENT)
    assert spent[1] == 0.0035
    assert spent[0][semconv.label_attribute("team")] == "search"
    ((_, utilization),) = world.points(semconv.METRIC_BUDGET_UTILIZATION)
    assert utilization == 0.35


def test_budgets_by_session_have_no_gauges() -> None:
    world = with_budget(period="session")
    spend(world, 1, session="s1")
    assert world.points(semconv.METRIC_BUDGET_SPENT) == []


def test_block_says_no_before_the_call_and_says_why() -> None:
    world = with_budget(action="block", period="session")
    spend(world, 3, session="s1")
    with labels(session="s1"), pytest.raises(BudgetExceeded, match="budget 'b'") as caught:
        world.runtime.admit(GPT4O)
    assert caught.value.scope == {"session": "s1"}
    assert (caught.value.spent_nano, caught.value.limit_nano) == (10_500_000, 10_000_000)
    assert caught.value.retry_after_s is None
    (event,) = world.events(semconv.EVENT_BUDGET_BLOCKED)
    assert event[semconv.BUDGET_SCOPE] == "session=s1"
    with labels(session="s2"):
        world.runtime.admit(GPT4O).release()


def test_retry_after_is_the_end_of_the_period() -> None:
    world = with_budget(action="block", period="hour")
    spend(world, 3)
    with pytest.raises(BudgetExceeded) as caught:
        world.runtime.admit(GPT4O)
    assert caught.value.retry_after_s is not None
    assert 0 <= caught.value.retry_after_s <= 3600


def test_alert_never_blocks() -> None:
    world = with_budget(action="alert")
    spend(world, 10)
    world.runtime.admit(GPT4O).release()
    assert world.events(semconv.EVENT_BUDGET_BLOCKED) == []
    assert len(world.events(semconv.EVENT_BUDGET_BREACH)) == 1


def test_pause_blocks_past_its_grace() -> None:
    world = with_budget(action="pause", grace="50%")
    spend(world, 4)  # 0.014 of 0.01
    world.runtime.admit(GPT4O).release()
    spend(world, 1)  # 0.0175
    with pytest.raises(BudgetExceeded):
        world.runtime.admit(GPT4O)


def test_match_per_and_overrides() -> None:
    world = with_budget(
        action="block",
        per=("team",),
        match={"environment": "production"},
        overrides={"research": BudgetOverride(amount_usd=usd("1"))},
    )
    for team in ("search", "research"):
        spend(world, 3, team=team, environment="production")
    spend(world, 3, team="other", environment="staging")
    with labels(team="search", environment="production"), pytest.raises(BudgetExceeded):
        world.runtime.admit(GPT4O)
    for team, environment in (("research", "production"), ("other", "staging")):
        with labels(team=team, environment=environment):
            world.runtime.admit(GPT4O).release()


def test_a_limit_of_nothing_blocks_from_the_start() -> None:
    world = with_budget(amount_usd=usd("0"), action="block")
    with pytest.raises(BudgetExceeded):
        world.runtime.admit(GPT4O)


def test_unpriced_calls_can_be_blocked_or_assumed() -> None:
    world = with_budget(action="block", unpriced="block")
    with pytest.raises(BudgetExceeded, match="no price"):
        world.runtime.admit(PlannedCall(provider="openai", model="made-up-9", operation="chat"))
    world.runtime.admit(GPT4O).release()
    world = with_budget(unpriced={"assume": usd("0.02")})
    with world.call(gen_ai__request__model="made-up-9"):
        pass
    assert len(world.events(semconv.EVENT_BUDGET_BREACH)) == 1


def test_a_price_that_starts_some_day_is_a_price() -> None:
    overlay = {"provider": "openai", "model": "made-up-9", "from": "2026-01-01", "per_1m": {"input": 1, "output": 1}}
    config = Config(
        budgets=(BudgetSettings(name="b", amount_usd=usd("1"), action="block", unpriced="block"),),
        prices=PriceSettings(overlay=(overlay,)),
    )
    world = make_world(config, pricer=runtime.pricer_of(config))
    world.runtime.admit(PlannedCall(provider="openai", model="made-up-9", operation="chat")).release()
    assert world.events(semconv.EVENT_BUDGET_BLOCKED) == []


def test_whoever_listens_to_events_does_not_make_a_limit_soft(monkeypatch: pytest.MonkeyPatch) -> None:
    world = with_budget(action="block")
    spend(world, 3)

    def broken(_event: object) -> None:
        raise RuntimeError("boom")

    shield.set_strict(False)
    monkeypatch.setattr(world.runtime.telemetry, "budget_event", broken)
    with pytest.raises(BudgetExceeded):
        world.runtime.admit(GPT4O)


@pytest.mark.parametrize("settings", [{"match": {"model": "gpt-4o"}}, {"per": ("model",)}])
def test_a_budget_by_model_knows_a_call_by_the_name_that_was_asked_for(settings: dict[str, object]) -> None:
    world = with_budget(action="block", **settings)
    for _ in range(3):
        with world.call(gen_ai__response__model="gpt-4o-2024-08-06"):
            pass
    with pytest.raises(BudgetExceeded):
        world.runtime.admit(GPT4O)


def test_one_budgets_sessions_do_not_push_out_another_ones_month() -> None:
    store = MemoryStore(max_rows=10)

    def settle(key: str, row: RowKey, amount: int) -> None:
        store.settle([Settlement(key, (Post(row, amount, NANO),))], version=0, now_ns=1)

    blocked = RowKey("month", (("team", "evil"),), "2026-11")
    settle("k", blocked, 5)
    for number in range(100):
        settle(f"s{number}", RowKey("session", (("session", str(number)),), ""), 1)
        settle(f"m{number}", RowKey("month", (("team", str(number)),), "2026-11"), 1)
        refused = store.reserve(f"h{number}", [Want(blocked, 1, 5)], version=0, now_ns=1, expires_ns=2)
        assert isinstance(refused, Refused)  # asking keeps it, as a blocked team asks again and again
    assert len(store.rows("session")) == len(store.rows("month")) == 10


def test_a_session_on_the_request_around_a_call_counts_for_it() -> None:
    world = with_budget(action="block", period="session")
    with world.tracer("app").start_as_current_span("request", attributes={semconv.SESSION_ID: "s1"}):
        spend(world, 3)
        with pytest.raises(BudgetExceeded):
            world.runtime.admit(GPT4O)
    assert {(span.attributes or {}).get(semconv.SESSION_ID) for span in world.finished("chat")} == {"s1"}


def test_a_call_without_a_session_is_said_to_have_no_limit(caplog: pytest.LogCaptureFixture) -> None:
    world = with_budget(action="block", period="session")
    spend(world, 5)
    world.runtime.admit(GPT4O).release()
    assert caplog.text.count("does not limit calls without a session") == 1


def test_gauges_are_bounded_whatever_the_label() -> None:
    world = with_budget(per=("customer",), amount_usd=usd("100"))
    for number in range(GAUGE_ROWS + 10):
        spend(world, 1, customer=f"c{number}")
    assert len(world.points(semconv.METRIC_BUDGET_SPENT)) == GAUGE_ROWS


def test_a_call_over_the_border_of_a_period_counts_where_it_started() -> None:
    world = with_budget(period="day")
    midnight = 1_790_000_000 // 86_400 * 86_400 * NANO
    counts = {semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100}
    span = world.tracer().start_span("chat", attributes={**chat(), **counts}, start_time=midnight - NANO)
    span.end(midnight + NANO)
    (state,) = world.runtime.budgets.store.rows("b")
    assert state.row.period.startswith(datetime.fromtimestamp(midnight // NANO - 1, UTC).date().isoformat())


def test_a_start_time_in_the_wrong_unit_harms_nobody_else() -> None:
    world = with_budget(period="day")
    counts = {semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100}
    for start in (time.time_ns() * 1000, None):
        world.tracer().start_span("chat", attributes={**chat(), **counts}, start_time=start).end()
    assert world.spend() == 0.007


async def test_async_admission_raises_the_same() -> None:
    world = with_budget(action="block")
    spend(world, 3)
    with pytest.raises(BudgetExceeded):
        await world.runtime.admit_async(GPT4O)


def test_many_threads_settle_exactly() -> None:
    world = with_budget(amount_usd=usd("100"))
    start = threading.Barrier(8)

    def one() -> None:
        start.wait()
        spend(world, 25)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (state,) = world.runtime.budgets.states()
    assert state.spent_nano == 200 * 3_500_000


def test_a_record_settles_once() -> None:
    world = with_budget(amount_usd=usd("100"), period="total")
    for _ in range(3):
        world.runtime.budgets.take(record())
    (state,) = world.runtime.budgets.states()
    assert state.spent_nano == record().charge.amount_nano


def test_the_error_survives_a_process_border() -> None:
    error = BudgetExceeded("no", budget="b", scope={"team": "x"}, limit_nano=1, spent_nano=2, retry_after_s=3.0)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.budget, again.scope, again.retry_after_s) == ("no", "b", {"team": "x"}, 3.0)


steps = st.lists(st.integers(0, 3 * NANO), min_size=1, max_size=30)


@given(steps, st.lists(st.integers(0, 20 * NANO), min_size=1, max_size=3))
def test_every_threshold_is_told_once_however_the_sum_is_split(amounts: list[int], limits: list[int]) -> None:
    thresholds = (PPM // 2, 8 * PPM // 10, PPM, 12 * PPM // 10)
    limit = limits[0]
    told, highest, spent = [], 0, 0
    for amount in amounts:
        spent += amount
        new, highest = newly_reached(thresholds, limit, spent, highest, limit)
        told += new
    at_once, _ = newly_reached(thresholds, limit, spent, 0, limit)
    assert tuple(told) == at_once


@given(st.integers(0, 20 * NANO), st.lists(st.integers(1, 20 * NANO), min_size=2, max_size=6))
def test_a_limit_that_is_changed_tells_what_is_newly_reached_and_repeats_nothing(spent: int, limits: list[int]) -> None:
    thresholds = (PPM // 2, 8 * PPM // 10, PPM)
    highest = 0
    for before, limit in zip([limits[0], *limits], limits, strict=False):
        was = highest
        new, highest = newly_reached(thresholds, limit, spent, highest, before)
        reached = [share for share in thresholds if spent * PPM >= share * limit]
        assert highest == max(reached, default=0)
        assert all(share > was or before != limit for share in new)
        assert not set(new) & {share for share in thresholds if share <= min(was, highest)}


PERIODS = """
day    Europe/Berlin  2026-03-29T12:00:00+02:00  2026-03-29T00:00:00+01:00  2026-03-30T00:00:00+02:00
day    Asia/Kolkata   2026-01-01T00:10:00+05:30  2026-01-01T00:00:00+05:30  2026-01-02T00:00:00+05:30
week   UTC            2026-03-01T00:00:00+00:00  2026-02-23T00:00:00+00:00  2026-03-02T00:00:00+00:00
month  UTC            2028-02-29T23:59:59+00:00  2028-02-01T00:00:00+00:00  2028-03-01T00:00:00+00:00
month  Europe/Berlin  2026-12-31T23:30:00+01:00  2026-12-01T00:00:00+01:00  2027-01-01T00:00:00+01:00
hour   Europe/Berlin  2026-10-25T02:30:00+01:00  2026-10-25T02:00:00+01:00  2026-10-25T03:00:00+01:00
"""


@pytest.mark.parametrize(
    ("period", "zone", "at", "start", "end"), [line.split() for line in PERIODS.strip().split("\n")]
)
def test_periods_are_calendar_true(period: str, zone: str, at: str, start: str, end: str) -> None:
    budget = budget_of(BudgetSettings(name="b", amount_usd=usd("1"), period=period, timezone=zone))  # type: ignore[arg-type]
    at_ns = int(datetime.fromisoformat(at).timestamp()) * NANO
    # As instants: Python calls aware times in a repeated hour unequal whatever they are.
    assert period_start(period, ZoneInfo(zone), at_ns).timestamp() == datetime.fromisoformat(start).timestamp()
    assert budget.period_end_ns(at_ns) == int(datetime.fromisoformat(end).timestamp()) * NANO


def test_no_budget_no_work() -> None:
    world = make_world()
    assert not world.runtime.budgets.present
    runtime.current()
    world.runtime.admit(GPT4O).release()
