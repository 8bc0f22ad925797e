"""SQLite as a store's database: one file that the processes of a host share.

The file is in WAL mode (readers wait for nobody) with a sync at checkpoints: what was committed survives the process,
and a power cut may take the last moments. Whoever finds it busy tries again after a random pause: SQLite's own waiting
sleeps the same ever longer times in every process. With 32 processes at one row nobody waited for more than 3 s.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from otel_cost.budgets.stores import schema
from otel_cost.budgets.stores.database import (
    BUSY_S,
    Contended,
    Dialect,
    Guard,
    Row,
    Session,
    Statement,
    until_not_contended,
)
from otel_cost.budgets.stores.sql import SqlStore
from otel_cost.errors import BudgetStoreBusy, BudgetStoreUnavailable, ConfigError
from otel_cost.forking import after_fork_in_child, around_fork

T = TypeVar("T")

_OLDEST: Final = (3, 35)
"""The first SQLite with RETURNING."""
_FORK_WAIT_S: Final = 2.0
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
DIALECT: Final = Dialect(
    for_update="",
    has_table="SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
    types={"BYTES": "BLOB", "BIG": "INTEGER", "ID": "INTEGER PRIMARY KEY AUTOINCREMENT"},
)


def open_sqlite(path: Path | str, *, busy_s: float = BUSY_S) -> SqlStore:
    """The store in a file, which is made where missing; its directory has to be there.

    Where the file cannot be opened now, every call will try again.

    Args:
        busy_s: Seconds that a call waits for other processes.

    Raises:
        ConfigError: the file belongs to a later release, or this Python's SQLite is older than 3.35.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        raise ConfigError(f"budgets in SQLite need SQLite 3.35 or later, and this Python has {sqlite3.sqlite_version}")
    where = Path(path).absolute()
    return SqlStore(schema.prepared(SqliteDatabase(where, busy_s=busy_s), str(where)))


class _Session:
    """A transaction on the one connection."""

    dialect = DIALECT

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.undone = False

    def run(self, *statements: Statement) -> list[list[Row]]:
        execute = self._connection.execute
        return [execute(statement.sql, statement.params).fetchall() for statement in statements]

    def at_end(self, statements: Iterable[Statement]) -> None:
        self.run(*statements)

    def undo(self) -> None:
        self.undone = True


class SqliteDatabase:
    """See :class:`otel_cost.budgets.stores.database.Database`. One connection a process, used by one thread at a time.

    A file that is gone stays gone until somebody puts one there: making a new one would forget what was spent.
    """

    dialect = DIALECT

    def __init__(self, path: Path, *, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._inode: int | None = None
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._left_behind: list[sqlite3.Connection] = []
        self._holds_for_fork = False
        self._generation = 0
        self._renew_lock()
        around_fork(self._before_fork, self._after_fork_in_parent)
        after_fork_in_child(self._after_fork_in_child)

    @property
    def generation(self) -> int:
        return self._generation

    def transact(
        self, work: Callable[[Session], T], *, guard: Guard = "", patient: bool = False, lasting: bool = True
    ) -> T:
        return self._retried(work, "BEGIN IMMEDIATE")

    def read(self, work: Callable[[Session], T], *, patient: bool = False) -> T:
        return self._retried(work, "BEGIN")

    def close(self) -> None:
        with self._alone():
            self._closed = True
            self._drop()

    # --- one transaction ----------------------------------------------------------------------------------------------

    def _retried(self, work: Callable[[Session], T], begin: str) -> T:
        def attempt() -> T:
            with self._alone(), self._border():
                return self._once(work, begin)

        return until_not_contended(attempt, str(self._path), busy_s=self._busy_s)

    def _once(self, work: Callable[[Session], T], begin: str) -> T:
        connection = self._connected()
        connection.execute(begin)
        try:
            session = _Session(connection)
            answer = work(session)
            connection.execute("ROLLBACK" if session.undone else "COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return answer

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._busy_s):
            raise BudgetStoreBusy(f"{self._path} was kept busy by this process for {self._busy_s:g} s")
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _border(self) -> Iterator[None]:
        """What SQLite raises, in the kinds that callers know."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise Contended from error  # both made the same thing: look again, now it is there
        except sqlite3.DatabaseError as error:
            # Extended codes have the plain one in their lowest byte.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
                raise Contended from error
            if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                self._drop()
                self._generation += 1
                raise BudgetStoreUnavailable(f"{self._path}: {error}") from error
            raise

    # --- the connection -----------------------------------------------------------------------------------------------

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise BudgetStoreUnavailable(f"{self._path} was closed")
        if self._connection is not None:
            self._check_file()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _check_file(self) -> None:
        """SQLite would go on writing to a file that nobody finds any more."""
        inode = _inode(self._path)
        if inode != self._inode:
            self._drop()
            self._generation += 1
            what = "is gone" if inode is None else "is another file now, and is opened with the next call"
            raise BudgetStoreUnavailable(f"{self._path} {what}")

    def _connect(self) -> sqlite3.Connection:
        mode = "rwc" if self._inode is None else "rw"
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode={mode}", uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error:
            connection.close()
            raise
        self._inode = _inode(self._path)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # --- forks --------------------------------------------------------------------------------------------------------
    # SQLite's locks belong to the process, and what it remembers of them is copied by a fork: a child would believe
    # that it has locks that it has not, and lose what it writes. So nothing is open while a process forks.

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def _before_fork(self) -> None:
        self._holds_for_fork = self._lock.acquire(timeout=_FORK_WAIT_S)
        if self._holds_for_fork:
            self._drop()

    def _after_fork_in_parent(self) -> None:
        if self._holds_for_fork:
            self._holds_for_fork = False
            self._lock.release()

    def _after_fork_in_child(self) -> None:
        self._renew_lock()
        if self._connection is not None:
            self._left_behind.append(self._connection)  # closing it here would drop the parent's locks
            self._connection = None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
