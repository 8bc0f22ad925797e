"""An app's own writer over real databases that are stopped, killed, frozen and locked meanwhile (FEATURES E2, O8)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otel_cost.book_settings import LedgerSettings
from otel_cost.ledger.opening import open_ledger
from otel_cost.ledger.writer import LedgerWriter, writer_of
from tests.contract.ledger.books import record, total
from tests.support import waiting
from tests.support.postgres import Postgres, postgres_server

LONG_S = 60.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


def take(to: LedgerWriter, first: int, last: int) -> None:
    for number in range(first, last):
        to.take(record(number))


def calls_in(url: str) -> int:
    with open_ledger(url) as ledger:
        found = total(ledger)
        assert found.amount_nano == found.calls * 1000
        return found.calls


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_database_that_is_away_for_a_while_gets_everything(tmp_path: Path, postgres: Postgres, how: str) -> None:
    postgres.run(f"CREATE DATABASE book_{how}")
    url = postgres.url(f"book_{how}")
    to = writer_of(LedgerSettings(url=url, spool=tmp_path))
    take(to, 0, 120)
    assert to.flush(LONG_S)
    getattr(postgres, how)()
    take(to, 120, 300)
    assert to.flush(LONG_S) is False
    assert to.counts() == (0, 180, 120, 0, 0)
    postgres.start()
    take(to, 300, 310)
    waiting.until(lambda: to.flush(LONG_S), "all of it to be booked")
    assert to.counts() == (0, 0, 310, 0, 0)
    assert calls_in(url) == 310
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
def test_a_database_that_does_not_answer_holds_nobody_up(tmp_path: Path, postgres: Postgres) -> None:
    postgres.run("CREATE DATABASE frozen")
    url = postgres.url("frozen")
    to = writer_of(LedgerSettings(url=url, spool=tmp_path, queue_size=400))
    take(to, 0, 50)
    assert to.flush(LONG_S)
    postgres.freeze()
    try:
        take(to, 50, 350)  # more than half of what the queue holds: its relief comes
        waiting.until(lambda: to.counts().spooled > 0, "the queue to be taken to the disk")
        assert to.close(0.01) is False
        counts = to.counts()
        assert counts.spooled >= 300, "what is in nobody's book is on the disk"
        assert counts.dropped == 0
    finally:
        postgres.thaw()
    waiting.until(lambda: to.flush(LONG_S), "all of it to be booked")
    assert calls_in(url) == 350


def test_a_locked_file_holds_nobody_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/book.db"
    to = writer_of(LedgerSettings(url=url))
    take(to, 0, 10)
    assert to.flush(LONG_S)
    with closing(sqlite3.connect(tmp_path / "book.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        take(to, 10, 100)
        assert to.flush(0.01) is False
        other.execute("ROLLBACK")
    assert to.flush(LONG_S)
    assert calls_in(url) == 100
