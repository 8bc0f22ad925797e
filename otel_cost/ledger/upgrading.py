"""Bringing the tables of a book to the revision that this release works with, and back.

One transaction does all of it, on both databases: a revision that fails, or a process that is killed, leaves the book
as it was. One process at a time does it, whoever else starts: the others wait, and then find it done.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from enum import Enum, auto
from types import ModuleType
from typing import Final

from sqlalchemy import Connection, inspect, text

from otel_cost.errors import LedgerError
from otel_cost.ledger import partitions
from otel_cost.ledger.migrations import VERSION_TABLE
from otel_cost.ledger.schema import metadata
from otel_cost.ledger.summing import sum_up

HEAD: Final = "0006"
"""The revision that this release reads and writes."""
FIRST: Final = "0001"
"""The revision of the first release, which did not say so in its books."""
_ROLLED_UP_SINCE: Final = "0002"
_LOCK: Final = 0x6F74656C636F7374
"""Any number that is nobody else's: PostgreSQL's advisory lock of those who change the tables."""


class State(Enum):
    """What is in a database, seen from this release."""

    NO_BOOK = auto()
    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()


def revision(connection: Connection) -> str | None:
    """The revision of the book; None where the database has none."""
    there = inspect(connection)
    if there.has_table(VERSION_TABLE):
        return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())
    return FIRST if there.has_table("records") and there.has_table("entries") else None


def state(connection: Connection) -> State:
    found = revision(connection)
    if found is None:
        return State.NO_BOOK
    if found == HEAD:
        return State.CURRENT
    return State.OLDER if found < HEAD else State.NEWER


def require(found: State, url: str, *, older_will_do: bool = False, none_will_do: bool = False) -> None:
    """Return if the book at ``url`` can be worked with.

    Raises:
        LedgerError: it cannot; the text says what to do.
    """
    if found is State.NEWER:
        raise LedgerError(
            f"the book at {url} is of a newer release than this one, which would read it wrongly: install that release,"
            " or run its otel-cost db downgrade first"
        )
    if found is State.OLDER and not older_will_do:
        raise LedgerError(
            f"the book at {url} is of an older release: run otel-cost db upgrade --db {url} (otel-cost db backup first,"
            " if you want to be able to go back to all of it)"
        )
    if found is State.NO_BOOK and not none_will_do:
        raise LedgerError(f"there is no book at {url}: start one with otel-cost serve, or name yours with --db")


def prepare(connection: Connection, now_ns: int, told: Callable[[int], None] = lambda _done: None) -> str | None:
    """Make the book where there is none, and bring an older one to ``HEAD``; within the transaction under way.

    Args:
        connection: In a transaction that was begun for writing.
        now_ns: UTC; months around it get partitions where there are any.
        told: Gets the number of entries whose sums were made, piece by piece.

    Returns:
        The revision that an older book had; None where it was not older.
    """
    lock(connection)
    before, found = revision(connection), state(connection)
    if found is State.NO_BOOK:
        metadata.create_all(connection)
        _say(connection, HEAD)
    elif found is State.OLDER:
        make(connection, HEAD)
    partitions.ensure_partitions(connection, now_ns)
    if found is State.OLDER and str(before) < _ROLLED_UP_SINCE:
        sum_up(connection, 0, told)
    return before if found is State.OLDER else None


def downgrade(connection: Connection, target: str) -> None:
    """Back to ``target``, within the transaction under way. What that revision has no table for is gone.

    Raises:
        LedgerError: the book is not of a later revision, or would lose sums that cannot be made again.
    """
    lock(connection)
    before = revision(connection)
    if before is None or not FIRST <= target < before <= HEAD:
        raise LedgerError(f"the book is of revision {before or 'none'}: it cannot go back to {target}")
    _revisions().downgrade(connection, target)


def make(connection: Connection, target: str) -> None:
    """The tables as revision ``target`` has them, in a database that has none or those of an earlier one. Their sums
    are not filled."""
    _revisions().upgrade(connection, target)


def lock(connection: Connection) -> None:
    """Until the transaction ends, nobody else changes the tables. On SQLite the transaction itself is the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _revisions() -> ModuleType:
    # Alembic takes longer to import than all else that a command needs: only those wait for it who change a book.
    return importlib.import_module("otel_cost.ledger.migrations.running")


def _say(connection: Connection, target: str) -> None:
    connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, CONSTRAINT"
                            f" {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"))  # fmt: skip
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:target)"), {"target": target})
