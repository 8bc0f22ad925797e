"""Settling, correcting and voiding, in every store (FEATURES B3, C7, E7)."""

from __future__ import annotations

from otel_cost.budgets.stores.base import Posting, RowState, Settlement, Stale, Store, Want
from tests.contract.budget_stores.making import LATER, NOW, amounts, change, post, reserve, row, settle, state

A, B = row("a"), row("b")
HALF, WHOLE = 500_000, 1_000_000


def test_spend_is_added_and_the_hold_closed(store: Store) -> None:
    reserve(store, "h", Want(A, 100))
    assert settle(store, "k", post(A, 30), hold="h") == [Posting(A, 0, 30)]
    assert state(store, A) == RowState(A, 30, 0, 0, "", NOW)


def test_a_record_is_settled_once_in_each_row(store: Store) -> None:
    settle(store, "k", post(A, 30))
    assert settle(store, "k", post(A, 99), post(B, 5)) == [Posting(B, 0, 5)]
    assert settle(store, "k", post(A, 99), post(B, 5)) == []
    assert (amounts(store, A), amounts(store, B)) == ((30, 0), (5, 0))


def test_a_record_is_settled_once_though_another_sees_it_in_the_next_period(store: Store) -> None:
    """An app goes by when it reserved, a server by when the call began."""
    later = row("a", period="2027-02")
    settle(store, "k", post(A, 30))
    assert settle(store, "k", post(later, 30)) == []
    assert (amounts(store, A), amounts(store, later)) == ((30, 0), (0, 0))


def test_settling_again_still_closes_the_hold(store: Store) -> None:
    settle(store, "k", post(A, 30))
    reserve(store, "h", Want(A, 100))
    settle(store, "k", post(A, 30), hold="h")
    assert amounts(store, A) == (30, 0)


def test_a_hold_closes_in_rows_where_nothing_was_spent(store: Store) -> None:
    reserve(store, "h", Want(A, 100), Want(B, 50))
    settle(store, "k", post(B, 3), hold="h")
    assert (amounts(store, A), amounts(store, B)) == ((0, 0), (3, 0))
    reserve(store, "h2", Want(A, 100))
    settle(store, "k2", hold="h2")
    assert amounts(store, A) == (0, 0)


def test_what_does_not_close_a_hold_is_drawn_from_it(store: Store) -> None:
    reserve(store, "h", Want(A, 100))
    settle(store, "k1", post(A, 30), hold="h", closes=False)
    assert amounts(store, A) == (30, 70)
    settle(store, "k1", post(A, 30), hold="h", closes=False)
    assert amounts(store, A) == (30, 70)
    settle(store, "k2", post(A, 200), hold="h", closes=False)
    assert amounts(store, A) == (230, 0)
    assert store.renew(["h"], expires_ns=LATER) == {"h"}
    settle(store, "k3", post(A, 1), hold="h")
    assert store.renew(["h"], expires_ns=LATER) == set()


def test_a_batch_is_settled_in_its_order(store: Store) -> None:
    reserve(store, "h", Want(A, 100))
    settled = store.settle(
        [
            Settlement("k1", (post(A, 10),), "h", closes=False),
            Settlement("k2", (post(B, 1), post(A, 5)), "h"),
            Settlement("k1", (post(A, 10),)),
        ],
        version=0,
        now_ns=NOW,
    )
    assert settled == [[Posting(A, 0, 10)], [Posting(B, 0, 1), Posting(A, 10, 15)], []]
    assert amounts(store, A) == (15, 0)


def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert store.settle([], version=0, now_ns=NOW) == []


def test_limits_of_another_version_settle_nothing(store: Store) -> None:
    store.change(change("pause"), now_ns=NOW)
    assert store.settle([Settlement("k", (post(A, 1),))], version=0, now_ns=NOW) == Stale(1)
    assert amounts(store, A) == (0, 0)
    assert settle(store, "k", post(A, 1), version=1) == [Posting(A, 0, 1)]


def test_negative_amounts_are_taken_off(store: Store) -> None:
    settle(store, "k1", post(A, 10))
    settle(store, "k2", post(A, -4))
    assert amounts(store, A) == (6, 0)


