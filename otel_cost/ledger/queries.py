"""Questions to the book, as SQL: every answer is a sum over entries, joined with the records they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Join,
    Label,
    RowMapping,
    Select,
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
)

from otel_cost.ledger import rows as stored
from otel_cost.ledger.base import SETTLED_ELSEWHERE, Standing
from otel_cost.ledger.questions import (
    LABEL_COLUMNS,
    RECORD_FIELDS,
    VERDICT_FIELDS,
    Disagreement,
    Summary,
    SummaryQuery,
    SummaryRow,
    Unpriced,
    Used,
)
from otel_cost.ledger.schema import PART_COLUMNS, entries, opinions, records
from otel_cost.model import Called, Kind, OpinionSource, Status, Terms
from otel_cost.units import UNITS

_SUMS: Final = ("amount_nano", "list_nano", *PART_COLUMNS, "input_tokens", "output_tokens")


def summary(connection: Connection, query: SummaryQuery) -> Summary:
    groups = [dimension(name).label(f"group_{index}") for index, name in enumerate(query.group_by)]
    found = connection.execute(_sums(query, groups)).mappings().all()
    rows = [_row(row, len(groups)) for row in found if _happened(row)]
    rows.sort(key=lambda row: (-row.amount_nano, -row.calls, row.group))
    return Summary(query=query, total=_total(rows), rows=tuple(rows))


def unpriced(connection: Connection, query: SummaryQuery) -> tuple[Unpriced, ...]:
    by = (records.c.provider, records.c.model, entries.c.reason)
    calls = func.sum(entries.c.operations).label("operations")
    statement = (
        _within(
            select(
                *by,
                calls,
                func.max(entries.c.detail).label("detail"),
                _sum("input_tokens"),
                _sum("output_tokens"),
            ),
            query,
        )
        .where(entries.c.status == str(Status.UNPRICED))
        .group_by(*by)
        .having(calls > 0)
        .order_by(calls.desc(), *by)
    )
    return tuple(
        Unpriced(
            provider=row["provider"],
            model=row["model"],
            reason=row["reason"],
            detail=row["detail"],
            operations=int(row["operations"]),
            input_tokens=int(row["input_tokens"]),
            output_tokens=int(row["output_tokens"]),
        )
        for row in connection.execute(statement).mappings()
    )


def disagreements(connection: Connection, query: SummaryQuery) -> tuple[Disagreement, ...]:
    by = (records.c.provider, records.c.model, opinions.c.source)
    disagreeing = opinions.c.disagrees.is_(True)
    off = func.abs(opinions.c.amount_nano - opinions.c.against_nano)

    def over(column: ColumnElement[int]) -> ColumnElement[int]:
        return func.sum(case((disagreeing, column), else_=0))

    statement = (
        _posted_with(
            select(
                *by,
                func.count().label("compared"),
                over(literal(1)).label("disagreeing"),
                over(opinions.c.amount_nano).label("stated_nano"),
                over(opinions.c.against_nano).label("against_nano"),
                func.max(case((disagreeing, off), else_=0)).label("farthest"),
            ),
            query,
        )
        .group_by(*by)
        .order_by(over(off).desc(), *by)
    )
    found = connection.execute(statement).mappings().all()
    return tuple(_disagreement(row, _example(connection, query, row)) for row in found)


def _example(connection: Connection, query: SummaryQuery, row: RowMapping) -> str:
    """The key of the call whose opinion is farthest off in the group of ``row``."""
    if not row["disagreeing"]:
        return ""
    group = [column == row[column.name] for column in (records.c.provider, records.c.model, opinions.c.source)]
    off = func.abs(opinions.c.amount_nano - opinions.c.against_nano)
    statement = _posted_with(select(func.min(opinions.c.record_key)), query)
    found = connection.execute(statement.where(*group, opinions.c.disagrees.is_(True), off == row["farthest"]))
    return str(found.scalar_one())


def _posted_with(statement: Select[*tuple[Any, ...]], query: SummaryQuery) -> Select[*tuple[Any, ...]]:
    """Opinions that were compared with something, joined with the entry that they belong to; of each record those of
    its last posting only. What turned out to be a wrapper later is left out: its cost is the sum of others."""
    later = opinions.alias("later")
    newer = select(later.c.sequence).where(
        later.c.record_key == opinions.c.record_key, later.c.sequence > opinions.c.sequence
    )
    return (
        _within(statement, query)
        .where(opinions.c.record_key == entries.c.record_key, opinions.c.sequence == entries.c.sequence)
        .where(opinions.c.against_nano.is_not(None), records.c.status != str(Status.WRAPPER), ~newer.exists())
    )


def _disagreement(row: RowMapping, example: str) -> Disagreement:
    return Disagreement(
        provider=row["provider"],
        model=row["model"],
        source=OpinionSource(row["source"]),
        compared=int(row["compared"]),
        disagreeing=int(row["disagreeing"]),
        stated_nano=int(row["stated_nano"]),
        against_nano=int(row["against_nano"]),
        example=example,
    )


def standings() -> Select[*tuple[Any, ...]]:
    """Records with their last entries, whose columns are prefixed ``entry_``."""
    last = [column.label(f"entry_{column.name}") for column in entries.c]
    return select(*records.c, *last).select_from(_with_last_entry())


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
        .select_from(_with_last_entry())
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


_COUNTED: Final = tuple(str(status) for status in Status if status.counted)


def _with_last_entry() -> Join:
    last = (entries.c.record_key == records.c.record_key) & (entries.c.sequence == records.c.sequence)
    return records.join(entries, last)


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


def _sum(column: str) -> ColumnElement[int]:
    return func.coalesce(func.sum(entries.c[column]), 0).label(column)


def _sums(query: SummaryQuery, groups: Sequence[Label[str]]) -> Select[*tuple[Any, ...]]:
    by_status = [
        func.sum(case((entries.c.status == str(status), entries.c.operations), else_=0)).label(f"status_{status}")
        for status in Status
    ]
    statement = _within(select(*groups, *map(_sum, _SUMS), *by_status), query)
    # By the label's name: repeating a label's extraction would be another expression to some databases.
    return statement.group_by(*(group.name for group in groups)) if groups else statement


def _within(statement: Select[*tuple[Any, ...]], query: SummaryQuery) -> Select[*tuple[Any, ...]]:
    statement = (
        statement.select_from(entries.join(records))
        .where(entries.c.occurred_ns >= query.from_ns)
        .where(entries.c.occurred_ns < query.to_ns)
    )
    if query.as_of_ns is not None:
        statement = statement.where(entries.c.booked_ns <= query.as_of_ns)
    for name, value in query.filters.items():
        statement = statement.where(dimension(name) == value)
    return statement


def _happened(row: RowMapping) -> bool:
    """A group whose every verdict was taken back (a corrected status, say) sums to nothing: it is not a group."""
    return any(row[f"status_{status}"] for status in Status)


def _row(row: RowMapping, groups: int) -> SummaryRow:
    return SummaryRow(
        group=tuple(str(row[f"group_{index}"]) for index in range(groups)),
        amount_nano=int(row["amount_nano"]),
        list_nano=int(row["list_nano"]),
        parts=tuple(int(row[column]) for column in PART_COLUMNS),
        operations={status: int(row[f"status_{status}"]) for status in Status if row[f"status_{status}"]},
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
    )


def _total(rows: Sequence[SummaryRow]) -> SummaryRow:
    return SummaryRow(
        group=(),
        amount_nano=sum(row.amount_nano for row in rows),
        list_nano=sum(row.list_nano for row in rows),
        parts=tuple(sum(row.parts[index] for row in rows) for index in range(len(PART_COLUMNS))),
        operations={
            status: count for status in Status if (count := sum(row.operations.get(status, 0) for row in rows))
        },
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
    )
