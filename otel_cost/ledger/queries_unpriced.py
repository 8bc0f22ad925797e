"""Calls without a price: their sums as of any other group, and one of them to show."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, bindparam, func, select

from otel_cost.ledger.queries import dimension, with_last_entry, within
from otel_cost.ledger.queries_sums import summary
from otel_cost.ledger.questions import SummaryQuery, SummaryRow, Unpriced
from otel_cost.ledger.schema import entries, records
from otel_cost.model import Status

_STATUS = "status"
_BY = ("provider", "model", "reason")


def unpriced(connection: Connection, query: SummaryQuery) -> tuple[Unpriced, ...]:
    status = str(Status.UNPRICED)
    if query.filters.get(_STATUS, status) != status:
        return ()
    asked = replace(query, group_by=_BY, filters={**query.filters, _STATUS: status})
    rows = [row for row in summary(connection, asked).rows if row.operations[Status.UNPRICED] > 0]
    rows.sort(key=lambda row: (-row.operations[Status.UNPRICED], row.group))
    return tuple(_unpriced(row, _detail(connection, asked, row)) for row in rows)


def _unpriced(row: SummaryRow, detail: str) -> Unpriced:
    provider, model, reason = row.group
    operations = row.operations[Status.UNPRICED]
    return Unpriced(provider, model, reason, detail, operations, row.input_tokens, row.output_tokens)


def _detail(connection: Connection, query: SummaryQuery, row: SummaryRow) -> str:
    """The newest call's; of what the book said earlier, any call's. Empty where the calls are in an archive."""
    group = [dimension(name) == value for name, value in zip(_BY, row.group, strict=True)]
    if query.as_of_ns is not None:
        earlier = within(select(func.max(entries.c.detail)), query).where(*group, entries.c.operations > 0)
        return str(connection.execute(earlier).scalar() or "")
    # Said in the statement itself, not as a parameter: else the index of such records is not seen to be enough.
    standing = records.c.status == bindparam(None, str(Status.UNPRICED), literal_execute=True)
    newest = (
        select(entries.c.detail)
        .select_from(with_last_entry())
        .where(standing, records.c.start_ns >= query.from_ns, records.c.start_ns < query.to_ns, *group)
        .where(*(dimension(name) == value for name, value in query.filters.items()))
        .order_by(records.c.start_ns.desc())
        .limit(1)
    )
    return str(connection.execute(newest).scalar() or "")
