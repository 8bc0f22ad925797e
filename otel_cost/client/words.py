"""The words in which questions are asked: periods, filters, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

from otel_cost.client.transport import Query
from otel_cost.model import EMPTY

When = datetime | date | str | None
"""A time with a zone, a date (its first moment, UTC), or either as ISO 8601 text."""
Filters = Mapping[str, str]
"""Exact values by field or label; ``label.<name>`` for labels that the server does not know; "" is: has none."""
COSTS: Final = "/api/v1/costs"
NONE: Final[Filters] = EMPTY


def asked(start: When, end: When, days: int | None, where: Filters, more: Query) -> Query:
    """The query of a question about a period."""
    return {"from": when(start), "to": when(end), "days": days, **more, **where}


def when(at: When) -> str | None:
    """A time as the API reads it."""
    return at.isoformat() if isinstance(at, date) else at


def names(several: Sequence[str]) -> str | None:
    """Names to group by, as the API reads them."""
    return ",".join(several) or None
