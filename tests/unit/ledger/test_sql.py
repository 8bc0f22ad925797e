"""What is particular to ledgers in SQL databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from otel_cost.errors import ConfigError, LedgerError
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Reason, Void
from tests.contract.ledger.books import NOON, again, priced, record, total, unpriced


def _rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_the_file_is_in_wal_mode_and_money_is_in_integers(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.write([record(1)], booked_at_ns=NOON)
    assert _rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert _rows(path, "SELECT typeof(amount_nano), typeof(list_nano), typeof(occurred_ns) FROM entries") == [
        ("integer", "integer", "integer")
    ]


def test_entries_are_only_ever_added(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    everything = "SELECT * FROM entries ORDER BY id"
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.write([record(1, unpriced()), record(2)], booked_at_ns=NOON)
        first = _rows(path, everything)
        ledger.write([again(record(1), priced(7))], booked_at_ns=NOON + 1)
        ledger.write([], [Void(record(2).key, Reason.SAME_CALL, record(1).key)], booked_at_ns=NOON + 2)
        later = _rows(path, everything)
    assert later[: len(first)] == first
    assert _rows(path, "SELECT entry, operations, amount_nano, status, sequence FROM entries ORDER BY id") == [
        ("charge", 1, 0, "unpriced", 0),
        ("charge", 1, 1000, "priced", 0),
        ("correction", -1, 0, "unpriced", 1),
        ("correction", 1, 7, "priced", 2),
        ("void", -1, -1000, "priced", 1),
        ("void", 1, 0, "duplicate", 2),
    ]
    assert _rows(path, "SELECT status, counted_as <> '' FROM records ORDER BY record_key") == [
        ("priced", 0),
        ("duplicate", 1),
    ]


def test_the_database_itself_refuses_a_second_posting(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.write([record(1)], booked_at_ns=NOON)
    columns = ", ".join(str(row[1]) for row in _rows(path, "PRAGMA table_info(entries)") if row[1] != "id")
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(f"INSERT INTO entries ({columns}) SELECT {columns} FROM entries")


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with open_ledger(f"sqlite:///{path}") as ledger, closing(sqlite3.connect(path)) as other:
        ledger.write([record(1)], booked_at_ns=NOON)
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        assert total(ledger).calls == 1
        other.execute("ROLLBACK")


def test_a_book_that_does_not_exist_is_not_made_by_reading(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with pytest.raises(LedgerError, match=r"no book at .*book\.db"):
        open_ledger(f"sqlite:///{path}", create=False)
    assert not path.exists()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    path.write_text("this is a diary, not a database " * 100)
    with pytest.raises(LedgerError, match=r"book\.db cannot be opened: file is not a database"):
        open_ledger(f"sqlite:///{path}")
    with pytest.raises(LedgerError, match="unable to open database file"):
        open_ledger(f"sqlite:///{tmp_path / 'absent' / 'book.db'}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("book.db", "not a database URL; write sqlite:///otel-cost.db"),
        ("", "not a database URL"),
        ("cobol://host/name", "kind of database is not known"),
    ],
)
def test_a_wrong_url_is_a_setting_that_is_wrong(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_ledger(url)


def test_an_error_shows_neither_the_password_nor_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_cost.ledger.sql.BUSY_TIMEOUT_S", 0.01)
    path = tmp_path / "book.db"
    with open_ledger(f"sqlite:///{path}") as ledger, closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="cannot be written: database is locked") as caught:
            ledger.write([record(1, user="ada")], booked_at_ns=NOON)
        assert "ada" not in str(caught.value)
        other.execute("ROLLBACK")
        assert ledger.write([record(1)], booked_at_ns=NOON).booked == 1


def test_a_book_of_an_earlier_release_gets_its_missing_columns(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.write([record(1)], booked_at_ns=NOON)
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in {*tables} - {"records", "entries", "opinions", "sqlite_sequence"}:
            connection.execute(f"DROP TABLE {table}")
        later = "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'ix_records_unpriced%'"
        for (index,) in connection.execute(later).fetchall():
            connection.execute(f"DROP INDEX {index}")
        for table, column in (
            ("records", "service_tier"),
            ("records", "server_address"),
            ("records", "usage_estimated"),
            ("entries", "paying_list_nano"),
        ):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.commit()
    with pytest.raises(LedgerError, match="of an older release: run otel-cost db upgrade"):
        open_ledger(f"sqlite:///{path}", create=False)
    with open_ledger(f"sqlite:///{path}") as ledger:
        (old,) = ledger.standing(0, 2 * NOON)
        assert old.called.terms is None
        ledger.write([record(2)], booked_at_ns=NOON)
        assert [call.called.terms for call in ledger.standing(0, 2 * NOON)] == [None, record(2).terms]
        assert ledger.write([record(1)], booked_at_ns=NOON).unchanged == 1
