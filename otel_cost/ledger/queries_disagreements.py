"""What others say that calls cost, against what they were charged."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, case, func, literal, select

from otel_cost.ledger.queries import within
from otel_cost.ledger.questions import Disagreement, SummaryQuery
from otel_cost.ledger.schema import entries, opinions, records
from otel_cost.model import OpinionSource, Status


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
        within(statement, query)
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
