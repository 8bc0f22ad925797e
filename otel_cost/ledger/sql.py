"""The book in a SQL database: SQLite (a file, or memory) by default, PostgreSQL by URL.

On SQLite every write begins as IMMEDIATE, so two processes never decide on the same state; the file is in WAL mode
(readers do not wait) with a full sync at each commit (what was acknowledged survives a power cut). Elsewhere two
writers may both take a record for new: the unique constraint fails one of them, which then looks again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from otel_cost.errors import ConfigError, LedgerError, LedgerRefused
from otel_cost.ledger import partitions, queries, rows, upgrading
from otel_cost.ledger.base import Correction, Standing, Written
from otel_cost.ledger.horizon import horizon_ns
from otel_cost.ledger.locks import AdvisoryLock, Lock
from otel_cost.ledger.posting import Posting, keys_of
from otel_cost.ledger.rollups import RollUps
from otel_cost.ledger.saving import NO_SUM, Saver
from otel_cost.ledger.schema import records
from otel_cost.ledger.sql_reading import SqlReading, in_pieces
from otel_cost.model import CostRecord, Void
from otel_cost.semconv import LOGGER

_log = logging.getLogger(LOGGER)

BUSY_TIMEOUT_S: Final = 15.0
"""How long a SQLite write waits for another process's write."""
UPGRADE_WAIT_S: Final = 3600.0
"""How long a process that starts waits for another one that upgrades the same SQLite file."""
_CONFLICT_RETRIES: Final = 5
_FOR_WRITING: Final = "ledger_for_writing"
T = TypeVar("T")


def open_ledger(url: str, *, create: bool = True, upgrade: bool = True) -> SqlLedger:
    """The ledger at a database URL, for instance ``sqlite:///otel-cost.db``; its tables are made where missing.

    With ``create=False`` nothing is made: a database that does not exist, is no book, or is one of an older release is
    an error. With ``upgrade=False`` a new book may be made, but an older one is an error as well.

    Raises:
        ConfigError: the URL is not one, or its database's driver is not installed.
        LedgerError: the database cannot be opened, or is a book of a newer release.
    """
    ledger = connect(url, must_exist=not create)
    try:
        if create:
            ledger.prepare(upgrade=upgrade)
        else:
            ledger.require_current()
    except BaseException:
        ledger.close()
        raise
    return ledger


def connect(url: str, *, must_exist: bool = True) -> SqlLedger:
    """The ledger at a database URL, of whatever release and whether there is a book in it: to look after it.

    Raises:
        ConfigError: the URL is not one, or its database's driver is not installed.
        LedgerError: it is a file that does not exist, and ``must_exist``.
    """
    where = _parsed(url)
    path = _sqlite_path(where)
    if path is not None and must_exist and not path.exists():
        raise LedgerError(
            f"there is no book at {path.absolute()}: start one with otel-cost serve, or name yours with --db"
        )
    try:
        return SqlLedger(_engine(where))
    except NoSuchModuleError as error:
        raise ConfigError(f"{_shown(where)}: this kind of database is not known; use sqlite or postgresql") from error
    except ModuleNotFoundError as error:
        extra = "postgres" if where.get_backend_name() == "postgresql" else "server"
        raise ConfigError(f"{error.name} is not installed: pip install 'otel-cost[{extra}]'") from error


