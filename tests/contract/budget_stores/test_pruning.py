"""Rows that no call can count against any more are forgotten, with all that hangs on them."""

from __future__ import annotations

from otel_cost.budgets.stores import Store, open_store
from otel_cost.budgets.stores.base import Want
from tests.contract.budget_stores.conftest import ANSWER_S
from tests.contract.budget_stores.making import DAY, LATER, NOW, amounts, post, reserve, row, settle

ENDED = row("ended")
SESSION = row("s", label="session", period="")
TOTAL = row("t", period="")
AFTER = NOW + 7 * DAY + 1


def _opened(url: str) -> Store:
    return open_store(url, timeout_s=ANSWER_S)


def test_rows_go_a_week_after_their_end_with_their_postings_and_lost_holds(shared_url: str) -> None:
    store = _opened(shared_url)
    reserve(store, "h", Want(ENDED, 5, ends_ns=NOW))
    settle(store, "k", post(ENDED, 1, ends_ns=NOW))
    settle(store, "k2", post(row(), 1, ends_ns=AFTER))
    store.sweep(now_ns=LATER, charge=())
    assert len(store.lost()) == 1
    store.sweep(now_ns=LATER + 8 * DAY, charge=())
    assert [found.row for found in store.rows("month")] == [row()]
    assert store.lost() == []
    assert settle(store, "k", post(ENDED, 1, ends_ns=NOW)) != []  # its posting was forgotten too
    store.close()


def test_a_row_that_has_something_reserved_stays(shared_url: str) -> None:
    store = _opened(shared_url)
    reserve(store, "h", Want(ENDED, 5, ends_ns=NOW), expires_ns=NOW + 30 * DAY)
    store.sweep(now_ns=NOW + 8 * DAY, charge=())
    assert amounts(store, ENDED) == (0, 5)
    store.close()


def test_sessions_go_when_unused_for_long_and_totals_never(shared_url: str) -> None:
    store = _opened(shared_url)
    settle(store, "k1", post(SESSION, 1))
    settle(store, "k2", post(TOTAL, 1))
    store.sweep(now_ns=NOW + 89 * DAY, charge=())
    assert amounts(store, SESSION) == (1, 0)
    store.sweep(now_ns=NOW + 91 * DAY, charge=())
    assert (amounts(store, SESSION), amounts(store, TOTAL)) == ((0, 0), (1, 0))
    store.close()
