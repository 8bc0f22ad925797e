"""The calls themselves, one by one: records with their present verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, tuple_

from otel_cost.ledger import rows as stored
from otel_cost.ledger.queries import dimension, standings
from otel_cost.ledger.questions import BookedCall, CallQuery
from otel_cost.ledger.schema import records
from otel_cost.model import Caller, CostRecord, Kind, Layer, Usage, record_key

_LAST: Final = "z" * 40
"""After any span's id, in whatever order a database has letters and digits."""


def calls(connection: Connection, query: CallQuery) -> tuple[BookedCall, ...]:
    place = (records.c.start_ns, records.c.record_key)
    statement = (
        standings()
        .where(records.c.start_ns >= query.from_ns, records.c.start_ns < query.to_ns)
        .where(*(dimension(name) == value for name, value in query.filters.items()))
        .order_by(*(column.desc() for column in place))
        .limit(query.limit)
    )
    if query.after is not None:
        # The first condition is the second's consequence: it lets the index find the page's start.
        statement = statement.where(records.c.start_ns <= query.after[0], tuple_(*place) < query.after)
    return tuple(_call(row) for row in connection.execute(statement).mappings())


def calls_of_trace(connection: Connection, trace_id: str) -> tuple[BookedCall, ...]:
    """Keys begin with the trace's id, so the calls are a range of the primary key."""
    trace = stored.text(trace_id)
    statement = (
        standings()
        .where(records.c.record_key >= record_key(trace, ""), records.c.record_key <= record_key(trace, _LAST))
        .where(records.c.trace_id == trace)
        .order_by(records.c.start_ns, records.c.record_key)
    )
    return tuple(_call(row) for row in connection.execute(statement).mappings())


def _call(row: Mapping[Any, Any]) -> BookedCall:
    standing = stored.standing_from(row)
    caller = Caller(row["caller_route"], row["caller_address"], row["caller_token_hash"])
    record = CostRecord(
        key=standing.key,
        trace_id=standing.trace_id,
        span_id=row["span_id"],
        parent_span_id=row["parent_span_id"],
        start_ns=standing.occurred_ns,
        end_ns=row["end_ns"],
        operation=row["operation"],
        provider=row["provider"],
        model_requested=row["model_requested"],
        model_answered=row["model_answered"],
        charge=standing.charge,
        usage=Usage(standing.counts) if row["usage"] is not None else None,
        kind=Kind(row["kind"]),
        response_id=row["response_id"],
        labels=standing.labels,
        caller=caller,
        process=row["process"],
        scope=row["scope"],
        layer=Layer(row["layer"]),
        streaming=bool(row["streaming"]),
        sampled=bool(row["sampled"]),
        finish_reason=row["finish_reason"],
        error=standing.error,
        time_to_first_chunk_s=row["time_to_first_chunk_s"],
        counted_as=standing.counted_as,
        terms=standing.called.terms,
    )
    return BookedCall(record, booked_ns=int(row["entry_booked_ns"]), corrected=standing.sequence > 0)
