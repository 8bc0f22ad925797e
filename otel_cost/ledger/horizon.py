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
    """Return if every call since ``from_ns`` (UTC ns) is in the book by itself.

    Raises:
        ArchivedError: some are not. The text says where the files are.
    """
    horizon = horizon_ns(connection)
    if from_ns >= horizon:
        return
    place = connection.execute(select(archived.c.place).order_by(archived.c.day_ns.desc()).limit(1)).scalar_one()
    where = f"archived in {place}" if place else "no longer kept one by one"
    raise ArchivedError(
        f"calls before {day_name(horizon)} (UTC) are {where}: ask from then on. For before that the book still has the"
        " sums by provider, model, team and the other few, and by session and user, as they are now"
    )


def day_name(day_ns: int) -> str:
    return datetime.fromtimestamp(day_ns // 10**9, UTC).date().isoformat()
