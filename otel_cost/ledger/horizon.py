"""Since when the book has every call by itself. Before that it has sums: see ``otel_cost.ledger.retention``."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from otel_cost.errors import ArchivedError
from otel_cost.ledger.schema import DAY_NS, archived


def horizon_ns(connection: Connection) -> int:
    """Where the calls begin that are not closed (UTC ns, a midnight); 0 where none is."""
    last = connection.execute(select(func.max(archived.c.day_ns))).scalar()
    return 0 if last is None else int(last) + DAY_NS


def require_kept(connection: Connection, from_ns: int) -> None:
    """Return if every call since ``from_ns`` (UTC ns) is in the book by itself; ArchivedError if some are not."""
    horizon = horizon_ns(connection)
    if from_ns < horizon:
        raise ArchivedError(
            f"calls before {day_name(horizon)} (UTC) are archived: ask from then on. Of the days before, the book has"
            " the sums as they are now: by provider, model, team and the like, and by session and user"
        )


def require_listed(connection: Connection, from_ns: int, to_ns: int) -> None:
    """As :func:`require_kept`, for lists: one that is to begin with the oldest (0) begins where there are calls."""
    if from_ns or to_ns <= horizon_ns(connection):
        require_kept(connection, from_ns)


def day_name(day_ns: int) -> str:
    return datetime.fromtimestamp(day_ns // 10**9, UTC).date().isoformat()
