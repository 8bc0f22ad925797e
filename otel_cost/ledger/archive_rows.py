"""Calls out of the book as they are archived: a record with its entries and opinions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, select, tuple_

from otel_cost.ledger.schema import entries, opinions, records

ENTRY_COLUMNS: Final[Sequence[Column[Any]]] = [
    column for column in entries.columns if column.name not in ("id", "record_key")
]
OPINION_COLUMNS: Final[Sequence[Column[Any]]] = [column for column in opinions.columns if column.name != "record_key"]

_PAGE: Final = 500

Row = Mapping[str, Any]


def calls(connection: Connection, from_ns: int, to_ns: int) -> Iterator[Row]:
    """Calls that started from ``from_ns`` (inclusive) to ``to_ns`` (exclusive, UTC ns), by start and key, in the form
    that they are archived in. In memory is a page of them."""
    place = tuple_(records.c.start_ns, records.c.record_key)
    page = select(*records.c).where(records.c.start_ns < to_ns).order_by(*place).limit(_PAGE)
    after = (from_ns, "")
    while True:
        # The first condition is the second's consequence: it lets the index find the page's start.
        found = connection.execute(page.where(records.c.start_ns >= after[0], place > after)).mappings().all()
        if not found:
            return
        after = (int(found[-1]["start_ns"]), str(found[-1]["record_key"]))
        keys = [str(row["record_key"]) for row in found]
        posted = _by_key(connection, entries, ENTRY_COLUMNS, keys, (int(found[0]["start_ns"]), after[0]))
        heard = _by_key(connection, opinions, OPINION_COLUMNS, keys, None)
        for row, key in zip(found, keys, strict=True):
            yield {**row, "entries": posted.get(key, []), "opinions": heard.get(key, [])}


def _by_key(
    connection: Connection,
    table: Table,
    columns: Sequence[Column[Any]],
    keys: Sequence[str],
    within: tuple[int, int] | None,
) -> Mapping[str, list[Row]]:
    """Rows of ``table`` by the call they belong to, in order; ``within`` says in which months to look."""
    statement = select(table.c.record_key, *columns).where(table.c.record_key.in_(keys))
    if within is not None:
        statement = statement.where(table.c.occurred_ns.between(*within))
    order = [table.c.sequence, *([table.c.source] if table is opinions else [])]
    found: dict[str, list[Row]] = {}
    for row in connection.execute(statement.order_by(*order)).mappings():
        found.setdefault(str(row["record_key"]), []).append({column.name: row[column.name] for column in columns})
    return found
