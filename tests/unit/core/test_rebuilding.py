"""What is particular about comparing the store of budgets with the book; that it is right: tests/property."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.rebuilding import Comparison, Rebuilding
from otel_cost.budgets.spec import RowKey, budget_of
from otel_cost.budgets.stores.base import Post, Settlement, Want
from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.model import NANO, Charge, CostRecord, Kind, Reason, Status, Void
from tests.contract.ledger.books import priced, record

MINUTE = 60 * NANO
HOUR = 60 * MINUTE
NOW = 1_793_504_700 * NANO
"""1 November 2026, 03:45 UTC."""
MONTH = RowKey("month", (), "2026-11-01T00:00:00+00:00")
OCTOBER = RowKey("month", (), "2026-10-01T00:00:00+00:00")


@pytest.fixture
def book() -> Iterator[SqlLedger]:
    with open_ledger("sqlite://") as ledger:
        yield ledger


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def budgets(store: MemoryStore, clock_ns: int = NOW, **said: object) -> Budgets:
    settings = BudgetSettings(**{"name": "month", "amount_usd": Decimal(1), **said})  # type: ignore[arg-type]
    return Budgets([budget_of(settings)], on_event=None, store=store, clock_ns=lambda: clock_ns)


def call(number: int, nano: int, ago_ns: int = HOUR) -> CostRecord:
    return replace(record(number, priced(nano)), start_ns=NOW - ago_ns)


def compared(of: Budgets, book: SqlLedger, *, rebuild: bool = False, prune: bool = False) -> Comparison:
    assert isinstance(of.store, MemoryStore)
    rebuilding = Rebuilding(of.budgets, of.store, book, now_ns=NOW, page=2)
    return rebuilding.rebuild(prune=prune) if rebuild else rebuilding.compare()


def spent(store: MemoryStore, row: RowKey = MONTH) -> int:
    return store.read([row])[0].spent_nano


def test_a_record_on_its_way_to_the_book_stays(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store, NOW - 59 * MINUTE)
    made.take(call(1, 70))
    found = compared(made, book, rebuild=True, prune=True)
    assert (found.waiting, found.strays, found.agrees) == (1, 0, True)
    assert spent(store) == 70


def test_what_only_the_store_has_is_reported_and_taken_away_when_asked(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store, NOW - 61 * MINUTE)
    made.take(call(1, 70, 2 * HOUR))
    for rebuild in (False, True):
        found = compared(made, book, rebuild=rebuild)
        assert (found.strays, found.agrees, found.rows[MONTH].stray_nano) == (1, False, 70)
        assert (found.rows[MONTH].difference_nano, spent(store)) == (70, 70)
    assert compared(made, book, rebuild=True, prune=True).agrees
    assert spent(store) == 0
    assert compared(made, book).strays == 0


def test_comparing_changes_nothing(store: MemoryStore, book: SqlLedger) -> None:
    book.write([call(1, 70)], booked_at_ns=NOW)
    found = compared(budgets(store), book)
    assert (found.calls, found.wrong, found.agrees, found.rows[MONTH].difference_nano) == (1, 1, False, -70)
    assert spent(store) == 0


def test_what_was_forgiven_was_spent(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store)
    book.write([call(1, 70), call(2, 30)], booked_at_ns=NOW)
    made.take(call(1, 70))
    made.reset("month", actor="ada", reason="test")
    assert compared(made, book, rebuild=True).agrees
    assert spent(store) == 30


def test_a_reset_or_a_limit_of_run_time_is_not_undone(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store, action="block")
    made.set_limit("month", amount_nano=9 * NANO, actor="ada", reason="test")
    made.pause("month", actor="ada", reason="test")
    book.write([call(1, 70)], booked_at_ns=NOW)
    before = store.controls()
    compared(made, book, rebuild=True)
    assert store.controls() == before
    assert store.alerts() == []


def test_what_lapsed_reservations_were_charged_is_no_difference(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store)
    version = store.controls().version
    store.reserve("h", [Want(MONTH, 500)], version=version, now_ns=NOW - HOUR, expires_ns=NOW - MINUTE)
    store.sweep(now_ns=NOW, charge={"month"})
    assert spent(store) == 500
    assert compared(made, book).agrees


def test_a_call_stays_in_the_period_that_it_was_reserved_in(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store)
    late = call(1, 70, 3 * HOUR + 44 * MINUTE)  # a minute into November
    book.write([late], booked_at_ns=NOW)
    store.settle([Settlement(late.key, (Post(OCTOBER, 70, NANO),))], version=0, now_ns=NOW)
    assert compared(made, book, rebuild=True).wrong == 0
    assert (spent(store, OCTOBER), spent(store)) == (70, 0)


def test_a_period_that_is_far_off_is_wrong(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store)
    book.write([call(1, 70, HOUR)], booked_at_ns=NOW)
    store.settle([Settlement(call(1, 70).key, (Post(OCTOBER, 70, NANO),))], version=0, now_ns=NOW)
    assert compared(made, book, rebuild=True).wrong == 1
    assert (spent(store, OCTOBER), spent(store)) == (0, 70)


def test_budgets_of_other_apps_are_left_alone(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store)
    other = RowKey("another-app", (), "")
    book.write([call(1, 70)], booked_at_ns=NOW)
    for number in (1, 2):
        key = call(number, 0).key
        store.settle([Settlement(key, (Post(other, 5, NANO), Post(MONTH, 5, NANO)))], version=0, now_ns=0)
    compared(made, book, rebuild=True, prune=True)
    assert (spent(store), spent(store, other)) == (70, 10)


def test_a_void_that_the_store_never_heard_of_is_followed_and_stays(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store)
    one = call(1, 70)
    made.take(one)
    book.write([one], booked_at_ns=NOW)
    book.write([], [Void(one.key, Reason.SAME_CALL, "")], booked_at_ns=NOW)
    assert compared(made, book, rebuild=True).wrong == 1
    made.take(one)  # told once more, late
    assert spent(store) == 0
    assert compared(made, book).agrees


def test_what_stands_in_the_book_stands_though_the_store_voided_it(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store)
    made.take(call(1, 70))
    made.void(Void(call(1, 70).key, Reason.SAME_CALL, ""))
    book.write([call(1, 70)], booked_at_ns=NOW)
    assert compared(made, book, rebuild=True).agrees
    assert (spent(store), compared(made, book).wrong) == (70, 0)


def test_fixed_costs_are_no_calls(store: MemoryStore, book: SqlLedger) -> None:
    fee = replace(
        record(1, Charge(Status.PRICED, amount_nano=9)), key="fee:1", trace_id="", kind=Kind.INFRASTRUCTURE,
        start_ns=NOW - HOUR,
    )  # fmt: skip
    book.write([fee], booked_at_ns=NOW)
    assert compared(budgets(store), book, rebuild=True).wrong == 0


def test_a_budget_that_was_changed_in_the_settings_is_followed(store: MemoryStore, book: SqlLedger) -> None:
    budgets(store).take(call(1, 70))
    book.write([call(1, 70)], booked_at_ns=NOW)
    by_team = budgets(store, per=("team",))
    assert compared(by_team, book, rebuild=True).agrees
    assert spent(store) == 0
    assert spent(store, RowKey("month", (("team", "search"),), MONTH.period)) == 70


def test_sessions_that_the_store_forgot_long_ago_are_not_made_again(store: MemoryStore, book: SqlLedger) -> None:
    made = budgets(store, period="trace")
    book.write([call(1, 70, 31 * 24 * HOUR), call(2, 5)], booked_at_ns=NOW)
    compared(made, book, rebuild=True)
    assert [row.spent_nano for row in store.rows("month")] == [5]
