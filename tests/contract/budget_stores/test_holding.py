"""Reserving, renewing, releasing and sweeping, in every store (FEATURES C9, E5)."""

from __future__ import annotations

from otel_cost.budgets.stores.base import LostHold, Refused, Reserved, RowState, Stale, Store, Want
from tests.contract.budget_stores.making import DAY, LATER, NOW, amounts, change, post, reserve, row, settle, state

A, B = row("a"), row("b")


def test_room_is_taken_in_all_rows_and_told_in_the_order_of_the_wants(store: Store) -> None:
    answer = reserve(store, "h", Want(B, 30, 100), Want(A, 20, 100))
    assert answer == Reserved((RowState(B, 0, 30), RowState(A, 0, 20)))
    assert amounts(store, A) == (0, 20)
    assert amounts(store, B) == (0, 30)


def test_a_cap_may_be_reached_and_not_passed(store: Store) -> None:
    settle(store, "k", post(A, 60))
    assert isinstance(reserve(store, "h1", Want(A, 40, 100)), Reserved)
    assert reserve(store, "h2", Want(A, 1, 100)) == Refused(RowState(A, 60, 40, 0, "", NOW))


def test_one_full_row_leaves_the_others_as_they_were(store: Store) -> None:
    for first, second in ((A, B), (B, A)):
        assert reserve(store, "h", Want(first, 20, 100), Want(second, 101, 100)) == Refused(RowState(second))
    assert amounts(store, A) == amounts(store, B) == (0, 0)


def test_of_several_full_rows_the_first_wanted_is_named(store: Store) -> None:
    assert reserve(store, "h", Want(B, 2, 1), Want(A, 2, 1)) == Refused(RowState(B))


def test_nothing_asks_only_whether_the_row_lets_calls_through(store: Store) -> None:
    assert reserve(store, "h", Want(A, 0)) == Reserved((RowState(A),))
    settle(store, "k", post(A, 10, pause_at_nano=10))
    for amount in (0, 1):
        answer = reserve(store, "h", Want(A, amount))
        assert isinstance(answer, Refused)
        assert answer.row.state == "paused"


def test_a_wanted_nothing_beside_an_amount_reserves_the_amount_alone(store: Store) -> None:
    assert isinstance(reserve(store, "h", Want(A, 0), Want(B, 7)), Reserved)
    assert (amounts(store, A), amounts(store, B)) == ((0, 0), (0, 7))
    store.release(["h"])
    assert amounts(store, B) == (0, 0)


def test_the_same_hold_again_changes_nothing_even_where_there_is_no_more_room(store: Store) -> None:
    reserve(store, "h", Want(A, 100, 100))
    assert reserve(store, "h", Want(A, 100, 100)) == Reserved((RowState(A, 0, 100),))


def test_limits_of_another_version_reserve_nothing(store: Store) -> None:
    store.change(change("pause"), now_ns=NOW)
    assert reserve(store, "h", Want(A, 1), version=0) == Stale(1)
    assert reserve(store, "h", Want(A, 0), version=0) == Stale(1)
    assert amounts(store, A) == (0, 0)
    assert isinstance(reserve(store, "h", Want(A, 1), version=1), Reserved)


def test_releasing_gives_back_and_doing_it_again_does_nothing(store: Store) -> None:
    reserve(store, "h1", Want(A, 20), Want(B, 5))
    reserve(store, "h2", Want(A, 3))
    store.release(["h1", "unknown"])
    store.release(["h1"])
    store.release([])
    assert (amounts(store, A), amounts(store, B)) == ((0, 3), (0, 0))


def test_renewing_says_what_is_still_held(store: Store) -> None:
    reserve(store, "h", Want(A, 20))
    assert store.renew(["h", "unknown"], expires_ns=LATER + 10) == {"h"}
    assert store.sweep(now_ns=LATER, charge=()) == []
    assert [lost.hold_id for lost in store.sweep(now_ns=LATER + 10, charge=())] == ["h"]
    assert store.renew(["h"], expires_ns=LATER + DAY) == set()
    assert store.renew([], expires_ns=LATER) == set()


def test_a_lapsed_hold_gives_its_room_back_once_and_stays_known(store: Store) -> None:
    reserve(store, "h", Want(A, 20), Want(B, 5))
    assert store.sweep(now_ns=LATER - 1, charge=()) == []
    lost = store.sweep(now_ns=LATER, charge=())
    assert sorted(lost) == [LostHold("h", A, 20, LATER, False), LostHold("h", B, 5, LATER, False)]
    assert store.sweep(now_ns=LATER, charge=()) == []
    assert sorted(store.lost()) == sorted(lost)
    assert (amounts(store, A), amounts(store, B)) == ((0, 0), (0, 0))


def test_in_budgets_that_charge_a_lapsed_hold_is_spent(store: Store) -> None:
    other = row("a", budget="other")
    reserve(store, "h", Want(A, 20), Want(other, 5))
    assert {(lost.row, lost.charged) for lost in store.sweep(now_ns=LATER, charge=["month"])} == {
        (A, True),
        (other, False),
    }
    assert (amounts(store, A), amounts(store, other)) == ((20, 0), (0, 0))


def test_lost_holds_come_newest_first_and_as_many_as_asked_for(store: Store) -> None:
    for number in range(3):
        reserve(store, f"h{number}", Want(A, 20), expires_ns=LATER + number)
        store.sweep(now_ns=LATER + number, charge=())
    assert [lost.hold_id for lost in store.lost(limit=2)] == ["h2", "h1"]


def test_a_late_settlement_of_a_lost_hold_adds_what_it_took(store: Store) -> None:
    reserve(store, "h", Want(A, 20))
    store.sweep(now_ns=LATER, charge=())
    settle(store, "k", post(A, 12), hold="h")
    assert amounts(store, A) == (12, 0)
    assert store.lost() == []


def test_a_late_settlement_of_a_charged_hold_puts_the_truth_in_its_place(store: Store) -> None:
    reserve(store, "h", Want(A, 20))
    store.sweep(now_ns=LATER, charge=["month"])
    [posting] = settle(store, "k", post(A, 12), hold="h")
    assert (posting.before_nano, posting.after_nano) == (0, 12)
    assert amounts(store, A) == (12, 0)
    settle(store, "k", post(A, 12), hold="h")
    assert amounts(store, A) == (12, 0)


def test_what_was_reserved_first_is_still_there_when_more_is(store: Store) -> None:
    for number in range(5):
        reserve(store, f"h{number}", Want(A, 10, 50))
    assert isinstance(reserve(store, "h5", Want(A, 10, 50)), Refused)
    store.release([f"h{number}" for number in range(0, 5, 2)])
    assert state(store, A).reserved_nano == 20
