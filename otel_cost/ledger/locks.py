"""Who does what is to be done once, where several servers keep one book."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

# A server that is cut off without a word must not keep the lock until its kernel gives up, hours later.
_NOTICED_IN_A_MINUTE: Final = (
    "SET tcp_keepalives_idle = 20",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 4",
)


class Lock:
    """One that whoever asks has: for a book that has one server."""

    def held(self) -> bool:
        """Whether this process has it, which it takes where it is free."""
        return True

    def release(self) -> None:
        """Let another one have it. Idempotent."""


class AdvisoryLock(Lock):
    """One of PostgreSQL's, kept for as long as a connection of its own lives: with its process, at the latest.

    Thread-safe. Two processes can believe for a moment that they have it (one is about to learn that its connection
    broke): what is done under it must be right done twice.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        digest = hashlib.sha256(f"otel-cost {name}".encode()).digest()
        self._number = int.from_bytes(digest[:8], signed=True)
        self._connection: Connection | None = None
        self._turn = threading.Lock()

    def held(self) -> bool:
        with self._turn:
            try:
                return self._still() or self._take()
            except SQLAlchemyError:
                self._drop()
                return False

    def release(self) -> None:
        with self._turn:
            self._drop()

    def _still(self) -> bool:
        if self._connection is not None:
            self._connection.execute(select(1))
        return self._connection is not None

    def _take(self) -> bool:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # Ours alone: the pool must not hand on a connection that holds a lock.
        connection.detach()
        self._connection = connection
        if not connection.execute(select(func.pg_try_advisory_lock(self._number))).scalar():
            self._drop()
            return False
        for setting in _NOTICED_IN_A_MINUTE:
            connection.execute(text(setting))
        return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):  # it broke
                connection.close()  # for good: it is not the pool's any more
