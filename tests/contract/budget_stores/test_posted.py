"""What is posted can be looked at, so that a store can be compared with the book and rebuilt from it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.rebuilding import Rebuilding
from otel_cost.budgets.spec import budget_of
from otel_cost.budgets.stores import Store
from otel_cost.budgets.stores.base import OpenStore, Posted, Settlement
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import NANO
from tests.contract.budget_stores.making import LATER, NOW, post, row, settle
from tests.contract.ledger.books import priced, record


@pytest.fixture
def opened(store: Store) -> OpenStore:
    if not isinstance(store, OpenStore):
        pytest.skip("postings cannot be looked at from here")
    return store


def test_what_is_posted_is_found_by_its_keys(opened: OpenStore) -> None:
    settle(opened, "a", post(row(), 5), post(row("support"), 7))
    settle(opened, "b", post(row(), 9), now_ns=LATER)
    found = {one.record_key: one for one in opened.posted(["a", "b", "never"])}
    assert found == {
        "a": Posted("a", {row(): 5, row("support"): 7}, NOW),
        "b": Posted("b", {row(): 9}, LATER),
    }


def test_all_that_is_posted_is_found_page_by_page(opened: OpenStore) -> None:
    hostile = ["\\", "a\\b", "%", "'", "~" * 200, "zß\N{SNOWMAN}"]
    keys = [f"k{number:03}" for number in range(20)] + hostile
    for key in keys:
        settle(opened, key, post(row(), 1), post(row("support"), 2))
    found: list[str] = []
    after = ""
    while page := opened.posted_after(after, limit=7):
        assert all(one.amounts == {row(): 1, row("support"): 2} for one in page)
        found += [one.record_key for one in page]
        after = page[-1].record_key
    assert sorted(found) == sorted(keys)


def test_what_was_set_right_or_taken_back_is_seen(opened: OpenStore) -> None:
    for key in ("a", "b"):
        settle(opened, key, post(row(), 5))
    opened.correct([Settlement("a", (post(row("support"), 6),))], now_ns=LATER)
    opened.void("b", now_ns=LATER)
    found = {one.record_key: one for one in opened.posted(["a", "b"])}
    assert found["a"] == Posted("a", {row("support"): 6}, LATER)
    assert not any(found["b"].amounts.values())


def test_a_store_that_lost_everything_is_rebuilt(opened: OpenStore) -> None:
    settings = BudgetSettings("month", Decimal(1), per=("team",), action="block")
    budgets = Budgets([budget_of(settings)], on_event=None, store=opened, clock_ns=lambda: NOW)
    calls = [
        replace(record(number, priced(number * NANO), team=team), start_ns=NOW - number)
        for number, team in enumerate(["search", "support", "it's \N{SNOWMAN}"] * 4, 1)
    ]
    with open_ledger("sqlite://") as ledger:
        ledger.write(calls, booked_at_ns=NOW)
        rebuilding = Rebuilding(budgets.budgets, opened, ledger, now_ns=NOW, page=5)
        assert rebuilding.compare().wrong == 12
        assert rebuilding.rebuild().agrees
        assert rebuilding.compare().wrong == 0
    teams = {state.row.scope[0][1]: state.spent_nano // NANO for state in budgets.states()}
    assert teams == {"search": 22, "support": 26, "it's \N{SNOWMAN}": 30}
    assert all(state.ends_ns is not None for state in budgets.states())
    budgets.close()


def test_what_was_voided_is_posted_again_when_set_right_and_counts_as_one_change(opened: OpenStore) -> None:
    settle(opened, "a", post(row(), 5))
    opened.void("a", now_ns=NOW)
    assert opened.correct([Settlement("a", (post(row(), 5),))], now_ns=LATER) == 1
    assert opened.correct([Settlement("a", (post(row(), 5),))], now_ns=LATER) == 0
    assert opened.read([row()])[0].spent_nano == 5
    assert opened.rows("") == []
