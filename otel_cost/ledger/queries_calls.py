"""The calls themselves, one by one: records with their present verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, literal_column, tuple_

from otel_cost.ledger import rows as stored
from otel_cost.ledger.narrowing import where_calls_are
from otel_cost.ledger.queries import dimension, standings
from otel_cost.ledger.questions import BookedCall, CallQuery
from otel_cost.ledger.schema import records
from otel_cost.ledger.spans import spans_of, spans_value
from otel_cost.model import Caller, CostRecord, Kind, Layer, Status, Usage, record_key

_LAST: Final = "z" * 40
"""After any span's id, in whatever order a database has letters and digits."""
_STATUS: Final = "status"
_STATUSES: Final = frozenset(map(str, Status))
_SPANS: Final = "spans"
_SHAPES_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement depends on beside its parameters."""

    dialect: str
    filters: tuple[str, ...]
    status: str | None
    after: bool
    spans: bool


def calls(connection: Connection, query: CallQuery) -> tuple[BookedCall, ...]:
    filters = {name: value for name, value in query.filters.items() if name != _STATUS}
    status = query.filters.get(_STATUS)
    if status is not None and status not in _STATUSES:
        return ()
    spans = where_calls_are(connection, query)
    shape = _Shape(connection.dialect.name, tuple(filters), status, query.after is not None, spans is not None)
    given: dict[str, object] = {"most": query.limit}
    if spans is None:
        given |= {"from_ns": query.from_ns, "to_ns": query.to_ns}
    else:
        given[_SPANS] = spans_value(spans)
    given.update({f"filter_{index}": value for index, value in enumerate(filters.values())})
    if query.after is not None:
        given["after_ns"], given["after_key"] = query.after
    return tuple(_call(row) for row in connection.execute(_statement(shape), given).mappings())


@lru_cache(_SHAPES_KEPT)
def _statement(shape: _Shape) -> Any:
    start_ns, key = records.c.start_ns, records.c.record_key
    if shape.spans:  # which are within the period
        spans = spans_of(_SPANS, shape.dialect)
        statement = standings().where(start_ns >= spans.c.start_ns, start_ns < spans.c.end_ns)
    else:
        statement = standings().where(start_ns >= bindparam("from_ns"), start_ns < bindparam("to_ns"))
    if shape.status is not None:
        # In the statement itself: of a parameter nobody knows whether an index of few calls has all it stands for.
        statement = statement.where(records.c.status == literal_column(f"'{Status(shape.status)}'"))
    for index, name in enumerate(shape.filters):
        statement = statement.where(dimension(name) == bindparam(f"filter_{index}"))
    if shape.after:
        after = tuple_(bindparam("after_ns", type_=start_ns.type), bindparam("after_key", type_=key.type))
        statement = statement.where(tuple_(start_ns, key) < after)
        if not shape.spans:
            # The other condition's consequence: it lets the index find the page's start.
            statement = statement.where(start_ns <= bindparam("after_ns"))
    return statement.order_by(start_ns.desc(), key.desc()).limit(bindparam("most"))


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
