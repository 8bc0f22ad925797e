"""What it takes to reserve before a call and settle after it, in each store of budgets.

``python -m tests.benchmarks.bench_budget_stores`` prints p50 and p99 of one reserve and one settle together, beside the
barest thing that a driver can do twice: a transaction that changes one row. It fails (exit code 1) past the targets, a
p50 of 0.5 ms on SQLite and 3 ms on PostgreSQL over loopback. Of the two only the reservation is waited for by a call.
PostgreSQL runs once as is its default, where each settlement waits for the disk, and once without, which is what is
ours. A check is what the budgets take of a call as a whole, for an amount that is given: 20 µs where decisions are
cached, 10 ms where they are not.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import psycopg

from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets import Budgets
from otel_cost.budgets.spec import RowKey, budget_of
from otel_cost.budgets.stores import Store, open_store
from otel_cost.budgets.stores.base import Post, Settlement, Want
from tests.benchmarks.reporting import Row, report
from tests.support.postgres import find_binaries, postgres_server

CALLS = 1_000
KEY = RowKey("month", (("team", "search"),), "2027-01")
NOW = 1_800_000_000 * 10**9


def milliseconds(work: Callable[[int], object]) -> list[float]:
    """How long each of ``CALLS`` took, ascending, after a tenth as many to warm up."""
    took = []
    for number in range(-CALLS // 10, CALLS):
        started = time.perf_counter()
        work(number)
        if number >= 0:
            took.append((time.perf_counter() - started) * 1e3)
    return sorted(took)


class Calls:
    """Reserves and settles one call after the other; ``reserving`` is how long each reservation took, in ms."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reserving: list[float] = []

    def one(self, number: int) -> None:
        name = f"call-{number}"
        started = time.perf_counter()
        self._store.reserve(name, [Want(KEY, 100, 10**15)], version=0, now_ns=NOW, expires_ns=NOW + 10**12)
        self.reserving.append((time.perf_counter() - started) * 1e3)
        posts = (Post(KEY, 70, 10**15, (800_000, 950_000, 1_000_000)),)
        self._store.settle([Settlement(name, posts, name)], version=0, now_ns=NOW)


def bare_sqlite(path: Path) -> list[float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE bare (amount INTEGER)")
    connection.execute("INSERT INTO bare VALUES (0)")

    def work(_: int) -> None:
        for _ in range(2):
            connection.execute("UPDATE bare SET amount = amount + 1")

    took = milliseconds(work)
    connection.close()
    return took


def bare_postgres(url: str) -> list[float]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (amount BIGINT)")
        connection.execute("INSERT INTO bare VALUES (0)")

        def work(_: int) -> None:
            for _ in range(2):
                connection.execute("UPDATE bare SET amount = amount + 1")

        return milliseconds(work)


def rows(name: str, store: Store, bare: list[float] | None, at_most: float | None) -> Iterator[Row]:
    calls = Calls(store)
    took = milliseconds(calls.one)
    store.close()
    p99 = int(CALLS * 0.99)
    without = (None, None) if bare is None else (statistics.median(bare), bare[p99])
    yield Row(f"{name}: reserve + settle, p50", statistics.median(took), "ms", at_most=at_most, beside=without[0])
    yield Row(f"{name}: reserve alone, p50", statistics.median(calls.reserving), "ms")
    yield Row(f"{name}: reserve + settle, p99", took[p99], "ms", beside=without[1])


def checks(url: str) -> Iterator[Row]:
    """What a call that may be made waits for its budgets: where decisions are kept for a while, and where not."""
    budget = budget_of(BudgetSettings("month", Decimal(1000), per=("team",), action="block"))
    facts = {"team": "search"}
    for cached, at_most in ((True, 20.0), (False, 10_000.0)):
        cache_s = 3600.0 if cached else 0.0
        budgets = Budgets([budget], on_event=None, store=open_store(url), cache_s=cache_s)

        def one(_: int, budgets: Budgets = budgets) -> None:
            budgets.reserve(facts, 1000).release()

        took = milliseconds(one)
        budgets.close()
        how = "cached" if cached else "not cached"
        yield Row(f"SQLite: a check, {how}, p50", statistics.median(took) * 1e3, "µs", at_most)


def main() -> int:
    found = list(rows("memory", open_store("memory:"), None, None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "budgets.db"
        found += checks(f"sqlite:///{Path(folder) / 'checks.db'}")
        found += rows("SQLite", open_store(f"sqlite:///{path}"), bare_sqlite(Path(folder) / "bare.db"), 0.5)
    if find_binaries() is None:
        print("no PostgreSQL server here: left out")
    else:
        for name, durable in (("PostgreSQL", True), ("PostgreSQL without its disk", False)):
            with postgres_server(durable=durable) as server:
                bare = bare_postgres(server.url())
                found += rows(name, open_store(server.url(), timeout_s=5.0), bare, 3.0)
    return report("Stores of budgets: one call's two transactions, beside two bare ones", found)


if __name__ == "__main__":
    sys.exit(main())
