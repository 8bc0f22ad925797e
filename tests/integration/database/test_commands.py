"""FEATURES B12, C14: `otel-cost db` and `otel-cost archive` where things are not as they should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_cost.cli import main
from otel_cost.ledger.sql import open_ledger
from tests.contract.ledger.books import total
from tests.integration.database import books


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_serve_refuses_an_older_book_if_it_is_told_to(sqlite_url: str) -> None:
    books.of_the_last_release(sqlite_url, 20)
    done = run("serve", "--no-upgrade", "--port", "0", "--db", sqlite_url)
    assert done.exit_code == 2
    assert "run otel-cost db upgrade" in done.output
    assert "revision 0001; newest" in run("db", "current", "--db", sqlite_url).output


def test_downgrade_is_not_done_by_mistake(sqlite_url: str) -> None:
    with open_ledger(sqlite_url) as ledger:
        books.fill(ledger, 20)
    done = run("db", "downgrade", "--db", sqlite_url)
    assert (done.exit_code, "add --yes" in done.output) == (2, True)
    assert "the newest" in run("db", "current", "--db", sqlite_url).output
    done = run("db", "downgrade", "0003", "--yes", "--db", sqlite_url)
    assert done.exit_code == 0, done.output
    assert "revision 0003; newest" in run("db", "current", "--db", sqlite_url).output
    assert run("db", "upgrade", "--db", sqlite_url).output.startswith("From revision 0003 to ")
    assert "It is of revision" in run("db", "upgrade", "--db", sqlite_url).output
    assert run("db", "downgrade", "0000", "--yes", "--db", sqlite_url).exit_code == 2


def test_downgrade_refuses_to_lose_the_sums_of_archived_days(sqlite_url: str, tmp_path: Path) -> None:
    with open_ledger(sqlite_url) as ledger:
        books.fill(ledger, 20)
        before = total(ledger)
    given = ("--to", str(tmp_path / "cold"), "--format", "jsonl", "--delete", "--db", sqlite_url)
    assert run("archive", "--before", "2025-11-01", *given).exit_code == 0
    done = run("db", "downgrade", "--yes", "--db", sqlite_url)
    assert done.exit_code == 2
    assert "calls of this book were archived" in done.output
    with open_ledger(sqlite_url, create=False) as ledger:
        assert total(ledger) == before
    assert "no calls before 2025-11-01 that are not archived" in run("archive", "--before", "2025-11-01", *given).output


def test_restore_does_not_write_over_a_book(sqlite_url: str, tmp_path: Path) -> None:
    with open_ledger(sqlite_url) as ledger:
        books.fill(ledger, 20)
    path = str(tmp_path / "book.tar")
    assert run("db", "backup", path, "--db", sqlite_url).exit_code == 0
    refused = run("db", "restore", path, "--db", sqlite_url)
    assert (refused.exit_code, "--replace" in refused.output) == (2, True)
    assert run("db", "restore", path, "--replace", "--db", sqlite_url).exit_code == 0
    assert run("db", "restore", str(tmp_path / "none.tar"), "--db", sqlite_url).exit_code == 2


@pytest.mark.parametrize(
    ("before", "says"),
    [("2025-11-01T12:00:00Z", "whole days"), ("2115-01-01", "has not begun yet"), ("soon", "--before")],
)
def test_archive_takes_days_that_are_over(sqlite_url: str, tmp_path: Path, before: str, says: str) -> None:
    open_ledger(sqlite_url).close()
    done = run("archive", "--before", before, "--to", str(tmp_path / "cold"), "--db", sqlite_url)
    assert (done.exit_code, says in done.output) == (2, True), done.output


def test_without_a_book_nothing_is_made(sqlite_url: str, tmp_path: Path) -> None:
    for arguments in (
        ["db", "current"],
        ["db", "upgrade"],
        ["db", "check"],
        ["db", "backup", str(tmp_path / "book.tar")],
        ["archive", "--before", "2025-11-01", "--to", str(tmp_path / "cold")],
    ):
        done = run(*arguments, "--db", sqlite_url)
        assert (done.exit_code, "there is no book at" in done.output) == (2, True), arguments
    assert list(tmp_path.iterdir()) == []
