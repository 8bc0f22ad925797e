"""Amounts and texts that nobody should send, in every store: none breaks it, and what becomes of each is stated."""

from __future__ import annotations

import pytest

from otel_cost.budgets.stores.base import NO_CAP, Change, Control, Refused, Reserved, Store, Want
from tests.contract.budget_stores.making import LATER, NOW, amounts, post, reserve, row, settle, state

LARGEST = 2**62 - 1
TEXTS = {
    "nul": "a\x00b",
    "lone surrogate": "\ud800",
    "quotes": "'\"; DROP TABLE budget_rows; --",
    "placeholders": "? %s %% {} :x $1",
    "backslashes": "\\x41 \\ud800 \\",
    "long": "x" * 10_000,
    "emoji": "🪙",
    "line ends": "a\r\nb\u2028",
    "empty": "",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_any_label_has_a_row_of_its_own_and_comes_back_as_it_was(store: Store, text: str) -> None:
    key = row(text)
    assert isinstance(reserve(store, "h", Want(key, 5, 10)), Reserved)
    [posting] = settle(store, "k", post(key, 600, thresholds=(500_000,)), hold="h")
    store.change(Change("reset", "month", key.scope, f"a{text}", f"r{text}", Control(), (key,)), now_ns=NOW)
    assert posting.row == key
    assert store.alerts() == list(posting.alerts)
    assert [found.row for found in store.rows("month")] == [key]
    assert state(store, key).forgiven_nano == 600
    [entry] = store.audit()
    assert (entry.scope, entry.actor, entry.reason) == (key.scope, f"a{text}", f"r{text}")
    assert set(store.controls().by_scope) == {("month", key.scope)}
    assert amounts(store, row(f"{text}.")) == (0, 0)


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_any_id_and_record_key_is_told_from_others(store: Store, text: str) -> None:
    one, other = f"1{text}", f"2{text}"
    for hold_id in (one, other):
        reserve(store, hold_id, Want(row(), 5))
    assert store.renew([one], expires_ns=LATER + 1) == {one}
    assert len(settle(store, one, post(row(), 1), hold=one)) == 1
    assert settle(store, one, post(row(), 1)) == []
    assert len(settle(store, other, post(row(), 1))) == 1
    assert amounts(store, row()) == (2, 5)
    [lost] = store.sweep(now_ns=LATER, charge=())
    assert lost.hold_id == other or len(text) > 200  # long ids come back as their digests
    store.void(one, now_ns=NOW)
    assert amounts(store, row()) == (1, 0)


@pytest.mark.parametrize("amount", [2**62 + 1, 2**63, 2**64, 10**30])
def test_there_is_never_room_for_more_than_can_be_kept(store: Store, amount: int) -> None:
    assert isinstance(reserve(store, "h", Want(row(), amount)), Refused)
    assert isinstance(reserve(store, "h", Want(row(), 1, NO_CAP)), Reserved)


@pytest.mark.parametrize("amount", [2**62, 2**63, 10**30])
def test_spending_more_than_can_be_kept_fills_the_row_for_good(store: Store, amount: int) -> None:
    for number in range(3):
        settle(
            store, f"k{number}", post(row(), amount, limit=amount, thresholds=(1_000_000,), pause_at_nano=amount - 1)
        )
    assert state(store, row()).spent_nano >= LARGEST
    assert isinstance(reserve(store, "h", Want(row(), 2, NO_CAP)), Refused)
    settle(store, "down", post(row("b"), -amount))
    assert state(store, row("b")).spent_nano <= -LARGEST


def test_a_cap_that_is_passed_already_or_negative_refuses(store: Store) -> None:
    settle(store, "k", post(row(), 50))
    for cap in (49, 0, -1, -(10**30)):
        assert isinstance(reserve(store, "h", Want(row(), 1, cap)), Refused)
    assert isinstance(reserve(store, "h", Want(row(), 1, 10**30)), Reserved)


@pytest.mark.parametrize("ends_ns", [2**62 + 1, 2**63, 2**64, 10**30])
def test_a_period_that_ends_beyond_all_clocks_is_one_like_others(store: Store, ends_ns: int) -> None:
    assert isinstance(reserve(store, "h", Want(row("a"), 5, 10, ends_ns)), Reserved)
    assert len(settle(store, "k", post(row("b"), 7, ends_ns=ends_ns))) == 1
    assert amounts(store, row("a")) == (0, 5)
    assert amounts(store, row("b")) == (7, 0)
