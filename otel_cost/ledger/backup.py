"""The whole book in one file, which any database that a book may be in can be filled from.

A tar file: ``backup.json`` says what it is and which tables with which columns it has; then come their rows, a few
thousand a member, as gzipped JSON lines (a row is a list, in the order of the columns); at the end ``manifest.json``
has the SHA-256 of every member, and counts and sums to check the rows by. A file without it is not whole.

All of it is one snapshot: the server may go on writing.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Connection, Integer, MetaData, Table, func, inspect, select

from otel_cost.errors import LedgerError
from otel_cost.ledger import files, upgrading
from otel_cost.ledger.schema import metadata
from otel_cost.ledger.sql import SqlLedger

KIND: Final = "otel-cost-backup"
VERSION: Final = 1
HEAD_MEMBER: Final = "backup.json"
MANIFEST_MEMBER: Final = "manifest.json"

_AT_ONCE: Final = 5000
_SUMMED: Final = ("_nano", "_tokens", "operations", "calls")
"""Ends of the names of columns whose sums are kept to check by: those that fit into 64 bits when they are summed."""

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class TableTally:
    """What a table has in it: rows, and sums of its amounts and counts by column."""

    rows: int
    sums: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file has in it."""

    revision: str
    tables: Mapping[str, TableTally]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def tables_of(connection: Connection) -> Sequence[Table]:
    """The book's tables as they are in the database, whatever revision it is of; those that others refer to first."""
    there = inspect(connection)
    names = [table.name for table in metadata.sorted_tables if there.has_table(table.name)]
    found = MetaData()
    found.reflect(connection, only=names)
    tables = [found.tables[name] for name in names]
    for table in tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
    return tables


def tally(connection: Connection, table: Table) -> TableTally:
    """Counted and summed by the database."""
    summed = [
        column
        for column in table.columns
        if column.name.endswith(_SUMMED) and isinstance(column.type, (BigInteger, Integer))
    ]
    row = connection.execute(select(func.count(), *(func.sum(column) for column in summed)).select_from(table)).one()
    sums = {column.name: int(value or 0) for column, value in zip(summed, row[1:], strict=True)}
    return TableTally(int(row[0]), sums)


def rows_in(ledger: SqlLedger) -> int:
    """How many rows a backup made now would have."""
    with ledger.snapshot() as connection:
        counts = [connection.execute(select(func.count()).select_from(table)) for table in tables_of(connection)]
        return sum(int(count.scalar_one()) for count in counts)


def backup(ledger: SqlLedger, path: Path, told: Told = lambda _done: None) -> Backup:
    """Write the whole book, as it is at this moment, into a new file.

    Args:
        ledger: The book, of this release or an older one.
        path: Where to; it appears when it is whole. What a killed process left there half done is written over.
        told: Gets the numbers of rows that were written, piece by piece.

    Raises:
        LedgerError: the file is there already or cannot be written, or the book cannot be read.
    """
    if path.exists():
        raise LedgerError(f"{path} is there already: name another file")
    made: list[Backup] = []

    def write(partial: Path) -> None:
        with tarfile.open(partial, "w") as tar, ledger.snapshot() as connection:
            made.append(_dump(connection, ledger.url, tar, told))

    files.put(path, write)
    return made[0]


def _dump(connection: Connection, url: str, tar: tarfile.TarFile, told: Told) -> Backup:
    upgrading.require(upgrading.state(connection), url, older_will_do=True)
    tables = tables_of(connection)
    revision = str(upgrading.revision(connection))
    columns = {table.name: [column.name for column in table.columns] for table in tables}
    digests = {HEAD_MEMBER: _add(tar, HEAD_MEMBER, {"format": KIND, "version": VERSION, "revision": revision,
                                                    "columns": columns})}  # fmt: skip
    tallies = {table.name: tally(connection, table) for table in tables}
    for table in tables:
        for number, rows in enumerate(_pieces(connection, table), 1):
            name = f"{table.name}/{number:06}.jsonl.gz"
            digests[name] = _add_bytes(tar, name, _packed(rows))
            told(len(rows))
    told_of = {name: asdict(one) for name, one in tallies.items()}
    _add(tar, MANIFEST_MEMBER, {"tables": told_of, "members": digests})
    return Backup(revision, tallies)


def _pieces(connection: Connection, table: Table) -> Iterator[Sequence[Sequence[Any]]]:
    # By the key, so that the same book makes the same file; entries have none on PostgreSQL, but their id.
    order = list(table.primary_key) or [table.c.id]
    found = connection.execute(select(table).order_by(*order), execution_options={"yield_per": _AT_ONCE})
    for rows in found.partitions():
        yield [list(row) for row in rows]


def _packed(rows: Iterable[Sequence[Any]]) -> bytes:
    lines = b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)
    return gzip.compress(lines, compresslevel=5, mtime=0)


def _add(tar: tarfile.TarFile, name: str, told: Mapping[str, object]) -> str:
    return _add_bytes(tar, name, json.dumps(told, indent=1).encode())


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> str:
    """The member's SHA-256."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), int(time.time())
    tar.addfile(member, io.BytesIO(content))
    return hashlib.sha256(content).hexdigest()
