"""Before a call: room in every budget that applies, or a refusal that says why (C9)."""

from __future__ import annotations

import pytest

from otel_cost.budget_settings import BudgetOverride
from otel_cost.budgets.asking import reserved_around
from otel_cost.budgets.stores.base import Control
from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.errors import BudgetError, BudgetExceeded
from otel_cost.model import NANO, Reason, Status, Void
from tests.unit.budgets.shop import budget, shop, spent, usd

BLOCK = budget(amount_usd=10, action="block", period="total")


def test_calls_under_way_take_room_from_each_other() -> None:
    at = shop(BLOCK)
    first, second = at.ask(output=5), at.ask(output=5)
    with pytest.raises(BudgetExceeded, match=r"10\.000000 are reserved for calls under way") as caught:
        at.ask(output=1)
    assert caught.value.retry_after_s == 1.0
    assert (caught.value.reserved_nano, caught.value.needed_nano) == (10 * NANO, NANO)
    first.release()
    at.ask(output=5).release()
    second.release()
    assert at.row() == (0, 0)


def test_a_call_that_does_not_fit_says_what_would_help() -> None:
    at = shop(BLOCK)
    at.call(6 * NANO)
    with pytest.raises(BudgetExceeded, match=r"may cost up to 5\.0.*lower output limit") as caught:
        at.ask(output=5)
    assert caught.value.retry_after_s is None
    at.ask(output=4).release()


def test_a_block_that_does_not_fit_is_not_told_to_change_a_request() -> None:
    at = shop(BLOCK)
    at.call(6 * NANO)
    with pytest.raises(
        BudgetExceeded, match=r"6\.000000 of 10\.000000 USD are spent, and 5\.000000 more are asked for$"
    ):
        at.budgets.reserve({}, 5 * NANO)
    decision = at.budgets.check({}, 5 * NANO)
    assert decision.reason.endswith("and 5.000000 more are asked for")


def test_settling_gives_back_what_was_not_used() -> None:
    at = shop(BLOCK)
    hold = at.ask(output=8)
    record = spent(3 * NANO)
    hold.bind(record.key)
    at.budgets.take(record)
    assert at.row() == (3, 0)
    hold.release()
    assert at.row() == (3, 0)


def test_a_record_without_money_gives_all_of_it_back() -> None:
    at = shop(BLOCK)
    for status in (Status.WRAPPER, Status.DUPLICATE, Status.UNPRICED):
        hold = at.ask(output=8)
        record = spent(0, status=status)
        hold.bind(record.key)
        at.budgets.take(record)
        assert at.row() == (0, 0)


def test_whoever_leaves_a_span_to_its_owner_keeps_the_room_until_it_ends() -> None:
    at = shop(BLOCK)
    hold = at.ask(output=8)
    record = spent(3 * NANO)
    hold.bind(record.key)
    hold.leave()
    assert at.row() == (0, 8)
    at.budgets.take(record)
    assert at.row() == (3, 0)
    unbound = at.ask(output=5)
    unbound.leave()
    assert at.row() == (3, 0)


def test_a_call_must_pass_all_budgets_and_takes_room_in_none_where_one_says_no() -> None:
    at = shop(budget("wide", 100, action="block"), budget("narrow", 3, action="block", per=("team",)))
    with pytest.raises(BudgetExceeded, match="narrow"):
        at.ask(output=5)
    assert at.row("wide") == at.row("narrow") == (0, 0)
    at.ask(output=3)
    assert at.row("wide") == at.row("narrow") == (0, 3)


def test_a_limit_of_nothing_stops_what_needs_nothing() -> None:
    at = shop(budget(amount_usd=0, action="block"))
    with pytest.raises(BudgetExceeded):
        at.ask(output=0)


