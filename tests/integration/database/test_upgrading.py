"""FEATURES B12: the tables of a book through the releases, up and down, with calls in them, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text, update

from otel_cost.errors import LedgerError
from otel_cost.ledger import checking, upgrading
from otel_cost.ledger.migrations import VERSION_TABLE
from otel_cost.ledger.schema import metadata, records
from otel_cost.ledger.sql import SqlLedger, connect, open_ledger
from otel_cost.model import Reason, Void
from tests.contract.ledger.books import NOON, by, priced, record, total
from tests.integration.database import books, schemas

HERE = Path(__file__).parent
KEPT = ("records", "entries", "opinions")
WITH_WRITER = ("rollups_day", "rollups_15min")


def summed(name: str, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Roll-ups without the name of who wrote them, the last column; bins that have calls, the second column."""
    if name == "distributions":
        return [row for row in rows if row[1]]
    return sorted(row[:-1] for row in rows) if name in WITH_WRITER else rows


def by_release_0_1(ledger: SqlLedger) -> None:
    with ledger.transaction() as connection:
        script = (HERE / f"release_0_1.{connection.dialect.name}.sql").read_text()
        for statement in script.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)


def test_a_new_book_is_what_all_revisions_make(url: str) -> None:
    with connect(url, must_exist=False) as ledger:
        with ledger.transaction() as connection:
            upgrading.make(connection, upgrading.HEAD)
            migrated = schemas.shape(connection)
            assert schemas.differences(connection) == []
            for table in (*metadata.sorted_tables[::-1],):
                table.drop(connection)
            connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
        with ledger.transaction() as connection:
            metadata.create_all(connection)
            assert schemas.shape(connection) == migrated
            assert schemas.differences(connection) == []


def test_the_comparison_sees_what_is_missing(url: str) -> None:
    with open_ledger(url) as ledger, ledger.transaction() as connection:
        whole = schemas.shape(connection)
        connection.execute(text("DROP INDEX ix_records_start_ns"))
        assert schemas.differences(connection) != []
        assert schemas.shape(connection) != whole


def test_a_label_that_the_last_release_kept_in_its_column_alone_is_taken_back_from_there(url: str) -> None:
    """Of more than 64 labels it cut off the later ones, whichever they were; the columns had them all the same."""
    many = {f"label{number:02}": "x" for number in range(64)}
    call = record(1, priced(1000), **many)
    with open_ledger(url) as ledger:
        ledger.write([call], booked_at_ns=NOON)
        with ledger.transaction() as connection:
            connection.execute(update(records).values(labels=many))
            upgrading.downgrade(connection, upgrading.FIRST)
            connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    with open_ledger(url) as ledger:
        ledger.write([], [Void(call.key, Reason.SAME_CALL, "")], booked_at_ns=NOON)
        assert checking.verify(ledger) == ()
        assert by(ledger, "team") == {("search",): 0}


def test_the_first_revision_is_the_last_release(url: str) -> None:
    with connect(url, must_exist=False) as ledger:
        by_release_0_1(ledger)
        with ledger.transaction() as connection:
            released = schemas.shape(connection)
            assert upgrading.revision(connection) == upgrading.FIRST
            upgrading.make(connection, upgrading.FIRST)
            assert schemas.shape(connection) == released
            assert upgrading.revision(connection) == upgrading.FIRST
            upgrading.make(connection, upgrading.HEAD)
            upgrading.downgrade(connection, upgrading.FIRST)
            assert schemas.shape(connection) == released


def test_an_even_older_book_gets_what_it_lacks(url: str) -> None:
    with connect(url, must_exist=False) as ledger:
        by_release_0_1(ledger)
        with ledger.transaction() as connection:
            released = schemas.shape(connection)
            connection.execute(text("DROP TABLE opinions"))
            connection.execute(text("ALTER TABLE records DROP COLUMN service_tier"))
            connection.execute(text("ALTER TABLE entries DROP COLUMN paying_list_nano"))
        ledger.prepare()
        with ledger.transaction() as connection:
            assert schemas.differences(connection) == []
            upgrading.downgrade(connection, upgrading.FIRST)
            assert schemas.shape(connection) == released


def test_up_down_and_up_again_keeps_every_call_entry_and_sum(url: str) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger)
        before, sums = total(ledger), by(ledger, "team", "status")
        with ledger.transaction() as connection:
            whole = books.contents(connection)
            assert books.booked(connection)[0] == 200
            upgrading.downgrade(connection, upgrading.FIRST)
            assert {name: books.rows_of(connection, name) for name in KEPT} == {name: whole[name] for name in KEPT}
            connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
        told: list[int] = []
        assert ledger.prepare(told=told.append) == upgrading.FIRST
        with ledger.transaction() as connection:
            again = books.contents(connection)
            assert sum(told) == len(whole["entries"])
            assert schemas.differences(connection) == []
        for name, rows in whole.items():
            assert summed(name, again[name]) == summed(name, rows), name
        assert (total(ledger), by(ledger, "team", "status")) == (before, sums)
        assert ledger.write(books.calls(), booked_at_ns=books.BOOKED + 9).unchanged == 200
        assert ledger.write(books.calls(7, first=200), booked_at_ns=books.BOOKED + 9).booked == 7


def test_what_fails_half_way_leaves_the_book_as_it_was(url: str) -> None:
    books.of_the_last_release(url)
    with connect(url) as ledger:
        with ledger.transaction() as connection:
            # In the way of a table of the third revision.
            connection.execute(text("CREATE TABLE audit (mine INTEGER)"))
            before, shape = {name: books.rows_of(connection, name) for name in KEPT}, schemas.shape(connection)
        with pytest.raises(LedgerError, match="audit"):
            ledger.prepare()
        with ledger.transaction() as connection:
            assert schemas.shape(connection) == shape
            assert {name: books.rows_of(connection, name) for name in KEPT} == before
            connection.execute(text("DROP TABLE audit"))
        assert ledger.prepare() == upgrading.FIRST


def test_who_only_reads_is_told_what_to_run(url: str) -> None:
    with pytest.raises(LedgerError, match="no book at"):
        open_ledger(url, create=False)
    books.of_the_last_release(url, 20)
    with pytest.raises(LedgerError, match="older release: run otel-cost db upgrade"):
        open_ledger(url, create=False)
    with pytest.raises(LedgerError, match="older release: run otel-cost db upgrade"):
        open_ledger(url, upgrade=False)
    with open_ledger(url) as ledger:
        assert total(ledger).calls > 0
    open_ledger(url, create=False).close()


def test_a_book_of_a_newer_release_is_left_alone(url: str) -> None:
    with open_ledger(url) as ledger, ledger.transaction() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    for create in (True, False):
        with pytest.raises(LedgerError, match="newer release"):
            open_ledger(url, create=create)


def test_there_is_no_way_below_the_first_revision_or_above_the_own(url: str) -> None:
    with open_ledger(url) as ledger:
        for target in ("0000", "base", upgrading.HEAD, "9999"):
            with pytest.raises(LedgerError, match="cannot go back to"), ledger.transaction() as connection:
                upgrading.downgrade(connection, target)
