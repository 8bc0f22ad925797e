"""FEATURES B12: what does not fit together is found, and told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from otel_cost.cli import main
from otel_cost.ledger.archive import archive
from otel_cost.ledger.sql import open_ledger
from tests.contract.ledger.books import by
from tests.integration.database import books
from tests.integration.database.books import NOVEMBER, OCTOBER


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["db", "check", "--db", url, *arguments])


def broken(url: str, *statements: str) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger, 60)
        with ledger.transaction() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET session_replication_role = replica"))  # as a damaged index would
            for statement in statements:
                connection.execute(text(statement))


def test_a_book_that_was_only_booked_in_fits_together(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger)
        archive(ledger, OCTOBER.end_ns, tmp_path / "cold", now_ns=NOVEMBER.end_ns, remove=True)
    assert run(url).output == "Everything fits together.\n"


_LAST = "(SELECT max(record_key) FROM records WHERE sequence = 2)"


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (f"DELETE FROM entries WHERE record_key = {_LAST}", "call without an entry: "),
        (f"DELETE FROM entries WHERE record_key = {_LAST} AND sequence = 1", "call whose entries have a gap: "),
        (f"DELETE FROM entries WHERE record_key = {_LAST} AND sequence = 2", "counts for more or less than one: "),
        (f"UPDATE records SET sequence = 0 WHERE record_key = {_LAST}", "does not point to its last entry: "),
        (f"UPDATE records SET status = 'unpriced' WHERE record_key = {_LAST}", "of another status than its last entry"),
        (f"UPDATE records SET start_ns = start_ns + 1 WHERE record_key = {_LAST}", "entries are of another time: "),
        ("UPDATE rollups_day SET amount_nano = amount_nano + 1", "rollups_day: "),
    ],
)
def test_what_does_not_fit_is_told(url: str, statement: str, says: str) -> None:
    broken(url, statement)
    done = run(url)
    assert done.exit_code == 1
    assert says in done.output, done.output


def test_repairing_makes_the_sums_anew(url: str) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger)
        before = by(ledger, "team")
    broken(url, "UPDATE rollups_day SET amount_nano = amount_nano + 1", "DELETE FROM rollups_15min")
    with open_ledger(url) as ledger:
        assert by(ledger, "team") != before
        done = run(url, "--repair")
        assert done.exit_code == 0, done.output
        assert "days were made anew" in done.output
        assert by(ledger, "team") == before


def test_sums_of_archived_days_are_what_they_were(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger)
        archive(ledger, OCTOBER.end_ns, tmp_path / "cold", now_ns=NOVEMBER.end_ns, remove=True)
        before = by(ledger, "team")
        assert run(url, "--repair").exit_code == 0
        assert by(ledger, "team") == before
        with ledger.transaction() as connection:
            connection.execute(text(f"DELETE FROM rollups_day WHERE start_ns = {OCTOBER.start_ns}"))
    done = run(url, "--repair")
    assert done.exit_code == 1
    assert "2025-10-01 was archived with " in done.output


def test_a_damaged_file_is_told(sqlite_url: str) -> None:
    with open_ledger(sqlite_url) as ledger:
        books.fill(ledger, 400)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 2048] = bytes(2048)
    path.write_bytes(content)
    done = run(sqlite_url)
    assert done.exit_code in (1, 2)  # 2 where not even the tables can be read
    assert "damaged" in done.output or "malformed" in done.output, done.output
