"""What a book gained since it was looked at last, whoever wrote it: for servers that share one.

Entries are numbered when they are inserted and seen when their transaction commits, so that a lower number may appear
after a higher one. Numbers that were passed over are looked for until ``PATIENCE_NS`` later; by then whoever had taken
them has given up. (On SQLite writers take turns: a number that is not there was taken out again.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Connection, Select, any_, bindparam, func, select

from otel_cost.ledger import rows
from otel_cost.ledger.schema import entries, records
from otel_cost.model import CostRecord

PATIENCE_NS: Final = 120 * 10**9
"""How long a number that is missing is looked for: longer than any transaction of a server is let run."""
MAX_MISSING: Final = 20_000
_KEYS_A_QUERY: Final = 500
_NAMES: Final = (
    *("record_key", "trace_id", "span_id", "parent_span_id", "start_ns", "end_ns", "operation", "provider"),
    *("model_requested", "model_answered", "status", "usage", "kind", "response_id", "tenant", "process", "scope"),
    *("layer", "counted_as", "error"),
)
_JUDGED_BY: Final = tuple(records.c[name] for name in _NAMES)
_NONE: Final[Mapping[int, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """How far a book was read: all numbers up to ``high`` but ``missing``, with when each was missed first (UTC ns)."""

    high: int = 0
    missing: Mapping[int, int] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class News:
    """How many entries there are beyond a place, up to the number ``high``."""

    count: int
    high: int


def beginning(connection: Connection, now_ns: int) -> Place:
    """A place from which nothing is missed that was under way at ``now_ns``."""
    lately = select(func.min(entries.c.id)).where(entries.c.booked_ns >= now_ns - PATIENCE_NS)
    first = connection.execute(lately).scalar()
    if first is not None:
        return Place(int(first) - 1)
    return Place(int(connection.execute(select(func.max(entries.c.id))).scalar() or 0))


def news(connection: Connection, place: Place) -> News:
    """How much there is beyond ``place``: a look at an index."""
    beyond = select(func.count(), func.max(entries.c.id)).where(entries.c.id > place.high)
    count, high = connection.execute(beyond).one()
    if place.missing:
        count += connection.execute(_among(place.missing, func.count())).scalar() or 0
    return News(int(count), int(high or place.high))


def read(connection: Connection, place: Place, high: int, now_ns: int) -> tuple[tuple[str, ...], Place]:
    """The keys of calls that entries beyond ``place`` are about, up to the number ``high``; and the place there."""
    columns = (entries.c.id, entries.c.record_key)
    beyond = select(*columns).where(entries.c.id > place.high, entries.c.id <= high).order_by(entries.c.id)
    found = [(int(row.id), str(row.record_key)) for row in connection.execute(beyond)]
    if place.missing:
        found = [
            (int(row.id), str(row.record_key)) for row in connection.execute(_among(place.missing, *columns))
        ] + found
    takes_turns = connection.dialect.name == "sqlite"
    missing = _NONE if takes_turns else _missing(place, {number for number, _ in found}, high, now_ns)
    return tuple(dict.fromkeys(key for _, key in found)), Place(high, missing)


def calls(connection: Connection, keys: Sequence[str]) -> list[CostRecord]:
    """The records of spans among ``keys``, as the book has them now: as :meth:`otel_cost.ledger.Ledger.recent`."""
    found: list[CostRecord] = []
    for start in range(0, len(keys), _KEYS_A_QUERY):
        some = records.c.record_key.in_(keys[start : start + _KEYS_A_QUERY])
        statement = select(*_JUDGED_BY).where(some, records.c.trace_id != "").order_by(records.c.booked_ns)
        # As dicts: a row's own mapping looks for each name anew.
        found += [rows.record_from(dict(zip(_NAMES, row, strict=True))) for row in connection.execute(statement)]
    return found


def _among(numbers: Mapping[int, int], *columns: Any) -> Select[*tuple[Any, ...]]:
    # As one array rather than as thousands of parameters.
    wanted = bindparam("numbers", list(numbers), type_=ARRAY(BigInteger))
    return select(*columns).where(entries.c.id == any_(wanted))


def _missing(place: Place, found: Collection[int], high: int, now_ns: int) -> Mapping[int, int]:
    since_ns = now_ns - PATIENCE_NS
    still = {number: at for number, at in place.missing.items() if number not in found and at > since_ns}
    newest = range(max(place.high, high - MAX_MISSING) + 1, high)
    still.update((number, now_ns) for number in newest if number not in found)
    return dict(sorted(still.items())[-MAX_MISSING:])