def test_unpriced_calls_are_blocked_or_taken_to_cost_what_the_budget_says() -> None:
    at = shop(budget(action="block", unpriced="block"))
    with pytest.raises(BudgetExceeded, match="no price for p/other"):
        at.ask(model="other")
    at = shop(budget(amount_usd=5, action="block", unpriced={"assume": usd(3)}))
    at.ask(model="other")
    with pytest.raises(BudgetExceeded):
        at.ask(model="other")


def test_what_was_reserved_in_a_period_is_settled_in_it() -> None:
    day = 86_400 * NANO
    at = shop(budget(period="day", action="block"))
    at.now_ns = 10 * day - 1
    hold = at.ask(output=5)
    record = spent(3 * NANO, at_ns=10 * day + 1)
    hold.bind(record.key)
    at.budgets.take(record)
    (state,) = at.budgets.store.rows("b")
    assert state.row.period.startswith("1970-01-10")
    assert (state.spent_nano, state.reserved_nano) == (3 * NANO, 0)


def test_a_forgotten_reservation_makes_room_when_it_has_lapsed() -> None:
    at = shop(BLOCK)
    at.ask(output=10)
    at.now_ns += 2 * 3600 * NANO
    at.ask(output=10).release()
    assert at.budgets.lost_nano == 10 * NANO


def test_a_clock_that_jumps_ahead_lets_reservations_lapse_and_their_calls_are_settled_all_the_same() -> None:
    at = shop(budget(amount_usd=10, action="block", period="total"))
    hold = at.ask(output=10)
    at.now_ns += 10**6 * NANO
    at.ask(output=10).release()
    record = spent(7 * NANO)
    hold.bind(record.key)
    at.budgets.take(record)
    assert at.row() == (7, 0)


def test_a_clock_that_jumps_back_only_makes_reservations_live_longer() -> None:
    at = shop(BLOCK)
    at.now_ns = 10**6 * NANO
    at.ask(output=10)
    at.now_ns = NANO
    with pytest.raises(BudgetExceeded, match="under way"):
        at.ask(output=1)


def test_a_void_takes_spend_back_and_lets_calls_be_made_again() -> None:
    at = shop(BLOCK)
    record = spent(10 * NANO)
    at.budgets.take(record)
    at.budgets.void(Void(record.key, Reason.SAME_CALL, "other"))
    assert at.row() == (0, 0)
    at.budgets.take(record)  # a late, second settlement of what was taken back
    assert at.row() == (0, 0)


def test_a_loop_that_is_stopped_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    at = shop(budget(amount_usd=0, action="block", per=("team",)))
    for team in ("x", "x", "y", "x", "y"):
        with pytest.raises(BudgetExceeded):
            at.ask(team=team)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert at.names() == ["blocked"] * 5


def test_made_up_values_do_not_push_a_spent_limit_out_of_memory() -> None:
    by_user = budget(amount_usd=10, action="block", per=("user",), period="total")
    at = shop(by_user, store=MemoryStore(max_rows=100))
    at.call(10 * NANO, user="mallory")
    for number in range(200):
        at.ask(user=f"m{number}").release()
    with pytest.raises(BudgetExceeded):
        at.ask(user="mallory")
    assert len(at.budgets.store.rows("b")) == 100


# --- room that the code around has reserved ---------------------------------------------------------------------------


def test_calls_in_a_block_draw_on_what_it_has_reserved() -> None:
    at = shop(BLOCK)
    around = at.budgets.reserve({}, 6 * NANO)
    token = reserved_around.set(around)
    at.call(2 * NANO)
    assert at.row() == (2, 4)
    at.call(3 * NANO)
    assert at.row() == (5, 1)
    assert around.left_nano == NANO
    at.call(2 * NANO)
    assert at.row() == (7, 0)
    with pytest.raises(BudgetExceeded):  # what it had is used up: now each call asks for itself
        at.ask(output=4)
    reserved_around.reset(token)
    around.release()
    assert at.row() == (7, 0)


