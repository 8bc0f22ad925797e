"""Records with the entries that hold their present verdicts, and what other questions are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Join, Select, cast, func, select, tuple_

from otel_cost.ledger import rows as stored
from otel_cost.ledger.base import SETTLED_ELSEWHERE, Standing
from otel_cost.ledger.questions import LABEL_COLUMNS, RECORD_FIELDS, VERDICT_FIELDS, SummaryQuery, Used
from otel_cost.ledger.schema import entries, records
from otel_cost.model import Called, CostRecord, Kind, Status, Terms
from otel_cost.units import UNITS


def standings() -> Select[*tuple[Any, ...]]:
    """Records with their last entries, whose columns are prefixed ``entry_``."""
    last = [column.label(f"entry_{column.name}") for column in entries.c]
    return select(*records.c, *last).select_from(with_last_entry())


def standing(
    connection: Connection, from_ns: int, to_ns: int, after: tuple[int, str] | None, limit: int
) -> tuple[Standing, ...]:
    place = (records.c.start_ns, records.c.record_key)
    statement = (
        standings()
        .where(records.c.start_ns >= from_ns, records.c.start_ns < to_ns)
        .where(records.c.status.in_([str(Status.UNPRICED), *_COUNTED]))
        .order_by(*place)
        .limit(limit)
    )
    if after is not None:
        # The first condition is the second's consequence: it lets the index find the page's start.
        statement = statement.where(records.c.start_ns >= after[0], tuple_(*place) > after)
    return tuple(stored.standing_from(row) for row in connection.execute(statement).mappings())


def booked(connection: Connection, keys: Sequence[str]) -> dict[str, bool]:
    statement = select(records.c.record_key, records.c.status).where(records.c.record_key.in_(keys))
    return {row.record_key: Status(row.status) not in SETTLED_ELSEWHERE for row in connection.execute(statement)}


def used(connection: Connection, from_ns: int, to_ns: int) -> tuple[Used, ...]:
    by = (records.c.provider, records.c.model_requested, records.c.model_answered, records.c.server_address)
    listed = func.coalesce(entries.c.paying_list_nano, entries.c.list_nano)
    statement = (
        select(*by, func.sum(listed).label("listed"), *(_used(unit).label(unit) for unit in UNITS))
        .select_from(with_last_entry())
        .where(records.c.start_ns >= from_ns, records.c.start_ns < to_ns)
        .where(records.c.status.in_(_COUNTED), records.c.kind == str(Kind.LLM))
        .group_by(*by)
    )
    return tuple(
        Used(
            called=Called(
                row["provider"],
                row["model_requested"],
                row["model_answered"],
                Terms(server_address=row["server_address"] or ""),
            ),
            counts={unit: int(row[unit]) for unit in UNITS if row[unit]},
            list_nano=int(row["listed"]),
        )
        for row in connection.execute(statement).mappings()
    )


def recent(connection: Connection, since_ns: int, limit: int) -> list[CostRecord]:
    newest = (
        select(records)
        .where(records.c.booked_ns >= since_ns, records.c.trace_id != "")
        .order_by(records.c.booked_ns.desc())
    )
    return [stored.record_from(row) for row in connection.execute(newest.limit(limit)).mappings()][::-1]


_COUNTED: Final = tuple(str(status) for status in Status if status.counted)


def with_last_entry() -> Join:
    """Records joined with the entries of their present verdicts."""
    return records.join(entries, of_its_record() & (entries.c.sequence == records.c.sequence))


def of_its_record() -> ColumnElement[bool]:
    """What joins an entry with its record. The time says in which month it is, where months are tables."""
    return (entries.c.record_key == records.c.record_key) & (entries.c.occurred_ns == records.c.start_ns)


def _used(unit: str) -> ColumnElement[int]:
    # As text first: taken for an integer, some databases would read 32 bits.
    count = cast(records.c.usage[unit].as_string(), BigInteger)
    return func.sum(func.coalesce(count, 1 if unit == "requests" else 0))


def dimension(name: str) -> ColumnElement[str]:
    """The column or the label called ``name``; "" where a record has no such label."""
    if name in VERDICT_FIELDS:
        return entries.c[name]
    if name in RECORD_FIELDS or name in LABEL_COLUMNS:
        return records.c[name]
    return func.coalesce(records.c.labels[name].as_string(), "")


def within(statement: Select[*tuple[Any, ...]], query: SummaryQuery) -> Select[*tuple[Any, ...]]:
    """``statement`` over the entries of ``query`` and their records."""
    statement = (
        statement.select_from(entries.join(records, of_its_record()))
        .where(entries.c.occurred_ns >= query.from_ns)
        .where(entries.c.occurred_ns < query.to_ns)
    )
    if query.as_of_ns is not None:
        statement = statement.where(entries.c.booked_ns <= query.as_of_ns)
    for name, value in query.filters.items():
        statement = statement.where(dimension(name) == value)
    return statement
