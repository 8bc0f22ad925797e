"""FEATURES B12, C14: processes that are killed in the middle, and processes that do the same at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from otel_cost.ledger import archive_files, upgrading
from otel_cost.ledger.archive import archive
from otel_cost.ledger.backup import backup
from otel_cost.ledger.backup_restoring import look
from otel_cost.ledger.sql import SqlLedger, connect, open_ledger
from tests.contract.ledger.books import by, total
from tests.integration.database import books
from tests.integration.database.books import NOVEMBER
from tests.support import tools


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.integration.database.worker", *arguments]
    child = subprocess.Popen(command, cwd=tools.CHECKOUT, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def killed_in_the_middle(*arguments: str) -> None:
    with process(*arguments) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"


def told_by(*processes: subprocess.Popen[str]) -> list[int]:
    told = [child.communicate()[0] for child in processes]
    assert [child.returncode for child in processes] == [0] * len(processes)
    return [int(line) for line in told]


def sums(ledger: SqlLedger) -> dict[str, object]:
    with ledger.snapshot() as connection:
        return {name: books.rows_of(connection, name) for name in ("rollups_day", "rollups_15min", "entity_days")}


def test_killed_while_it_upgrades(url: str) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger)
        before = by(ledger, "team", "status")
        with ledger.transaction() as connection:
            upgrading.downgrade(connection, upgrading.FIRST)
    killed_in_the_middle("upgrade", url)
    with connect(url) as ledger:
        with ledger.snapshot() as connection:
            assert upgrading.revision(connection) == upgrading.FIRST
        assert ledger.prepare() == upgrading.FIRST
        assert by(ledger, "team", "status") == before


def test_killed_while_it_backs_up(url: str, tmp_path: Path) -> None:
    path = tmp_path / "book.tar"
    with open_ledger(url) as ledger:
        books.fill(ledger)
        killed_in_the_middle("back_up", url, str(path))
        assert [found.name for found in tmp_path.glob("*.tar*")] == ["book.tar.partial"]
        assert backup(ledger, path) == look(path)
        assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("when", ["archive_reading", "archive_closed", "archive_removing"])
def test_killed_while_it_archives(url: str, tmp_path: Path, when: str) -> None:
    cold = tmp_path / "cold"
    with open_ledger(url) as ledger:
        made = books.fill(ledger)
        before = sums(ledger)
        killed_in_the_middle(when, url, str(cold))
        # Whatever was sent before is not booked again now, wherever it is.
        assert ledger.write(made, booked_at_ns=books.BOOKED).booked == 0
        archive(ledger, NOVEMBER.end_ns, cold, now_ns=NOVEMBER.end_ns, remove=True)
        files = archive_files.read_manifest(cold).files
        rows = [row for file in files for row in archive_files.calls_in(cold / file.name)]
        assert sorted(row["record_key"] for row in rows) == sorted(call.key for call in made)
        assert sums(ledger) == before
        with ledger.snapshot() as connection:
            assert books.booked(connection) == (0, 0, 0)
        assert ledger.write(made, booked_at_ns=books.BOOKED).archived == len(made)


def test_many_that_start_at_once_upgrade_it_once(url: str) -> None:
    """Replicas of a server after a new release was rolled out."""
    with open_ledger(url) as ledger:
        books.fill(ledger)
        before = by(ledger, "team", "status")
        with ledger.transaction() as connection:
            upgrading.downgrade(connection, upgrading.FIRST)
    with process("open_it", url) as one, process("open_it", url) as two, process("open_it", url) as three:
        assert told_by(one, two, three) == [200, 200, 200]
    with open_ledger(url, create=False) as ledger:
        assert by(ledger, "team", "status") == before


def test_many_that_start_at_once_make_one_book(url: str) -> None:
    with process("open_it", url) as one, process("open_it", url) as two, process("open_it", url) as three:
        assert told_by(one, two, three) == [0, 0, 0]
    open_ledger(url, create=False).close()


@pytest.mark.postgres
def test_parallel_writers_book_each_call_once_in_whatever_month(postgres_url: str) -> None:
    """No index sees all months: that two writers do not both take a call for new, the records' key sees to."""
    with open_ledger(postgres_url) as ledger:
        ranges = [("0", "600", "7"), ("0", "600", "50"), ("0", "600", "31")]
        with (
            process("write", postgres_url, *ranges[0]) as one,
            process("write", postgres_url, *ranges[1]) as two,
            process("write", postgres_url, *ranges[2]) as three,
        ):
            assert sum(told_by(one, two, three)) == 600
        assert total(ledger).calls == 600
        with ledger.snapshot() as connection:
            twice = "SELECT record_key FROM entries GROUP BY record_key, sequence HAVING count(*) > 1"
            assert connection.execute(text(twice)).all() == []
            assert books.booked(connection)[:2] == (600, 600)


def test_what_is_sent_again_while_it_is_archived_is_not_booked_again(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        made = books.calls(600)
        ledger.write(made, booked_at_ns=books.BOOKED)
        expected = total(ledger)
        with process("write", url, "0", "600", "20") as one, process("write", url, "0", "600", "33") as two:
            done = archive(ledger, NOVEMBER.end_ns, tmp_path / "cold", now_ns=NOVEMBER.end_ns, remove=True)
            assert told_by(one, two) == [0, 0]
        assert (done.calls, done.removed, done.amount_nano) == (600, 600, expected.amount_nano)
        assert total(ledger) == expected