def test_a_block_gives_back_what_its_calls_did_not_use() -> None:
    at = shop(BLOCK)
    around = at.budgets.reserve({}, 6 * NANO)
    token = reserved_around.set(around)
    at.call(2 * NANO)
    reserved_around.reset(token)
    around.release()
    assert at.row() == (2, 0)


def test_a_call_in_a_block_needs_room_in_budgets_that_only_it_meets() -> None:
    at = shop(BLOCK, budget("of-model", 1, action="block", match={"model": "m"}, period="total"))
    around = at.budgets.reserve({}, 6 * NANO)
    token = reserved_around.set(around)
    with pytest.raises(BudgetExceeded, match="of-model"):
        at.ask(output=2)
    at.call(NANO)
    assert (at.row(), at.row("of-model")) == ((1, 5), (1, 0))
    reserved_around.reset(token)


# --- by hand (E6, E15, B10) -------------------------------------------------------------------------------------------

WHO = {"actor": "ana", "reason": "incident 7"}


@pytest.mark.parametrize("action", ["alert", "block", "pause"])
def test_a_pause_by_hand_stops_calls_whatever_the_action(action: str) -> None:
    at = shop(budget(action=action))
    at.budgets.pause("b", **WHO)
    with pytest.raises(BudgetExceeded, match="somebody paused it") as caught:
        at.ask()
    assert caught.value.retry_after_s is None
    at.budgets.resume("b", **WHO)
    at.ask().release()
    assert at.names() == ["paused", "blocked", "resumed"]
    assert at.told[0].actor == "ana"
    assert [(entry.kind, entry.actor, entry.reason) for entry in at.budgets.store.audit()] == [
        ("resume", "ana", "incident 7"),
        ("pause", "ana", "incident 7"),
    ]


def test_one_value_of_many_is_paused_alone() -> None:
    at = shop(budget(per=("team",)))
    at.budgets.pause("b", {"team": "evil"}, **WHO)
    with pytest.raises(BudgetExceeded):
        at.ask(team="evil")
    at.ask(team="good").release()


def test_it_pauses_itself_past_its_grace_until_somebody_lets_it_go_on() -> None:
    at = shop(budget(amount_usd=10, action="pause", grace="50%"))
    at.call(14 * NANO)
    at.ask().release()
    at.call(NANO)
    assert at.names()[-1] == "paused"
    with pytest.raises(BudgetExceeded, match="paused itself at 15"):
        at.ask()
    at.budgets.resume("b", **WHO)
    at.call(100 * NANO)
    at.ask().release()  # not again in this period
    assert at.names().count("paused") == 1


def test_a_budget_that_paused_itself_goes_on_with_the_next_period() -> None:
    at = shop(budget(amount_usd=10, action="pause", period="hour"))
    at.call(10 * NANO)
    with pytest.raises(BudgetExceeded):
        at.ask()
    at.now_ns += 3600 * NANO
    at.ask().release()


def test_a_reset_begins_the_period_anew_and_is_told_anew() -> None:
    at = shop(budget(amount_usd=10, action="block", thresholds=("50%",)))
    at.call(10 * NANO)
    at.budgets.reset("b", **WHO)
    assert at.row() == (0, 0)
    at.ask().release()
    at.call(5 * NANO)
    assert at.names() == ["threshold", "breach", "threshold"]
    (state,) = at.budgets.store.rows("b")
    assert state.forgiven_nano == 10 * NANO


def test_a_limit_can_be_raised_and_lowered_and_put_back() -> None:
    at = shop(budget(amount_usd=10, action="block", thresholds=("100%",)))
    at.call(8 * NANO)
    at.budgets.set_limit("b", amount_nano=5 * NANO, **WHO)
    assert at.names() == ["threshold", "breach"]  # lowered below what is spent: reached there and then
    with pytest.raises(BudgetExceeded):
        at.ask()
    at.budgets.set_limit("b", amount_nano=20 * NANO, **WHO)
    at.ask(output=12).release()
    at.budgets.set_limit("b", **WHO)
    at.ask(output=2).release()
    with pytest.raises(BudgetExceeded):
        at.ask(output=3)


