"""PostgreSQL as a store's database, for the processes of many hosts.

Transactions are READ COMMITTED. The server gives up waiting for a lock before its client gives up waiting for the
server: so contention, which is tried again, can be told from an outage. Everything a transaction needs is set within
it, which is what poolers of transactions want.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

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
from otel_cost.budgets.stores.deadlines import Abandonable, Alive, Breaker, Watchdog
from otel_cost.budgets.stores.sql import SqlStore
from otel_cost.errors import BudgetStoreBusy, BudgetStoreUnavailable, ConfigError
from otel_cost.forking import after_fork_in_child

T = TypeVar("T")
Connection = psycopg.Connection[Row]

TIMEOUT_S: Final = 0.25
_PATIENCE_S: Final = 10.0
_A_STATEMENT_S: Final = 0.002
"""What each statement of a batch may take beyond the time-out."""
_CONNECT_S: Final = 2
"""When the driver gives up connecting; whoever asked for it has gone long ago. It takes no less."""
_OUTAGE_PAUSE_S: Final = 1.0
_CONNECTIONS: Final = 4
_LOCK_SHARE: Final = 0.4
"""Of the time-out that the server may wait for a lock: one trip may need two of them."""
_DEADEST_CLIENT_S: Final = 5
"""A client that stops in mid-transaction keeps its locks for this long."""

_CONTENDED: Final = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.UniqueViolation,
)
_NO_TABLES: Final = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)
_STANDBY: Final = (errors.ReadOnlySqlTransaction, errors.FeatureNotSupported)
"""A server that cannot write: a replica, or a primary that is none any more. The latter is its word for READ WRITE."""
_OUTAGES: Final = (
    *_STANDBY,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    errors.InsufficientPrivilege,
    *_NO_TABLES,
)
_GUARDS: Final[dict[Guard, list[Statement]]] = {
    "": [],
    "shared": [Statement("SELECT pg_advisory_xact_lock_shared(7305808869231650145)")],
    "alone": [Statement("SELECT pg_advisory_xact_lock(7305808869231650145)")],
    "schema": [Statement("SELECT pg_advisory_xact_lock(7305808869231650146)")],
}
DIALECT: Final = Dialect(
    for_update=" FOR UPDATE",
    has_table=(
        "SELECT count(*) FROM pg_catalog.pg_tables WHERE tablename = ? AND schemaname = ANY (current_schemas(false))"
    ),
    types={"BYTES": "BYTEA", "BIG": "BIGINT", "ID": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"},
)


def open_postgres(url: str, *, timeout_s: float = TIMEOUT_S, busy_s: float = BUSY_S) -> SqlStore:
    """The store in a PostgreSQL database; its tables are made where missing.

    Where the server cannot be reached now, every call will try again.

    Args:
        url: As libpq has it: ``postgresql://user:password@host/database``.
        timeout_s: Seconds to wait for an answer of the server.
        busy_s: Seconds that a call waits for other processes.

    Raises:
        ConfigError: the URL is not one, or the tables belong to a later release.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Not shown, nor the driver's words for it: it may have a password.
        raise ConfigError(
            "the URL of the store of budgets is no PostgreSQL URL; write postgresql://user:password@host/database"
        ) from None
    name = f"postgresql://{parts.get('host') or ''}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"
    return SqlStore(schema.prepared(PostgresDatabase(url, name, timeout_s=timeout_s, busy_s=busy_s), name))


class _Ended(Exception):
    """The connection has ended, with nothing done: with another one it can be tried again."""