def test_a_row_pauses_where_its_spend_gets_to_it_and_once(store: Store) -> None:
    assert not settle(store, "k1", post(A, 9, pause_at_nano=10))[0].paused
    assert settle(store, "k2", post(A, 1, pause_at_nano=10))[0].paused
    assert not settle(store, "k3", post(A, 1, pause_at_nano=10))[0].paused
    assert state(store, A).state == "paused"


def test_each_threshold_is_told_once_with_what_was_spent(store: Store) -> None:
    [first] = settle(store, "k1", post(A, 600, thresholds=(HALF, WHOLE)))
    [second] = settle(store, "k2", post(A, 600, thresholds=(HALF, WHOLE)), now_ns=NOW + 1)
    [third] = settle(store, "k3", post(A, 600, thresholds=(HALF, WHOLE)))
    assert [(alert.threshold, alert.spent_nano, alert.limit_nano, alert.row) for alert in first.alerts] == [
        (HALF, 600, 1000, A)
    ]
    assert [(alert.threshold, alert.spent_nano, alert.at_ns) for alert in second.alerts] == [(WHOLE, 1200, NOW + 1)]
    assert third.alerts == ()
    assert store.alerts() == [*second.alerts, *first.alerts]


def test_a_limit_that_is_raised_and_put_back_repeats_no_alert(store: Store) -> None:
    settle(store, "k1", post(A, 600, thresholds=(HALF,)))
    settle(store, "k2", post(A, 0, limit=5000, thresholds=(HALF,)))
    [posting] = settle(store, "k3", post(A, 0, thresholds=(HALF,)))
    assert posting.alerts == ()
    assert len(store.alerts()) == 1


def test_one_posting_over_two_thresholds_tells_both(store: Store) -> None:
    [posting] = settle(store, "k", post(A, 5000, thresholds=(HALF, WHOLE)))
    assert [alert.threshold for alert in posting.alerts] == [HALF, WHOLE]
    assert posting.alerts[0].id < posting.alerts[1].id


def test_after_a_reset_thresholds_are_told_again(store: Store) -> None:
    settle(store, "k1", post(A, 600, thresholds=(HALF,)))
    store.change(change("reset", A), now_ns=NOW)
    [posting] = settle(store, "k2", post(A, 600, thresholds=(HALF,)), version=1)
    assert [alert.threshold for alert in posting.alerts] == [HALF]


def test_correcting_brings_postings_to_what_they_should_be(store: Store) -> None:
    settle(store, "k1", post(A, 30), post(B, 5))
    wanted = [Settlement("k1", (post(A, 40),)), Settlement("k2", (post(B, 2),))]
    assert store.correct(wanted, now_ns=NOW) == 3
    assert (amounts(store, A), amounts(store, B)) == ((40, 0), (2, 0))
    assert store.correct(wanted, now_ns=NOW) == 0
    assert settle(store, "k2", post(B, 2)) == []
    assert store.alerts() == []


def test_voiding_takes_back_and_keeps_the_key_from_being_settled(store: Store) -> None:
    settle(store, "k", post(A, 30))
    store.void("k", now_ns=NOW)
    store.void("k", now_ns=NOW)
    assert amounts(store, A) == (0, 0)
    assert settle(store, "k", post(A, 30), post(B, 5)) == []
    assert (amounts(store, A), amounts(store, B)) == ((0, 0), (0, 0))


def test_what_is_voided_before_it_is_settled_never_is(store: Store) -> None:
    store.void("k", now_ns=NOW)
    reserve(store, "h", Want(A, 100))
    assert settle(store, "k", post(A, 30), hold="h") == []
    assert amounts(store, A) == (0, 0)


def test_a_voided_key_that_the_book_has_is_posted_again_by_correcting(store: Store) -> None:
    settle(store, "k", post(A, 30))
    store.void("k", now_ns=NOW)
    store.correct([Settlement("k", (post(A, 30),))], now_ns=NOW)
    assert amounts(store, A) == (30, 0)