def test_a_limit_for_all_does_not_touch_a_value_that_has_its_own() -> None:
    rich = {"rich": BudgetOverride(amount_usd=usd(50))}
    at = shop(budget(amount_usd=10, action="block", per=("team",), overrides=rich))
    at.budgets.set_limit("b", amount_nano=5 * NANO, **WHO)
    at.ask(team="rich", output=40).release()
    with pytest.raises(BudgetExceeded):
        at.ask(team="poor", output=6)
    at.budgets.set_limit("b", {"team": "poor"}, amount_nano=7 * NANO, **WHO)
    at.ask(team="poor", output=7).release()


def test_an_action_can_be_set_at_run_time() -> None:
    at = shop(budget(amount_usd=1))
    at.call(5 * NANO)
    at.ask().release()
    at.budgets.set_limit("b", action="block", **WHO)
    with pytest.raises(BudgetExceeded):
        at.ask()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b.pause("c", **WHO), "no budget 'c'; there are: b"),
        (lambda b: b.pause("b", {"project": "x"}, **WHO), "is by team; what was given is project"),
        (lambda b: b.pause("b", actor=" ", reason="r"), "say who does it"),
        (lambda b: b.pause("b", actor="a", reason=""), "say why"),
        (lambda b: b.set_limit("b", amount_nano=-1, **WHO), "outside 0 to"),
        (lambda b: b.set_limit("b", amount_nano=10**20, **WHO), "outside 0 to"),
    ],
)
def test_a_change_that_cannot_be_made_says_why_and_is_not_made(change: object, said: str) -> None:
    at = shop(budget(per=("team",)))
    with pytest.raises(BudgetError, match=said):
        change(at.budgets)  # type: ignore[operator]
    assert at.budgets.store.controls().by_scope == {}
    assert at.budgets.store.audit() == []


def test_a_change_that_changes_nothing_else_keeps_what_was_set() -> None:
    at = shop(budget())
    at.budgets.set_limit("b", amount_nano=NANO, **WHO)
    at.budgets.pause("b", **WHO)
    at.budgets.resume("b", **WHO)
    assert at.budgets.store.controls().by_scope == {("b", ()): Control(NANO, None, False)}


# --- carry-over (E14) -------------------------------------------------------------------------------------------------

HOUR = 3600 * NANO


def test_what_is_left_of_the_period_before_is_carried_over_once() -> None:
    at = shop(budget(amount_usd=10, action="block", period="hour", carry_over=True, starts="1970-01-01"))
    at.call(4 * NANO)
    at.now_ns += HOUR
    at.ask(output=16).release()
    with pytest.raises(BudgetExceeded):
        at.ask(output=17)
    at.now_ns += 5 * HOUR
    at.ask(output=20).release()  # nothing was spent in the hour before: all of that one's amount, and no more
    with pytest.raises(BudgetExceeded):
        at.ask(output=21)


def test_nothing_is_carried_over_from_before_the_start() -> None:
    at = shop(budget(amount_usd=10, action="block", period="hour", carry_over=True, starts="1970-01-01"))
    with pytest.raises(BudgetExceeded):
        at.ask(output=11)


def test_what_applies_is_told_by_labels_and_time() -> None:
    at = shop(
        budget(amount_usd=1, action="block", match={"team": "x"}, starts="1970-01-01T01:00", ends="1970-01-01T02:00")
    )
    at.ask(output=5, team="x").release()
    at.now_ns = HOUR
    with pytest.raises(BudgetExceeded):
        at.ask(output=5, team="x")
    at.ask(output=5, team="y").release()
    at.now_ns = 2 * HOUR
    at.ask(output=5, team="x").release()
