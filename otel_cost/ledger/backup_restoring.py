"""A book out of the file that ``otel_cost.ledger.backup`` made, in the same kind of database or in another.

One transaction does it: what is restored has been counted and summed by the database, and agrees with the file, before
anybody sees it. A file of an older release is loaded into the tables of then, which are brought to today's afterwards.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, inspect, select, text

from otel_cost.errors import LedgerError
from otel_cost.ledger import upgrading
from otel_cost.ledger.backup import (
    HEAD_MEMBER,
    KIND,
    MANIFEST_MEMBER,
    VERSION,
    Backup,
    TableTally,
    Told,
    tables_of,
    tally,
)
from otel_cost.ledger.migrations import VERSION_TABLE
from otel_cost.ledger.schema import metadata
from otel_cost.ledger.sql import SqlLedger


def look(path: Path) -> Backup:
    """What a file has in it.

    Raises:
        LedgerError: it cannot be read, is no backup, is not whole, or is of a newer release.
    """
    with _opened(path) as source:
        return source.backup


def restore(
    ledger: SqlLedger, path: Path, *, now_ns: int, replace: bool = False, told: Told = lambda _done: None
) -> Backup:
    """Fill a database from a backup.

    Args:
        ledger: The database, without a book or with one that nothing was booked in.
        path: The file.
        now_ns: UTC; months around it get partitions where there are any.
        replace: The book that is there goes.
        told: Gets the numbers of rows that were restored, piece by piece.

    Raises:
        LedgerError: the file is damaged or no backup, or there is a book. The database is as it was then.
    """
    with _opened(path) as source, ledger.transaction() as connection:
        upgrading.lock(connection)
        _make_room(connection, ledger.url, replace)
        upgrading.make(connection, source.backup.revision)
        for table in tables_of(connection):
            for rows in source.rows_of(table):
                connection.execute(insert(table), rows)
                told(len(rows))
            _go_on_counting(connection, table)
            if tally(connection, table) != source.backup.tables[table.name]:
                raise LedgerError(f"{path}: {table.name} does not sum to what the file says; nothing was restored")
        upgrading.prepare(connection, now_ns)
        return source.backup


class _Source:
    """A backup that is open, and whole as far as its list of members goes."""

    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self._path = path
        self._tar = tar
        names = tar.getnames()
        if MANIFEST_MEMBER not in names or HEAD_MEMBER not in names:
            raise LedgerError(f"{path} is no backup of otel-cost, or not all of one")
        manifest = self._json(MANIFEST_MEMBER)
        self._digests: Mapping[str, str] = manifest["members"]
        if set(self._digests) != set(names) - {MANIFEST_MEMBER}:
            raise LedgerError(f"{path} is not whole: some of its members are missing")
        head = json.loads(self._checked(HEAD_MEMBER))
        if (head["format"], head["version"]) != (KIND, VERSION) or head["revision"] > upgrading.HEAD:
            raise LedgerError(f"{path} is of a newer release than this one: install that release to restore it")
        self._columns: Mapping[str, list[str]] = head["columns"]
        tallies = {name: TableTally(told["rows"], told["sums"]) for name, told in manifest["tables"].items()}
        self.backup = Backup(head["revision"], tallies)

    def rows_of(self, table: Table) -> Iterator[list[dict[str, Any]]]:
        columns = self._columns[table.name]
        for name in sorted(name for name in self._digests if name.startswith(f"{table.name}/")):
            lines = gzip.decompress(self._checked(name)).splitlines()
            yield [dict(zip(columns, json.loads(line), strict=True)) for line in lines]

    def _checked(self, name: str) -> bytes:
        content = self._content(name)
        if hashlib.sha256(content).hexdigest() != self._digests[name]:
            raise LedgerError(f"{self._path} is damaged: {name} is not what was written")
        return content

    def _json(self, name: str) -> Any:
        return json.loads(self._content(name))

    def _content(self, name: str) -> bytes:
        member = self._tar.extractfile(name)
        assert member is not None
        return member.read()


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield _Source(path, tar)
    except (OSError, EOFError, tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise LedgerError(f"{path} cannot be read as a backup of otel-cost: {error}") from error


def _make_room(connection: Connection, url: str, replace: bool) -> None:
    there = [table for table in metadata.sorted_tables if inspect(connection).has_table(table.name)]
    if not replace and any(
        connection.execute(select(text("1")).select_from(table).limit(1)).first() for table in there
    ):
        raise LedgerError(
            f"there is a book at {url}: name an empty database, or say --replace to put the backup in its place"
        )
    for table in reversed(there):
        connection.execute(text(f"DROP TABLE {table.name}"))
    connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))


def _go_on_counting(connection: Connection, table: Table) -> None:
    """The next id is one that no row has yet. SQLite sees to that by itself."""
    if connection.dialect.name != "postgresql" or "id" not in table.columns:
        return
    sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}).scalar()
    if sequence:
        connection.execute(
            text(f"SELECT setval(:sequence, (SELECT coalesce(max(id), 0) + 1 FROM {table.name}), false)"),
            {"sequence": sequence},
        )
