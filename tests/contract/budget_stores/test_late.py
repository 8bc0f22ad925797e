"""What comes late: after a reset, after a hold was lost, at a limit that comes again; in every store (FEATURES B3)."""

from __future__ import annotations

from otel_cost.budgets.stores.base import Settlement, Store, Want
from tests.contract.budget_stores.making import LATER, NOW, amounts, change, post, reserve, row, settle, state

A, B = row("a"), row("b")
WHOLE = 1_000_000


def spent_and_forgiven(store: Store) -> tuple[int, int]:
    found = state(store, A)
    return found.spent_nano, found.forgiven_nano


def test_a_void_after_a_reset_makes_no_room_beyond_the_limit(store: Store) -> None:
    settle(store, "k", post(A, 80))
    store.change(change("reset", A), now_ns=NOW)
    settle(store, "l", post(A, 5), version=1)
    store.void("k", now_ns=NOW)
    assert spent_and_forgiven(store) == (0, 5)


def test_a_correction_after_a_reset_makes_none_either(store: Store) -> None:
    settle(store, "k", post(A, 80))
    store.change(change("reset", A), now_ns=NOW)
    store.correct([Settlement("k", (post(A, 30),))], now_ns=NOW)
    assert spent_and_forgiven(store) == (0, 30)


def test_a_charged_hold_that_was_forgiven_is_not_given_back_once_more(store: Store) -> None:
    reserve(store, "h", Want(A, 20))
    store.sweep(now_ns=LATER, charge=["month"])
    store.change(change("reset", A), now_ns=NOW)
    settle(store, "k", post(A, 3), hold="h", version=1)
    assert spent_and_forgiven(store) == (3, 0)


def test_a_late_settlement_that_cost_nothing_takes_back_what_the_lost_hold_was_charged(store: Store) -> None:
    reserve(store, "h", Want(A, 20), Want(B, 5))
    store.sweep(now_ns=LATER, charge=["month"])
    settle(store, "k", post(B, 1), hold="h")
    assert (amounts(store, A), amounts(store, B)) == ((0, 0), (1, 0))
    assert store.lost() == []


def test_a_late_release_takes_it_back_too_and_again_does_nothing(store: Store) -> None:
    reserve(store, "h", Want(A, 20), Want(B, 5))
    reserve(store, "i", Want(A, 7))
    store.sweep(now_ns=LATER, charge=["month"])
    for _ in range(2):
        store.release(["h"])
        assert (amounts(store, A), amounts(store, B)) == ((7, 0), (0, 0))
    assert [lost.hold_id for lost in store.lost()] == ["i"]


def test_what_a_lost_block_was_charged_is_given_back_when_it_ends(store: Store) -> None:
    """Calls settle under it one by one; only its end closes it."""
    reserve(store, "h", Want(A, 20), Want(B, 20))
    store.sweep(now_ns=LATER, charge=["month"])
    settle(store, "k", post(A, 3), hold="h", closes=False)
    assert (amounts(store, A), amounts(store, B)) == ((3, 0), (20, 0))
    store.release(["h"])
    assert (amounts(store, A), amounts(store, B)) == ((3, 0), (0, 0))


def test_a_threshold_is_told_once_for_each_limit_that_comes_again(store: Store) -> None:
    [first] = settle(store, "k", post(A, 100, limit=100, thresholds=(WHOLE,)))
    [higher] = settle(store, "l", post(A, 1, limit=900, thresholds=(WHOLE,)))
    [back] = settle(store, "m", post(A, 1, limit=100, thresholds=(WHOLE,)))
    assert (len(first.alerts), higher.alerts, back.alerts) == (1, (), ())
    store.change(change("reset", A), now_ns=NOW)
    [anew] = settle(store, "n", post(A, 100, limit=100, thresholds=(WHOLE,)), version=1)
    assert len(anew.alerts) == 1
