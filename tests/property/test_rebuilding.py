"""The store of budgets, rebuilt from random books, is what settling live would have made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_cost.budget_settings import BudgetOverride, BudgetSettings
from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.rebuilding import RECENT_NS, Comparison, Rebuilding
from otel_cost.budgets.spec import RowKey, budget_of
from otel_cost.budgets.stores.base import RowState
from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.ledger import Correction, Ledger
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import NANO, CostRecord, Reason, Void
from tests.contract.ledger.books import priced, record, settled_elsewhere, unpriced

MINUTE = 60 * NANO
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 1_793_504_700 * NANO
"""1 November 2026, 03:45 UTC: three hours into a month there; in Chicago it is still October, and clocks go back."""
Amounts = dict[RowKey, int]
a_book_each = settings(max_examples=25, deadline=None)


def budget(name: str, **said: object) -> BudgetSettings:
    return BudgetSettings(**{"name": name, "amount_usd": Decimal("0.00001"), **said})  # type: ignore[arg-type]


EVERY_KIND = (
    budget("all-month", carry_over=True, starts="2026-01-01"),
    budget("team-day", period="day", per=("team",), timezone="America/Chicago", action="block",
           overrides={"search": BudgetOverride(Decimal(0))}),
    budget("hours", period="hour", unpriced={"assume": Decimal("0.000001")}, action="pause"),
    budget("sessions", period="session", match={"team": "search"}),
    budget("traces", period="trace"),
    budget("ever", period="total", per=("scope", "layer", "model")),
    budget("weeks", period="week", ends="2026-10-31T12:00:00Z", starts="2026-10-28"),
)  # fmt: skip

ago = st.integers(0, 40 * DAY) | st.sampled_from([0, 3 * HOUR, 4 * HOUR, 46 * MINUTE, 31 * DAY]) | st.integers(0, DAY)
charges = st.integers(1, 5000).map(priced) | st.just(unpriced()) | st.just(settled_elsewhere())


@st.composite
def books(draw: st.DrawFn) -> list[CostRecord]:
    return [
        replace(
            record(number, draw(charges)),
            start_ns=NOW - draw(ago),
            # Fields of the book have these names too: as labels they are something else.
            labels=draw(st.dictionaries(st.sampled_from(["team", "session", "scope", "layer", "model"]),
                                        st.sampled_from(["search", "support", ""]))),
        )
        for number in range(draw(st.integers(0, 25)))
    ]  # fmt: skip


def live(records: Sequence[CostRecord], voids: Sequence[Void] = ()) -> Budgets:
    """Budgets whose calls were settled as they ended."""
    made = Budgets([budget_of(one) for one in EVERY_KIND], on_event=lambda _event: None, clock_ns=lambda: NOW)
    for one in records:
        made.take(one)
    for void in voids:
        made.void(void)
    return made


@contextmanager
def book(records: Sequence[CostRecord]) -> Iterator[Ledger]:
    with open_ledger("sqlite://") as ledger:
        ledger.write(records, booked_at_ns=NOW)
        yield ledger


def rebuilding(of: Budgets, store: MemoryStore, ledger: Ledger, page: int = 3) -> Rebuilding:
    return Rebuilding(of.budgets, store, ledger, now_ns=NOW, page=page)


def spent(of: Budgets, store: MemoryStore) -> Amounts:
    """Rows of present periods, and those that something is carried over from."""
    found: Amounts = {}
    for name, one in of.budgets.items():
        for row in store.rows(name):
            facts = {**dict(row.row.scope), **one.match}
            if row.row in (one.row(facts, NOW), one.row_before(facts, NOW) if one.carry_over else None):
                found[row.row] = row.spent_nano
    return {row: nano for row, nano in found.items() if nano}


@given(books())
@a_book_each
def test_an_empty_store_becomes_what_settling_live_made(records: list[CostRecord]) -> None:
    records = recent(records)
    settled, empty = live(records), MemoryStore()
    with book(records) as ledger:
        done = rebuilding(settled, empty, ledger).rebuild()
        assert done.agrees
        assert spent(settled, empty) == spent(settled, memory(settled))
        assert rebuilding(settled, empty, ledger).rebuild().wrong == 0


@given(books())
@a_book_each
def test_what_was_settled_live_agrees_and_is_left_alone(records: list[CostRecord]) -> None:
    settled = live(records)
    before = states(settled)
    with book(records) as ledger:
        for found in (rebuilding(settled, memory(settled), ledger).compare(), rebuild(settled, ledger)):
            assert (found.agrees, found.wrong, found.strays, found.waiting) == (True, 0, 0, 0)
    assert states(settled) == before


@given(books())
@a_book_each
def test_corrections_and_voids_of_the_book_are_followed(records: list[CostRecord]) -> None:
    records = recent(records)
    settled = live(records)
    with book(records) as ledger:
        standing = ledger.standing(0, MAX_STORED)
        ledger.correct([Correction(one.key, one.sequence, priced(7)) for one in standing[::2]], booked_at_ns=NOW)
        voids = [Void(one.key, Reason.SAME_CALL, "") for one in standing[1::3]]
        ledger.write([], voids, booked_at_ns=NOW)
        rebuild(settled, ledger)
        voided = {void.key for void in voids}
        corrected = {one.key for one in standing[::2]} - voided
        as_booked = live([replace(one, charge=priced(7)) if one.key in corrected else one for one in records], voids)
        assert spent(settled, memory(settled)) == spent(settled, memory(as_booked))
        again_found = rebuild(settled, ledger)
        assert (again_found.wrong, again_found.agrees) == (0, True)


def recent(records: Sequence[CostRecord]) -> list[CostRecord]:
    """Calls whose sessions and traces are made again where the store has forgotten them."""
    return [one for one in records if one.start_ns >= NOW - RECENT_NS]


def memory(of: Budgets) -> MemoryStore:
    assert isinstance(of.store, MemoryStore)
    return of.store


def states(of: Budgets) -> list[RowState]:
    return [row for name in of.budgets for row in of.store.rows(name)]


def rebuild(of: Budgets, ledger: Ledger) -> Comparison:
    return rebuilding(of, memory(of), ledger).rebuild()
