"""How many calls failed, from the roll-ups."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select

from otel_cost.ledger.base import SETTLED_ELSEWHERE
from otel_cost.ledger.schema import QUARTER_NS, dims, rollups_15min
from otel_cost.model import Status

_STANDING: Final = tuple(str(status) for status in Status if status not in SETTLED_ELSEWHERE)


def failed_calls(connection: Connection, from_ns: int, to_ns: int) -> int:
    """Calls that stand for themselves and ended with an error, by their start; in whole quarters of an hour."""
    found = (
        select(func.coalesce(func.sum(rollups_15min.c.operations), 0))
        .join(dims, dims.c.id == rollups_15min.c.dims_id)
        .where(rollups_15min.c.start_ns >= from_ns - from_ns % QUARTER_NS, rollups_15min.c.start_ns < to_ns)
        .where(dims.c.failed != "", dims.c.status.in_(_STANDING))
    )
    return int(connection.execute(found).scalar() or 0)