class SqlLedger(SqlReading):
    """See :class:`otel_cost.ledger.base.Ledger`. Open one with :func:`open_ledger`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closed = False
        self._in_memory = isinstance(engine.pool, StaticPool)
        # One write at a time per process: waiting here is fair and cheap, waiting in SQLite is polling. A database in
        # memory has one connection only, so there its readers wait too.
        self._lock = threading.RLock()
        # On SQLite there is one writer at a time anyhow, whoever it is.
        self._saver = Saver("" if engine.dialect.name == "sqlite" else uuid.uuid4().hex[:8])
        self._rollups = RollUps()
        self._entries_written = 0

    @property
    def url(self) -> str:
        """The database's URL, without its password."""
        return _shown(self._engine.url)

    def prepare(self, *, upgrade: bool = True, told: Callable[[int], None] = lambda _done: None) -> str | None:
        """Make the tables where there are none, and bring a book of an older release to this one's.

        Several processes may do so at once: one does, the others wait for it. ``told`` gets the numbers of entries that
        were summed anew, piece by piece.

        Returns:
            The revision that an older book had; None where it was not older.

        Raises:
            LedgerError: it cannot be opened, is of a newer release, or of an older one and not to be upgraded.
        """
        with self._lock, self._reading("opened") as connection:
            found = upgrading.state(connection)
            upgrading.require(found, self.url, older_will_do=upgrade, none_will_do=True)
            if found is upgrading.State.CURRENT and not partitions.wanting(connection, time.time_ns()):
                return None
        return self._upgrade(told)

    def require_current(self) -> None:
        """Return if there is a book of this release; LedgerError with what to do if not."""
        with self._reading() as connection:
            upgrading.require(upgrading.state(connection), self.url)

    def _upgrade(self, told: Callable[[int], None]) -> str | None:
        # Whoever upgrades a large book may take longer than a write may wait.
        engine = self._engine if self._in_memory else _engine(self._engine.url, waits_s=UPGRADE_WAIT_S)
        try:
            with self._lock, self._border("upgraded"), _begun(engine) as connection:
                before = upgrading.prepare(connection, time.time_ns(), told)
        finally:
            if engine is not self._engine:
                engine.dispose()
        if before is not None:
            _log.info("brought the book at %s from revision %s to %s", self.url, before, upgrading.HEAD)
        return before

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction to write in, for those who keep something beside the book or look after the database: it waits
        for the writes before it, and those after it wait. Committed at the end, rolled back at an exception."""
        with self._lock, self._border("written"), self._writing() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees the whole book as it is now, however long it reads and whatever is written meanwhile.
        Keeps no one waiting, but for a database in memory."""
        if self._in_memory:
            with self._reading() as connection:
                yield connection
            return
        engine = self._engine
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with self._border("read"), engine.connect() as connection:
            yield connection

    def write(self, records: Sequence[CostRecord], voids: Sequence[Void] = (), *, booked_at_ns: int) -> Written:
        if not records and not voids:
            return Written()

        def take(posting: Posting) -> None:
            posting.take_all(records, voids)

        return self._post(keys_of(records, voids), take, booked_at_ns)

    def correct(self, corrections: Sequence[Correction], *, booked_at_ns: int) -> Written:
        if not corrections:
            return Written()

        def take(posting: Posting) -> None:
            for correction in corrections:
                posting.correct(correction)

        return self._post({correction.key for correction in corrections}, take, booked_at_ns)

    @contextmanager
    def beside(self) -> Iterator[Connection]:
        """A connection to read the tables that stand beside the book (access keys, the audit log). Raises LedgerError.
        What is written there is written in a :meth:`transaction`."""
        with self._reading() as connection:
            yield connection

    def between_writes(self, question: Callable[[Connection], T]) -> tuple[T, int]:
        """The answer to a ``question`` that only reads, while nothing is written by this ledger; and how many entries
        it has written so far. Raises LedgerError."""
        with self._lock, self._reading() as connection:
            return question(connection), self._entries_written

    def lock(self, name: str) -> Lock:
        """A lock that one server at a time can have; on SQLite, whose book is one machine's, whoever asks has it."""
        return AdvisoryLock(self._engine, name) if self._engine.dialect.name == "postgresql" else Lock()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _post(self, keys: set[str], take: Callable[[Posting], None], booked_ns: int) -> Written:
        """One transaction: load what is said of ``keys``, let ``take`` decide, save."""
        with self._lock, self._border("written"):
            for _ in range(_CONFLICT_RETRIES):
                try:
                    return self._post_once(keys, take, booked_ns)
                except IntegrityError as error:
                    if _is_about_values(error):
                        raise
                    continue  # another process booked some of it meanwhile: look again
            return self._post_once(keys, take, booked_ns)

    def _post_once(self, keys: set[str], take: Callable[[Posting], None], booked_ns: int) -> Written:
        with self._writing() as connection:
            # The horizon is read second: whoever moves it locks out those who look for keys.
            posting = Posting(_standings(connection, keys), horizon_ns(connection))
            take(posting)
            added = self._rollups.of(posting.written.entries)
            self._saver.save(connection, posting, booked_ns)
            self._saver.add(connection, added)
        self._saver.committed(added)
        self._entries_written += len(posting.written.entries)
        return posting.written

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _begun(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self, done: str = "read") -> Iterator[Connection]:
        if self._in_memory:
            with self._lock, self._border(done), self._engine.connect() as connection:
                yield connection
        else:
            with self._border(done), self._engine.connect() as connection:
                yield connection

    @contextmanager
    def _border(self, done: str) -> Iterator[None]:
        if self._closed:
            raise LedgerError("the ledger is closed")
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OverflowError) as error:
            # The text of SQLAlchemy's own error carries the statement and its values: users, sessions.
            reason = getattr(error, "orig", None) or error
            kind = LedgerRefused if _is_about_values(error) else LedgerError
            raise kind(f"the ledger at {self.url} cannot be {done}: {reason}") from error


def _is_about_values(error: Exception) -> bool:
    """Whether the database would take something else: PostgreSQL finds sums out of range, SQLite (see saving) none."""
    return isinstance(error, DataError | OverflowError) or NO_SUM in str(getattr(error, "orig", ""))


def _standings(connection: Connection, keys: set[str]) -> dict[str, Standing]:
    """What the book says of ``keys``, locked until the transaction ends where rows can be."""
    found: dict[str, Standing] = {}
    for some in in_pieces(keys):
        for row in connection.execute(_last_entries(some)).mappings():
            standing = rows.standing_from(row)
            found[standing.key] = standing
    return found


def _last_entries(keys: Sequence[str]) -> Select[*tuple[Any, ...]]:
    found = queries.standings().where(records.c.record_key.in_(keys))
    return found.order_by(records.c.record_key).with_for_update(of=records)


@contextmanager
def _begun(engine: Engine) -> Iterator[Connection]:
    with engine.execution_options(**{_FOR_WRITING: True}).begin() as connection:
        yield connection


def _parsed(url: str) -> URL:
    try:
        where = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            f"{url!r:.200} is not a database URL; write sqlite:///otel-cost.db or postgresql://user@host/name"
        ) from error
    if where.drivername == "postgresql":
        return where.set(drivername="postgresql+psycopg")
    return where


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _sqlite_path(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def _engine(url: URL, *, waits_s: float = BUSY_TIMEOUT_S) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if _sqlite_path(url) is None:
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url, connect_args={"timeout": waits_s})
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by itself, late and never as IMMEDIATE: _sqlite_begin does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_FOR_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
