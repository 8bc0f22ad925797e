"""What PostgreSQL's store says when its server is away, silent or killed, and that it goes on when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from otel_cost.budgets.stores import Store, open_store
from otel_cost.budgets.stores.base import Reserved, Want
from otel_cost.budgets.stores.postgres import open_postgres
from otel_cost.errors import BudgetStoreBusy, BudgetStoreUnavailable
from tests.contract.budget_stores.conftest import ANSWER_S
from tests.contract.budget_stores.making import amounts, change, post, reserve, row, settle
from tests.support import waiting
from tests.support.ports import free_ports
from tests.support.postgres import Postgres, postgres_server

pytestmark = pytest.mark.postgres

FAR_TOO_LONG_S = 15.0
"""Beyond what a call may take when nobody answers, and below what a driver would wait by itself."""


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server that a test may do anything to."""
    with postgres_server() as own:
        yield own


def _until_back(store: Store) -> None:
    def back() -> bool:
        try:
            store.controls()
        except BudgetStoreUnavailable:
            return False
        return True

    waiting.until(back, "the store to recover by itself")


def _refused(store: Store) -> float:
    started = time.monotonic()
    with pytest.raises(BudgetStoreUnavailable):
        reserve(store, "h", Want(row(), 1))
    return time.monotonic() - started


def test_a_server_that_is_not_there_is_an_outage_and_found_when_it_comes() -> None:
    [port] = free_ports(1)
    store = open_postgres(f"postgresql://otel:secret@127.0.0.1:{port}/postgres")
    with pytest.raises(BudgetStoreUnavailable) as caught:
        store.controls()
    assert "secret" not in str(caught.value)
    with postgres_server() as server:
        server.stop()
        server.port = port
        server.start()
        _until_back(store)
        store.close()


def test_a_stopped_server_is_an_outage_and_what_was_written_is_there_after_it(server: Postgres) -> None:
    store = open_store(server.url(), timeout_s=ANSWER_S)
    settle(store, "k", post(row(), 5))
    server.stop()
    _refused(store)
    server.start()
    _until_back(store)
    assert amounts(store, row()) == (5, 0)
    store.close()


def test_a_restarted_server_is_not_even_noticed(server: Postgres) -> None:
    store = open_store(server.url(), timeout_s=ANSWER_S)
    settle(store, "k", post(row(), 5))
    server.stop()
    server.start()
    assert amounts(store, row()) == (5, 0)
    store.close()


def test_a_server_that_never_answers_is_an_outage_soon_and_for_all_callers(server: Postgres) -> None:
    store = open_postgres(server.url(), timeout_s=1.0)
    settle(store, "k", post(row(), 5))
    server.freeze()
    took: list[float] = []
    callers = [threading.Thread(target=lambda: took.append(_refused(store))) for _ in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(took) == 12
    assert max(took) < FAR_TOO_LONG_S
    server.thaw()
    _until_back(store)
    assert isinstance(reserve(store, "h2", Want(row(), 1)), Reserved)
    store.close()


def test_while_nobody_answers_nothing_is_asked_again_at_once(server: Postgres) -> None:
    store = open_postgres(server.url(), timeout_s=0.5)
    server.freeze()
    _refused(store)
    before = threading.active_count()
    for _ in range(100):
        _refused(store)
    assert threading.active_count() <= before + 1
    server.thaw()
    store.close()


def test_a_server_killed_in_mid_transaction_leaves_nothing_of_it(server: Postgres) -> None:
    store = open_store(server.url(), timeout_s=ANSWER_S)
    settle(store, "k", post(row("a"), 5))
    other = psycopg.connect(server.url())
    other.execute("SELECT 1 FROM budget_rows FOR UPDATE")
    caught: list[Exception] = []

    def call() -> None:
        try:
            settle(store, "k2", post(row("a"), 7))
        except BudgetStoreUnavailable as error:
            caught.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    waiting.until(lambda: _waiting_for_a_lock(server), "the settlement to wait for the row")
    server.kill()
    caller.join()
    other.close()
    assert len(caught) == 1
    server.start()
    _until_back(store)
    assert amounts(store, row("a")) == (5, 0)
    assert len(settle(store, "k2", post(row("a"), 7))) == 1
    store.close()


def _waiting_for_a_lock(server: Postgres) -> bool:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
    return found is not None


def test_a_row_that_another_holds_locked_is_contention_and_no_outage(server: Postgres) -> None:
    store = open_postgres(server.url(), timeout_s=2.0, busy_s=0.1)
    settle(store, "k", post(row(), 5))
    with psycopg.connect(server.url()) as other:
        other.execute("SELECT 1 FROM budget_rows FOR UPDATE")
        with pytest.raises(BudgetStoreBusy):
            reserve(store, "h", Want(row(), 1))
        with pytest.raises(BudgetStoreBusy):
            settle(store, "k2", post(row(), 1))
        assert amounts(store, row()) == (5, 0)
        other.rollback()
    assert isinstance(reserve(store, "h", Want(row(), 1)), Reserved)
    store.close()


def test_settling_and_voiding_a_key_at_once_never_leaves_it_posted(postgres: Postgres, shared_url: str) -> None:
    store, other = (open_store(shared_url, timeout_s=ANSWER_S) for _ in range(2))
    for number in range(50):
        key = f"k{number}"
        voiding = threading.Thread(target=lambda key=key: other.void(key, now_ns=1))
        voiding.start()
        settle(store, key, post(row(), 1))
        voiding.join()
    assert amounts(store, row()) == (0, 0)
    store.change(change("pause"), now_ns=1)
    assert other.controls().version == 1
    store.close()
    other.close()


def test_a_standby_is_an_outage_until_the_primary_is_back(server: Postgres) -> None:
    """After a failover that the server's name has not followed yet, or where it leads to a replica."""
    store = open_store(server.url(), timeout_s=ANSWER_S)
    assert isinstance(reserve(store, "h", Want(row(), 5)), Reserved)
    server.run("CHECKPOINT")
    server.stop()
    standby = server.directory / "data" / "standby.signal"
    standby.touch()
    server.start()
    _refused(store)
    _refused(store)
    with pytest.raises(BudgetStoreUnavailable):
        settle(store, "k", post(row(), 3), hold="h")
    assert amounts(store, row()) == (0, 5)
    server.run("SELECT pg_promote()")
    _until_back(store)
    waiting.until(lambda: _settles(store), "the store to be written again")
    assert amounts(store, row()) == (3, 0)
    store.close()


def _settles(store: Store) -> bool:
    try:
        settle(store, "k", post(row(), 3), hold="h")
    except BudgetStoreUnavailable:
        return False
    return True
