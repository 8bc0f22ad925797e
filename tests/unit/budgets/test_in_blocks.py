"""Calls in a block that has reserved room: whose room they spend, and in which period."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from otel_cost.budgets import Hold
from otel_cost.budgets.asking import reserved_around
from otel_cost.errors import BudgetExceeded
from otel_cost.model import NANO
from tests.unit.budgets.shop import Shop, budget, shop, spent


@contextmanager
def block(at: Shop, usd: int) -> Iterator[Hold]:
    hold = at.budgets.reserve({"trace": ""}, usd * NANO)
    token = reserved_around.set(hold)
    try:
        yield hold
    finally:
        reserved_around.reset(token)
        hold.release()


def call(at: Shop, usd: int, *, up_to: int) -> None:
    hold = at.ask(output=up_to)
    record = spent(usd * NANO, at_ns=at.now_ns)
    hold.bind(record.key)
    at.budgets.take(record)
    hold.release()


@pytest.mark.parametrize("first", [4, 10, 12, 15])
def test_room_of_a_block_is_spent_once_also_by_a_call_that_needs_more_than_it_has(first: int) -> None:
    """The block has 10 of the limit of 15: the first call needs all 15, the second what the block has left."""
    at = shop(budget(amount_usd=15, action="block"))
    with block(at, 10) as around:
        call(at, first, up_to=15)
        assert around.left_nano == max(0, 10 - first) * NANO
        with pytest.raises(BudgetExceeded):
            call(at, 16 - first, up_to=16 - first)
        assert at.row()[0] == first
    assert at.row() == (first, 0)


def test_what_a_call_leaves_of_the_room_of_its_block_is_the_next_ones() -> None:
    at = shop(budget(amount_usd=15, action="block"))
    with block(at, 10):
        call(at, 4, up_to=15)
        assert at.row() == (4, 6)
        call(at, 11, up_to=11)
        assert at.row()[0] == 15
    assert at.row() == (15, 0)


def day(text: str) -> int:
    return round(datetime.fromisoformat(f"{text}T12:00+00:00").timestamp()) * NANO


def test_a_call_of_today_in_a_block_of_yesterday_is_spend_of_today() -> None:
    """Somebody else's span, which was not asked for; and a call that was, in a block that it could not draw on."""
    at = shop(budget(period="day", action="block"))
    at.now_ns = day("2026-02-05")
    with block(at, 10):
        at.now_ns = day("2026-02-06")
        at.budgets.take(spent(3 * NANO, at_ns=at.now_ns))
        call(at, 2, up_to=5)
        assert [state.spent_nano // NANO for state in at.budgets.store.rows("b")] == [0, 5]


def test_room_of_yesterday_takes_no_spend_of_today_from_a_call_that_drew_on_a_total() -> None:
    at = shop(budget(period="day", action="block"), budget("t", period="total", action="block"))
    at.now_ns = day("2026-02-05")
    with block(at, 10):
        at.now_ns = day("2026-02-06")
        call(at, 2, up_to=5)
        assert [state.spent_nano // NANO for state in at.budgets.store.rows("b")] == [0, 2]
        assert at.row("t") == (2, 8)
