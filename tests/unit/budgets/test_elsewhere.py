"""A store that others share: settled in the background, away at times, asked as little as the settings allow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Never

import pytest

from otel_cost import shield
from otel_cost.budgets import holds
from otel_cost.budgets.asking import reserved_around
from otel_cost.budgets.deciding import SLICE
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import Change, Control, Posting, Reserved, Settlement, Stale, Want
from otel_cost.errors import BudgetExceeded, BudgetStoreBusy, BudgetStoreUnavailable
from otel_cost.model import NANO
from tests.support.waiting import until
from tests.unit.budgets.elsewhere import Elsewhere
from tests.unit.budgets.shop import Shop, budget, closing, shop, spent

BLOCK = budget(amount_usd=1000, action="block", period="total")
AWAY = BudgetStoreUnavailable("the budget store at x cannot be reached")


@pytest.fixture
def store() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def at(store: Elsewhere) -> Iterator[Shop]:
    made = shop(BLOCK, store=store)
    yield made
    store.failing = None
    store.gate.set()
    made.budgets.close()


def settled(at: Shop) -> None:
    assert at.budgets.flush(30)


# --- settling in the background ---------------------------------------------------------------------------------------


def test_it_is_settled_without_the_call_waiting_and_the_room_is_kept_until_then(at: Shop, store: Elsewhere) -> None:
    store.gate.clear()
    at.call(NANO)
    assert at.row() == (0, 1)
    store.gate.set()
    settled(at)
    assert at.row() == (1, 0)


def test_a_refused_call_waits_for_what_its_own_process_has_yet_to_settle(store: Elsewhere) -> None:
    at = shop(budget(amount_usd=10, action="block", period="total"), store=store)
    for _ in range(50):
        hold = at.ask(output=9)  # without waiting, the second would be refused for the first one's reservation
        record = spent(0, at_ns=at.now_ns)
        hold.bind(record.key)
        at.budgets.take(record)
    assert at.names() == []
    at.budgets.close()


def test_what_the_store_could_not_be_told_is_told_when_it_is_back(at: Shop, store: Elsewhere) -> None:
    at.ask(output=5).release()
    settled(at)
    store.failing = AWAY
    for _ in range(5):
        at.budgets.take(spent(NANO))
    until(lambda: store.calls.count("settle") >= 2, "a second try")
    assert not at.budgets.flush(0)
    store.failing = None
    settled(at)
    assert at.row() == (5, 0)
    assert at.budgets.unsettled_nano == 0


def test_releases_are_told_as_well(at: Shop) -> None:
    at.ask(output=7).release()
    settled(at)
    assert at.row() == (0, 0)


# --- away or busy -----------------------------------------------------------------------------------------------------


def test_open_lets_calls_through_while_the_store_is_away_and_counts_them(
    at: Shop, store: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    store.failing = AWAY
    for _ in range(3):
        at.ask().release()
    assert at.budgets.unreachable == 3
    assert caplog.text.count("without asking the budgets (said once") == 1


def test_closed_stops_calls_while_the_store_is_away(store: Elsewhere) -> None:
    at = shop(budget("open", action="block"), budget("shut", action="block", fail="closed"), store=store)
    store.failing = AWAY
    with pytest.raises(BudgetExceeded, match=r"'shut'.*cannot be reached, and fail is closed") as caught:
        at.ask()
    assert caught.value.retry_after_s == 1.0
    store.failing = None
    at.ask().release()
    at.budgets.close()


def test_a_busy_store_is_no_outage(at: Shop, store: Elsewhere) -> None:
    at.ask().release()
    settled(at)
    store.failing = BudgetStoreBusy("the budget store at x is busy")
    with pytest.raises(BudgetExceeded, match="is busy") as caught:
        at.ask()
    assert caught.value.retry_after_s == 1.0
    assert at.budgets.unreachable == 0


def test_budgets_that_only_alert_ask_nothing_before_a_call(store: Elsewhere) -> None:
    at = shop(budget(), store=store)
    at.ask()
    at.ask()
    assert set(store.calls) <= {"controls"}
    at.budgets.close()


def test_a_change_made_elsewhere_holds_for_the_next_call(at: Shop, store: Elsewhere) -> None:
    at.ask().release()
    other = shop(BLOCK, store=store)
    other.budgets.pause("b", actor="a", reason="r")
    with pytest.raises(BudgetExceeded, match="somebody paused it"):
        at.ask()
    other.budgets.resume("b", actor="a", reason="r")
    other.budgets.set_limit("b", amount_nano=2 * NANO, actor="a", reason="r")
    with pytest.raises(BudgetExceeded):
        at.ask(output=3)


def test_controls_that_cannot_be_read_are_an_outage_like_any_other(store: Elsewhere) -> None:
    at = shop(budget(action="block", fail="closed"), store=store)
    at.ask().release()
    other = shop(BLOCK, store=store)
    other.budgets.set_limit("b", amount_nano=NANO, actor="a", reason="r")
    store.failing_at = {"controls": AWAY}
    with pytest.raises(BudgetExceeded, match="fail is closed"):
        at.ask()
    store.failing_at = {"controls": BudgetStoreBusy("the budget store at x is busy")}
    with pytest.raises(BudgetExceeded, match="is busy"):
        at.ask()
    store.failing_at = {}
    for one in (at, other):
        one.budgets.close()


def test_alerts_are_told_by_one_process_each(store: Elsewhere) -> None:
    shops = [shop(budget(amount_usd=10, thresholds=("50%",)), store=store) for _ in range(3)]
    for number in range(12):
        shops[number % 3].budgets.take(spent(NANO))
    for one in shops:
        settled(one)
    assert sorted(name for one in shops for name in one.names()) == ["breach", "threshold"]
    assert all(alert.told for alert in store.alerts())
    for one in shops:
        one.budgets.close()


# --- the memory of decisions (E5, E18) --------------------------------------------------------------------------------


@pytest.fixture
def remembering(store: Elsewhere) -> Iterator[Shop]:
    made = shop(BLOCK, store=store, cache_s=3600)
    yield made
    made.budgets.close()


def asked(store: Elsewhere) -> int:
    return store.calls.count("reserve")


def test_far_from_the_limit_one_answer_serves_many_calls(remembering: Shop, store: Elsewhere) -> None:
    for _ in range(9):
        remembering.call(NANO // 10)
    assert asked(store) == 1
    assert (remembering.budgets.decisions.hits, remembering.budgets.decisions.misses) == (8, 1)
    settled(remembering)
    assert remembering.budgets.store.rows("b")[0].spent_nano == 9 * NANO // 10


def test_no_more_than_a_slice_of_the_limit_goes_through_without_asking(remembering: Shop, store: Elsewhere) -> None:
    slice_usd = 1000 // SLICE
    remembering.ask()  # the first asks
    held = [remembering.ask(output=1) for _ in range(slice_usd)]
    assert asked(store) == 1
    held.append(remembering.ask(output=1))
    assert asked(store) == 2
    for hold in held:
        hold.release()
    settled(remembering)
    remembering.ask(output=1)
    assert asked(store) <= 3


def test_calls_that_are_not_settled_yet_count_after_asking_again_too(remembering: Shop, store: Elsewhere) -> None:
    remembering.ask()
    for _ in range(1000 // SLICE):
        remembering.ask(output=1)
    for _ in range(5):  # all of the slice is under way: whatever the store says, each has to ask
        remembering.ask(output=1)
    assert asked(store) == 6


def test_near_the_limit_every_call_asks(remembering: Shop, store: Elsewhere) -> None:
    remembering.call(501 * NANO)
    settled(remembering)
    remembering.ask().release()
    before = asked(store)
    for _ in range(4):
        remembering.ask().release()
    assert asked(store) == before + 4


def test_what_can_be_overshot_is_a_slice_for_each_process(store: Elsewhere) -> None:
    shops = [shop(BLOCK, store=store, cache_s=3600) for _ in range(4)]
    for one in shops:
        one.ask().release()
        settled(one)
    through = [one.ask(output=1000 // SLICE) for one in shops]  # each a whole slice, unknown to the store
    exact = shop(BLOCK, store=store)
    for _ in range(100):
        exact.call(10 * NANO)
        settled(exact)
    with pytest.raises(BudgetExceeded):
        exact.ask()
    for one, hold in zip(shops, through, strict=True):
        record = spent(1000 // SLICE * NANO)
        hold.bind(record.key)
        one.budgets.take(record)
        settled(one)
    (state,) = store.rows("b")
    assert state.spent_nano == (1000 + 4 * 1000 // SLICE) * NANO
    for one in (*shops, exact):
        one.budgets.close()


def test_without_a_memory_every_call_asks(at: Shop, store: Elsewhere) -> None:
    for _ in range(3):
        at.ask().release()
    assert asked(store) == 3
    assert (at.budgets.decisions.hits, at.budgets.decisions.misses) == (0, 0)


class LateAnswers(Elsewhere):
    """Reserves, and answers too late."""

    def reserve(self, *args: object, **named: object) -> Never:
        super().reserve(*args, **named)  # type: ignore[arg-type]
        raise BudgetStoreUnavailable("did not answer within 0.25 s")


@pytest.mark.parametrize("expired", ["release", "charge"])
def test_a_reservation_whose_answer_was_late_is_closed_by_its_call(expired: str) -> None:
    """Else it lapses a minute later, and may be charged on top of what the call really cost."""
    with closing(shop(budget(action="block", expired=expired), store=LateAnswers())) as at:
        at.call(3 * NANO)
        assert at.budgets.flush(5)
        assert at.row() == (3, 0)
        hold = at.ask(output=5)  # and one that is never made
        assert at.row() == (3, 5)
        hold.release()
        assert at.budgets.flush(5)
        assert at.row() == (3, 0)
        hold = at.ask(output=5)
        at.now_ns += 3600 * NANO
        at.budgets.sweep()
        late = spent(2 * NANO, at_ns=at.now_ns)
        hold.bind(late.key)
        at.budgets.take(late)
        assert at.budgets.flush(5)
        assert at.row() == (5, 0)


def test_a_call_that_is_refused_without_the_stores_word_leaves_nothing_reserved() -> None:
    with closing(shop(budget(action="block", fail="closed"), store=LateAnswers())) as at:
        with pytest.raises(BudgetExceeded):
            at.ask(output=5)
        assert at.budgets.flush(5)
        assert at.row() == (0, 0)


def test_calls_of_a_block_do_not_draw_on_room_that_may_not_be_there() -> None:
    store = Elsewhere()
    with closing(shop(budget(amount_usd=10, action="block"), store=store)) as at:
        store.failing = BudgetStoreUnavailable("it is away")
        block = at.budgets.reserve({"trace": ""}, 8 * NANO)
        store.failing = None
        token = reserved_around.set(block)
        try:
            held = at.ask(output=8)
            with pytest.raises(BudgetExceeded):
                at.ask(output=8)
            held.release()
        finally:
            reserved_around.reset(token)
            block.release()


# --- batches ----------------------------------------------------------------------------------------------------------


class Particular(Elsewhere):
    """Takes no more than some settlements at once, and breaks at one key."""

    most = 1000
    breaks_at = ""

    def settle(self, settlements: Sequence[Settlement], *, version: int, now_ns: int) -> list[list[Posting]] | Stale:
        if len(settlements) > self.most:
            raise BudgetStoreUnavailable("413: the body is too large")
        if any(settlement.record_key == self.breaks_at for settlement in settlements):
            raise OverflowError("a fault of our own")
        return super().settle(settlements, version=version, now_ns=now_ns)


def test_a_batch_that_is_too_much_for_the_store_is_told_in_smaller_ones() -> None:
    store = Particular()
    store.most = 3
    with closing(shop(BLOCK, store=store)) as at:
        store.gate.clear()
        for _ in range(12):
            at.budgets.take(spent(NANO))
        store.gate.set()
        settled(at)
        assert at.row() == (12, 0)


@pytest.fixture
def as_in_production() -> Iterator[None]:
    shield.set_strict(False)
    yield
    shield.set_strict(True)


@pytest.mark.usefixtures("as_in_production")
def test_a_fault_at_one_record_loses_that_one_alone_and_says_so() -> None:
    store = Particular()
    with closing(shop(BLOCK, store=store)) as at:
        store.gate.clear()
        records = [spent(NANO) for _ in range(6)]
        store.breaks_at = records[3].key
        for record in records:
            at.budgets.take(record)
        store.gate.set()
        settled(at)
        assert at.row() == (5, 0)
        assert at.budgets.unsettled_nano == NANO


# --- told once --------------------------------------------------------------------------------------------------------


class ForgetsTold(Elsewhere):
    """Away when it is to be told what was told."""

    away = 0

    def told(self, alert_ids: Collection[int]) -> None:
        if self.away:
            self.away -= 1
            raise AWAY
        super().told(alert_ids)


def test_a_threshold_is_told_once_though_the_store_was_away_when_it_had_been() -> None:
    store = ForgetsTold()
    with (
        closing(shop(budget(amount_usd=10), store=store)) as at,
        closing(shop(budget(amount_usd=10), store=store)) as b,
    ):
        store.away = 2
        at.budgets.take(spent(10 * NANO, at_ns=at.now_ns))
        settled(at)
        assert at.names() == ["threshold", "threshold", "threshold", "breach"]
        assert all(alert.told for alert in store.alerts())
        assert store.claim_untold(before_ns=at.now_ns + 3600 * NANO) == []
        assert b.told == []


class ChangedMeanwhile(Elsewhere):
    """Somebody pauses another budget just before a settlement."""

    times = 0

    def settle(self, settlements: Sequence[Settlement], *, version: int, now_ns: int) -> list[list[Posting]] | Stale:
        if self.times:
            self.times -= 1
            self.change(Change("pause", "other", (), "bob", "night", Control(), ()), now_ns=now_ns)
        return super().settle(settlements, version=version, now_ns=now_ns)


def test_a_lowered_limit_is_told_at_once_though_another_budget_is_changed_meanwhile() -> None:
    store = ChangedMeanwhile()
    with closing(shop(budget(amount_usd=10, action="pause"), store=store)) as at:
        at.budgets.take(spent(5 * NANO, at_ns=at.now_ns))
        settled(at)
        store.times = 1
        at.budgets.set_limit("b", amount_nano=4 * NANO, actor="ada", reason="less")
        assert at.names() == ["threshold", "threshold", "threshold", "breach", "paused"]


# --- what takes longer than its reservation ---------------------------------------------------------------------------


def test_what_takes_longer_than_an_hour_is_paid_once_where_lapsed_reservations_are_charged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(shop(budget(action="block", expired="charge"), store=Elsewhere())) as at:
        block = at.budgets.reserve({"trace": ""}, 10 * NANO)
        held = at.ask(output=5)
        monkeypatch.setattr(holds, "MAX_AGE_S", -1.0)  # an hour later
        at.now_ns += 3600 * NANO
        assert at.budgets._taking.holds.to_renew() == []
        at.budgets.sweep()
        assert at.row() == (15, 0)
        record = spent(3 * NANO, at_ns=at.now_ns)
        held.bind(record.key)
        at.budgets.take(record)
        block.release()
        settled(at)
        assert at.row() == (3, 0)


def test_a_block_that_outlives_its_reservation_has_no_room_to_draw_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(shop(budget(amount_usd=10, action="block"), store=Elsewhere())) as at:
        block = at.budgets.reserve({"trace": ""}, 8 * NANO)
        monkeypatch.setattr(holds, "MAX_AGE_S", -1.0)
        at.now_ns += 3600 * NANO
        at.budgets.sweep()
        token = reserved_around.set(block)
        try:
            held = at.ask(output=8)
            with pytest.raises(BudgetExceeded):
                at.ask(output=8)
        finally:
            reserved_around.reset(token)
            held.release()
            block.release()


# --- what the dead leave behind ---------------------------------------------------------------------------------------


def leave_behind(at: Shop, store: Elsewhere) -> None:
    """A process reserves all there is, and dies."""
    at.budgets.limits.refresh()
    row = RowKey("b", (), "")
    took = store.reserve("dead", [Want(row, 1000 * NANO)], version=at.budgets.limits.version, now_ns=1, expires_ns=2)
    assert isinstance(took, Reserved)


def test_a_process_that_is_refused_gives_back_what_the_dead_reserved(at: Shop, store: Elsewhere) -> None:
    """However short it lives: the refusal says to ask again in a second, and then there is room."""
    leave_behind(at, store)
    with pytest.raises(BudgetExceeded) as caught:
        at.ask(output=1)
    assert caught.value.retry_after_s == 1.0
    until(lambda: at.row() == (0, 0), "the reservation is given back")
    at.ask(output=1).release()


def test_a_server_gives_back_what_the_dead_reserved_without_a_call_of_its_own(at: Shop, store: Elsewhere) -> None:
    leave_behind(at, store)
    at.budgets.look_after()
    until(lambda: at.row() == (0, 0), "the reservation is given back")
