"""The sums that are kept beside the entries, made out of the entries themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, select

from otel_cost.ledger.base import Entry, EntryKind
from otel_cost.ledger.queries import of_its_record
from otel_cost.ledger.questions import LABEL_COLUMNS, RECORD_FIELDS
from otel_cost.ledger.rollups import RollUps
from otel_cost.ledger.saving import Saver
from otel_cost.ledger.schema import PART_COLUMNS, entries, records
from otel_cost.model import Charge, PricingModel, Reason, Status

_AT_ONCE: Final = 2000
_OF_RECORDS: Final = ("labels", "trace_id", "end_ns", "error", *RECORD_FIELDS, *LABEL_COLUMNS)


def sum_up(connection: Connection, from_ns: int, told: Callable[[int], None] = lambda _done: None) -> int:
    """Add every entry of calls that started at ``from_ns`` (UTC ns) or later to the sums; within the transaction under
    way, where these sums are empty. In memory is a piece at a time, whose size goes to ``told``.

    Returns:
        How many entries there were.
    """
    rollups, saver, summed = RollUps(), Saver(""), 0
    for some in _pieces(connection, entries.c.occurred_ns >= from_ns):
        added = rollups.of(some)
        saver.add(connection, added)
        saver.committed(added)
        summed += len(some)
        told(len(some))
    return summed


def entries_of(connection: Connection, from_ns: int, to_ns: int) -> Iterator[Entry]:
    """The entries of calls that started in a period (UTC ns, without its end), as far as they are summed."""
    for some in _pieces(connection, entries.c.occurred_ns >= from_ns, entries.c.occurred_ns < to_ns):
        yield from some


def _pieces(connection: Connection, *within: ColumnElement[bool]) -> Iterator[list[Entry]]:
    statement = (
        select(entries, *(records.c[name].label(f"record_{name}") for name in _OF_RECORDS))
        .join_from(records, entries, of_its_record())
        .where(*within)
    )
    found = connection.execute(statement, execution_options={"yield_per": _AT_ONCE})
    for rows in found.mappings().partitions():
        yield list(map(entry_from, rows))


def entry_from(row: Mapping[Any, Any]) -> Entry:
    """An entry as far as it is summed, out of its row joined with its record's (prefixed ``record_``)."""
    sign = int(row["operations"])
    parts = tuple(sign * int(row[column]) for column in PART_COLUMNS)
    labels = row["record_labels"] if isinstance(row["record_labels"], dict) else {}
    named = {name: str(row[f"record_{name}"]) for name in (*RECORD_FIELDS, *LABEL_COLUMNS)}
    return Entry(
        record_key=str(row["record_key"]),
        sequence=int(row["sequence"]),
        kind=EntryKind(row["entry"]),
        operations=sign,
        charge=Charge(
            status=Status(row["status"]),
            reason=Reason(row["reason"]) if row["reason"] else None,
            amount_nano=sign * int(row["amount_nano"]),
            list_nano=sign * int(row["list_nano"]),
            parts=(parts[0], parts[1], parts[2], parts[3], parts[4]),
            pricing_model=PricingModel(row["pricing_model"]),
        ),
        occurred_ns=int(row["occurred_ns"]),
        usage={name: sign * int(row[name]) for name in ("input_tokens", "output_tokens")},
        dimensions={**{str(name): str(value) for name, value in labels.items()}, **named},
        trace_id=str(row["record_trace_id"]),
        duration_ns=max(0, int(row["record_end_ns"]) - int(row["occurred_ns"])),
        failed=bool(row["record_error"]),
    )
