"""What servers do from time to time (FEATURES E8): once across all that share a book, again when it failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from otel_cost import shield
from otel_cost.book_settings import ServerSettings
from otel_cost.budgets.stores import MemoryStore
from otel_cost.config import Config
from otel_cost.errors import LedgerError
from otel_cost.ledger.schema import DAY_NS, SUMS, rollups_15min, rollups_day
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.server import chores
from otel_cost.server.budgets import BudgetKeeping
from otel_cost.server.jobs import Job, Scheduler
from tests.contract.ledger.books import NOON, record, total
from tests.support import waiting
from tests.support.postgres import Postgres, postgres_server

MINUTE = 60 * 10**9


class Clock:
    def __init__(self, now_ns: int = NOON) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as opened:
        yield opened


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


def _scheduler(ledger: SqlLedger, clock: Clock, *jobs: Job, name: str = "jobs") -> Scheduler:
    return Scheduler(jobs, ledger=ledger, lock=ledger.lock(name), clock=clock, jitter=lambda: 1.0)


def test_a_job_runs_at_once_and_then_at_its_interval(ledger: SqlLedger, clock: Clock) -> None:
    runs: list[int] = []
    scheduler = _scheduler(ledger, clock, Job("count", 600, lambda: f"run {len(runs) + 1}{runs.append(1) or ''}"))
    assert scheduler.run_due() > 0
    scheduler.run_due()
    assert len(runs) == 1
    clock.now_ns += 600 * 10**9
    scheduler.run_due()
    assert len(runs) == 2
    last = scheduler.last_runs["count"]
    assert (last.started_ns, last.failures, last.outcome) == (clock.now_ns, 0, "run 2")


def test_a_server_that_starts_goes_on_where_the_last_one_stopped(ledger: SqlLedger, clock: Clock) -> None:
    runs: list[str] = []
    _scheduler(ledger, clock, Job("daily", 86_400, lambda: runs.append("first") or "")).run_due()
    clock.now_ns += 3600 * 10**9
    again = _scheduler(ledger, clock, Job("daily", 86_400, lambda: runs.append("second") or ""))
    again.run_due()
    assert runs == ["first"]
    assert again.last_runs["daily"].finished_ns == NOON
    clock.now_ns = NOON + DAY_NS
    again.run_due()
    assert runs == ["first", "second"]


def test_a_job_that_fails_is_tried_again_sooner_and_the_others_run(ledger: SqlLedger, clock: Clock) -> None:
    tries: list[int] = []

    def fail() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise LedgerError("postgresql://secret@host cannot be read")
        return "done"

    runs: list[int] = []
    scheduler = _scheduler(ledger, clock, Job("fails", 86_400, fail), Job("other", 60, lambda: runs.append(1) or ""))
    scheduler.run_due()
    failed = scheduler.last_runs["fails"]
    assert (failed.failures, "secret" in failed.outcome, len(runs)) == (1, False, 1)
    clock.now_ns += MINUTE
    scheduler.run_due()
    assert scheduler.last_runs["fails"].failures == 2
    clock.now_ns += MINUTE
    scheduler.run_due()
    assert len(tries) == 2, "it waits longer each time"
    clock.now_ns += MINUTE
    scheduler.run_due()
    assert (scheduler.last_runs["fails"].failures, scheduler.last_runs["fails"].outcome) == (0, "done")
    counts = scheduler.counts["fails"]
    assert (counts.runs, counts.failures) == (3, 2)


def test_a_fault_in_a_job_does_not_end_the_others(
    ledger: SqlLedger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def fault() -> str:
        raise ZeroDivisionError

    shield.set_strict(False)
    try:
        runs: list[int] = []
        scheduler = _scheduler(ledger, clock, Job("faulty", 60, fault), Job("other", 60, lambda: runs.append(1) or ""))
        scheduler.run_due()
    finally:
        shield.set_strict(True)
    assert runs == [1]
    assert scheduler.last_runs["faulty"].failures == 1
    assert "job faulty" in caplog.text


def test_it_runs_in_the_background_until_it_is_stopped(ledger: SqlLedger) -> None:
    clock = Clock()
    runs: list[int] = []

    def run() -> str:
        runs.append(1)
        clock.now_ns += 10**9
        return ""

    scheduler = _scheduler(ledger, clock, Job("quick", 0.5, run, quick=True))
    scheduler.start()
    waiting.until(lambda: len(runs) > 2, "some runs")
    scheduler.stop()
    stopped_at = len(runs)
    scheduler.stop()
    assert len(runs) == stopped_at


@pytest.mark.postgres
def test_of_several_servers_one_runs_it_and_another_one_takes_over(postgres: Postgres) -> None:
    postgres.run("CREATE DATABASE once")
    clock, runs = Clock(), list[str]()
    with open_ledger(postgres.url("once")) as one, open_ledger(postgres.url("once")) as two:
        first = _scheduler(one, clock, Job("once", 60, lambda: runs.append("first") or ""))
        second = _scheduler(two, clock, Job("once", 60, lambda: runs.append("second") or ""))
        for _ in range(3):
            first.run_due()
            second.run_due()
            clock.now_ns += MINUTE
        assert runs == ["first"] * 3
        assert second.last_runs["once"].started_ns == clock.now_ns - MINUTE, "what the other one did is seen"
        first.stop()
        waiting.until(lambda: second.run_due() and runs[-1] == "second", "the lock to be free")
        assert runs == ["first"] * 3 + ["second"]
        second.stop()


@pytest.mark.postgres
def test_who_loses_the_connection_loses_the_lock(postgres: Postgres) -> None:
    postgres.run("CREATE DATABASE lost")
    with open_ledger(postgres.url("lost")) as one, open_ledger(postgres.url("lost")) as two:
        first, second = one.lock("it"), two.lock("it")
        assert (first.held(), second.held(), first.held()) == (True, False, True)
        postgres.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        waiting.until(second.held, "the lock to be free")
        assert not first.held()
        first.release()
        second.release()


@pytest.mark.postgres
def test_rows_of_several_writers_become_one_and_nothing_else_changes(postgres: Postgres) -> None:
    postgres.run("CREATE DATABASE folded")
    clock = Clock(NOON + 5 * DAY_NS)
    with open_ledger(postgres.url("folded")) as one, open_ledger(postgres.url("folded")) as two:
        for ledger, numbers in ((one, range(20)), (two, range(20, 40))):
            ledger.write([record(number) for number in numbers], booked_at_ns=NOON)
        recent = [record(10**6 + number) for number in range(2)]  # eleven days later: nobody's past yet
        one.write(recent[:1], booked_at_ns=NOON)
        two.write(recent[1:], booked_at_ns=NOON)
        before = _rows(one)
        scheduler = chores.housekeeping(one, _no_budgets(clock), ServerSettings(), clock)
        scheduler.run_due()
        assert "folded" in scheduler.last_runs["compaction"].outcome
        after = _rows(one)
        assert len(after) < len(before)
        assert [sum(column) for column in zip(*(row[3:] for row in after), strict=True)] == [
            sum(column) for column in zip(*(row[3:] for row in before), strict=True)
        ]
        old = [row for row in after if row[0] < NOON + DAY_NS]
        assert {row[2] for row in old} == {""}
        assert len({row[2] for row in after if row[0] > NOON + DAY_NS}) == 2
        assert total(one).calls == 42
        # What is booked into the past later on stands beside it, and is folded by the next run.
        two.write([record(50)], booked_at_ns=NOON)
        clock.now_ns += 2 * 3600 * 10**9
        scheduler.run_due()
        assert {row[2] for row in _rows(one) if row[0] < NOON + DAY_NS} == {""}
        assert total(one).calls == 43
        scheduler.stop()


def _rows(ledger: SqlLedger) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    with ledger.beside() as connection:
        for table in (rollups_15min, rollups_day):
            columns = (table.c.start_ns, table.c.dims_id, table.c.writer, table.c.operations)
            statement = select(*columns, *(table.c[name] for name in SUMS))
            found += [tuple(row) for row in connection.execute(statement)]
    return found


def _no_budgets(clock: Clock) -> BudgetKeeping:
    return BudgetKeeping(Config(), MemoryStore(), clock)


def test_sums_of_yesterday_that_are_wrong_are_made_anew(
    ledger: SqlLedger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.write([record(number) for number in range(20)], booked_at_ns=NOON)
    right = total(ledger)
    with ledger.transaction() as connection:
        connection.execute(update(rollups_15min).values(amount_nano=rollups_15min.c.amount_nano + 1))
        connection.execute(update(rollups_day).values(amount_nano=rollups_day.c.amount_nano + 1))
    clock.now_ns = NOON + DAY_NS
    scheduler = chores.housekeeping(ledger, _no_budgets(clock), ServerSettings(), clock)
    scheduler.run_due()
    assert "made anew" in scheduler.last_runs["sums"].outcome
    assert "not what its entries say" in caplog.text
    assert total(ledger) == right
    clock.now_ns += DAY_NS // 2
    assert "retention" not in scheduler.last_runs


def test_retention_removes_old_calls_and_keeps_their_sums(ledger: SqlLedger, clock: Clock) -> None:
    """FEATURES C14."""
    ledger.write([record(0), record(9 * 86_400)], booked_at_ns=NOON)
    clock.now_ns = NOON + 10 * DAY_NS
    scheduler = chores.housekeeping(ledger, _no_budgets(clock), ServerSettings(retention="5d"), clock)
    scheduler.run_due()
    assert scheduler.last_runs["retention"].outcome == "1 calls removed, their sums stay"
    assert ledger.booked([record(0).key, record(9 * 86_400).key]) == {record(9 * 86_400).key: True}
    assert total(ledger).calls == 2