class _Session:
    """A transaction on one connection."""

    dialect = DIALECT

    def __init__(
        self, connection: Connection, watchdog: Watchdog, alive: Alive, least_s: float, opening: list[Statement]
    ) -> None:
        self._connection = connection
        self._watchdog = watchdog
        self._alive = alive
        self._least_s = least_s
        self.waited_s = 0.0
        self._opening = opening
        self._ending: list[Statement] = []
        self._undone = False
        self.committing = False
        self.timed_out = False

    def run(self, *statements: Statement) -> list[list[Row]]:
        opening, self._opening = self._opening, []
        return self._send([*opening, *statements])[len(opening) :]

    def at_end(self, statements: Iterable[Statement]) -> None:
        self._ending += statements

    def undo(self) -> None:
        self._undone = True

    def finish(self) -> None:
        """Commit, or roll back."""
        if self._undone:
            self.run(_ROLLBACK)
            return
        self.committing = True
        self.run(*self._ending, _COMMIT)

    def _send(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """All statements in one trip, and what they returned.

        With literals instead of parameters, which is how PostgreSQL takes several statements at once. It is also
        quicker than a pipeline of them, and a pooler needs to know nothing about it.
        """
        cursor = psycopg.ClientCursor(self._connection)
        self.waited_s = max(self._least_s, self._alive.seconds()) + _A_STATEMENT_S * len(statements)
        with self._watchdog.watching(self._connection.fileno(), self.waited_s) as watched:
            try:
                cursor.execute(_spelled(statements), [param for statement in statements for param in statement.params])
                return list(_answers(cursor))
            finally:
                self.timed_out = watched.cut
                if not self._connection.closed:
                    self._alive.answered()


def _spelled(statements: Sequence[Statement]) -> bytes:
    """Statements with psycopg's placeholders."""
    return "; ".join(statement.sql for statement in statements).replace("?", "%s").encode()


def _answers(cursor: psycopg.Cursor[Row]) -> Iterator[list[Row]]:
    """What each statement returned."""
    more: bool | None = True
    while more:
        yield cursor.fetchall() if cursor.description else []
        more = cursor.nextset()


_COMMIT: Final = Statement("COMMIT")
_ROLLBACK: Final = Statement("ROLLBACK")


class PostgresDatabase:
    """See :class:`otel_cost.budgets.stores.database.Database`. A few connections, each used by one thread at a time."""

    dialect = DIALECT

    def __init__(self, url: str, name: str, *, timeout_s: float, busy_s: float) -> None:
        self._url = url
        self._name = name
        self._timeout_s = timeout_s
        self._alive = Alive(timeout_s)
        self._busy_s = busy_s
        self._idle: list[Connection] = []
        self._left_behind: list[Connection] = []
        self._generation = 0
        self._closed = False
        self._lock_ms = max(1, round(timeout_s * _LOCK_SHARE * 1000))
        self._renew()
        after_fork_in_child(self._after_fork)

    def _renew(self) -> None:
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self._watchdog = Watchdog()
        self._breaker = Breaker(_OUTAGE_PAUSE_S)
        self._connecting = Abandonable(self._connect, _dispose, at_once=_CONNECTIONS)

    def _after_fork(self) -> None:
        """The connections are the parent's; not even closing them is right, since that would tell the server."""
        self._left_behind += self._idle
        self._idle = []
        self._renew()

    @property
    def generation(self) -> int:
        return self._generation

    def transact(
        self, work: Callable[[Session], T], *, guard: Guard = "", patient: bool = False, lasting: bool = True
    ) -> T:
        begin = [
            Statement("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
            Statement(f"SET LOCAL lock_timeout = {self._lock_ms}"),
            Statement(f"SET LOCAL idle_in_transaction_session_timeout = '{_DEADEST_CLIENT_S}s'"),
        ]
        if not lasting:
            begin.append(Statement("SET LOCAL synchronous_commit = off"))
        return self._retried(work, [*begin, *_GUARDS[guard]], patient)

    def read(self, work: Callable[[Session], T], *, patient: bool = False) -> T:
        return self._retried(work, [Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")], patient)

    def close(self) -> None:
        self._closed = True
        self._close_idle()

    # --- one transaction ----------------------------------------------------------------------------------------------

    def _retried(self, work: Callable[[Session], T], opening: list[Statement], patient: bool) -> T:
        least_s = _PATIENCE_S if patient else 0.0

        def attempt() -> T:
            with self._place():
                return self._attempt(work, opening, least_s)

        return until_not_contended(attempt, self._name, busy_s=self._busy_s)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._busy_s):
            raise BudgetStoreBusy(f"{self._name} was kept busy by this process for {self._busy_s:g} s")
        try:
            yield
        finally:
            self._places.release()

    def _attempt(self, work: Callable[[Session], T], opening: list[Statement], least_s: float) -> T:
        outage = self._breaker.outage()
        if outage:
            raise BudgetStoreUnavailable(outage)
        if self._closed:
            raise BudgetStoreUnavailable(f"{self._name} was closed")
        used = self._used_before()
        if used is not None:
            try:
                return self._once(used, work, opening, least_s)
            except _Ended:
                self._close_idle()  # the server was restarted: the others have ended too
        try:
            return self._once(self._connected(), work, opening, least_s)
        except _Ended as ended:
            raise self._outage(str(ended)) from ended

    def _once(
        self, connection: Connection, work: Callable[[Session], T], opening: list[Statement], least_s: float
    ) -> T:
        session = _Session(connection, self._watchdog, self._alive, least_s, opening)
        try:
            answer = work(session)
            session.finish()
        except psycopg.Error as error:
            known = self._in_our_terms(error, connection, session)
            if known is None:
                raise
            raise known from error
        finally:
            self._put_back(connection)
        self._breaker.answered()
        return answer

    def _in_our_terms(self, error: psycopg.Error, connection: Connection, session: _Session) -> Exception | None:
        """What an error of the driver means; None for one that should not be."""
        if session.timed_out:
            # An overloaded server is late now and then. Whether it is away shows with the next call: it connects anew.
            return BudgetStoreUnavailable(f"{self._name}: did not answer within {session.waited_s:.3g} s")
        if connection.closed and session.committing:
            return self._outage("ended the connection during a commit: whether that was done is not known")
        if connection.closed:
            return _Ended(_first_line(error))
        if isinstance(error, _CONTENDED):
            return Contended(_first_line(error))
        if isinstance(error, _STANDBY):
            connection.close()  # the server's name may lead to another one by now
            self._close_idle()
        if isinstance(error, _NO_TABLES):
            self._generation += 1
        if isinstance(error, _OUTAGES):
            return BudgetStoreUnavailable(f"{self._name}: {_first_line(error)}")
        return None

    def _outage(self, why: str) -> BudgetStoreUnavailable:
        self._breaker.failed(f"{self._name}: {why}")
        return BudgetStoreUnavailable(f"{self._name}: {why}")

    # --- connections --------------------------------------------------------------------------------------------------

    def _connect(self) -> Connection | psycopg.Error:
        try:
            return psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_S,
                application_name="otel-cost budgets",
            )
        except psycopg.Error as error:
            return error

    def _connected(self) -> Connection:
        seconds = self._alive.seconds()
        try:
            made = self._connecting.within(seconds)
        except TimeoutError as error:
            raise self._outage(f"no connection within {seconds:.3g} s") from error
        if isinstance(made, psycopg.Error):
            raise self._outage(_first_line(made)) from made
        return made

    def _used_before(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _put_back(self, connection: Connection) -> None:
        if not connection.closed and connection.info.transaction_status is not TransactionStatus.IDLE:
            self._roll_back(connection)
        if connection.closed or self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _roll_back(self, connection: Connection) -> None:
        with suppress(psycopg.Error), self._watchdog.watching(connection.fileno(), self._timeout_s):
            connection.execute("ROLLBACK")
        if not connection.closed and connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.close()

    def _close_idle(self) -> None:
        while (connection := self._used_before()) is not None:
            connection.close()


def _first_line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _dispose(late: Connection | psycopg.Error) -> None:
    if isinstance(late, psycopg.Connection):
        late.close()
