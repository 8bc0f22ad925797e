"""FEATURES B12: one file has the whole book, in any database, from any database, while it is written to."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from otel_cost.errors import LedgerError
from otel_cost.ledger import upgrading
from otel_cost.ledger.backup import backup, rows_in
from otel_cost.ledger.backup_restoring import look, restore
from otel_cost.ledger.partitions import ensure_partitions
from otel_cost.ledger.sql import connect, open_ledger
from tests.contract.ledger.books import by, total
from tests.integration.database import books, schemas
from tests.integration.database.books import NOVEMBER

NOW = NOVEMBER.end_ns


def filled(url: str, path: Path, count: int = 120) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger, count)
        backup(ledger, path)


def test_a_book_comes_back_as_it_was(url: str, tmp_path: Path) -> None:
    path = tmp_path / "book.tar"
    told: list[int] = []
    with open_ledger(url) as ledger:
        books.fill(ledger)
        with ledger.transaction() as connection:
            ensure_partitions(connection, time.time_ns())
            whole, shape = books.contents(connection), schemas.shape(connection)
        made = backup(ledger, path, told.append)
        assert made == look(path)
        assert made.rows == sum(told) == rows_in(ledger) == sum(map(len, whole.values()))
        ledger.write(books.calls(50, first=1000), booked_at_ns=books.BOOKED)
        restored: list[int] = []
        with pytest.raises(LedgerError, match=r"there is a book at .* say --replace"):
            restore(ledger, path, now_ns=NOW)
        restore(ledger, path, now_ns=time.time_ns(), replace=True, told=restored.append)
        assert sum(restored) == made.rows
        with ledger.transaction() as connection:
            assert books.contents(connection) == whole
            assert schemas.shape(connection) == shape


@pytest.mark.postgres
@pytest.mark.parametrize("there_and_back", [("sqlite_url", "postgres_url"), ("postgres_url", "sqlite_url")])
def test_moving_house(there_and_back: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A book grows out of SQLite, and may go back."""
    old, new = (str(request.getfixturevalue(name)) for name in there_and_back)
    filled(old, tmp_path / "book.tar")
    with open_ledger(old) as before, connect(new, must_exist=False) as after:
        restore(after, tmp_path / "book.tar", now_ns=NOW)
        with before.snapshot() as one, after.snapshot() as other:
            assert books.contents(one) == books.contents(other)
            assert schemas.differences(other) == []
        assert by(before, "team", "status") == by(after, "team", "status")
        # It goes on: ids are counted up from where they were, and what is known stays known.
        assert after.write(books.calls(120), booked_at_ns=NOW).unchanged == 120
        assert after.write(books.calls(20, first=500), booked_at_ns=NOW).booked == 20


def test_a_backup_of_an_older_release_is_brought_to_this_one(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger)
        before = by(ledger, "team", "status")
        with ledger.transaction() as connection:
            upgrading.downgrade(connection, upgrading.FIRST)
        assert backup(ledger, tmp_path / "old.tar").revision == upgrading.FIRST
        restore(ledger, tmp_path / "old.tar", now_ns=NOW, replace=True)
        assert by(ledger, "team", "status") == before
        with ledger.transaction() as connection:
            assert schemas.differences(connection) == []


def test_what_is_written_meanwhile_is_in_it_whole_or_not_at_all(url: str, tmp_path: Path) -> None:
    path = tmp_path / "book.tar"
    with open_ledger(url) as ledger, open_ledger(url) as server:
        books.fill(ledger, 400)
        reading, done = threading.Event(), threading.Event()

        def write() -> None:
            reading.wait(30)
            for first in range(1000, 2000, 100):
                server.write(books.calls(100, first=first), booked_at_ns=books.BOOKED)
            done.set()

        def told(_rows: int) -> None:
            # Rows of one table were read: what is written now is in none of those that follow.
            reading.set()
            done.wait(30)

        writer = threading.Thread(target=write)
        writer.start()
        made = backup(ledger, path, told)
        writer.join()
        assert total(server).calls == 1400 - 1
        restore(ledger, path, now_ns=NOW, replace=True)
        assert made.tables["records"].rows == 400
        assert total(ledger).calls == 400 - 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20_000])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"entries/000001") + 700] ^= 1
    path.write_bytes(content)


def without_a_member(path: Path) -> None:
    def keep(name: str) -> bool:
        return not name.startswith("opinions/")

    _rewritten(path, keep, lambda _name, content: content)


def with_another_sum(path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b'"amount_nano": ', b'"amount_nano": 1') if name == "manifest.json" else content

    _rewritten(path, lambda _name: True, change)


def not_one(path: Path) -> None:
    path.write_text("not a backup")


def _rewritten(path: Path, keep: Callable[[str], bool], change: Callable[[str, bytes], bytes]) -> None:
    with tarfile.open(path) as tar:
        members = [(member, tar.extractfile(member)) for member in tar.getmembers() if keep(member.name)]
        contents = [(member, change(member.name, file.read())) for member, file in members if file is not None]
    with tarfile.open(path, "w") as tar:
        for member, content in contents:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("damage", [cut, flipped, without_a_member, with_another_sum, not_one])
def test_a_damaged_file_restores_nothing(url: str, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "book.tar"
    filled(url, path)
    damage(path)
    with open_ledger(url) as ledger:
        with ledger.transaction() as connection:
            whole = books.contents(connection)
        with pytest.raises(LedgerError, match=r"book\.tar"):
            restore(ledger, path, now_ns=NOW, replace=True)
        with ledger.transaction() as connection:
            assert books.contents(connection) == whole


def test_a_file_is_not_written_over(sqlite_url: str, tmp_path: Path) -> None:
    filled(sqlite_url, tmp_path / "book.tar", 20)
    with open_ledger(sqlite_url) as ledger, pytest.raises(LedgerError, match="there already"):
        backup(ledger, tmp_path / "book.tar")


def test_where_it_cannot_be_written_nothing_is_left(sqlite_url: str, tmp_path: Path) -> None:
    with open_ledger(sqlite_url) as ledger, pytest.raises(LedgerError, match="cannot be written"):
        backup(ledger, tmp_path / "missing" / "book.tar")


@pytest.mark.postgres
def test_ids_are_counted_on(postgres_url: str, tmp_path: Path) -> None:
    filled(postgres_url, tmp_path / "book.tar", 30)
    with open_ledger(postgres_url) as ledger:
        restore(ledger, tmp_path / "book.tar", now_ns=NOW, replace=True)
        ledger.write(books.calls(30, first=100), booked_at_ns=NOW)
        with ledger.snapshot() as connection:
            ids, entries = connection.execute(text("SELECT count(DISTINCT id), count(*) FROM entries")).one()
        assert ids == entries
