"""What the routes read from the book: a question that sees nothing gets the answer of an empty book; sums of sessions,
executions, ... are asked for where the book keeps them, and else made from the calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from otel_cost.ledger.base import Ledger
from otel_cost.ledger.questions import (
    ENTITY_KINDS,
    LABEL_COLUMNS,
    MAX_PAGE,
    RECORD_FIELDS,
    BookedCall,
    CallQuery,
    Disagreement,
    Distribution,
    EntitySums,
    SeriesRow,
    Summary,
    SummaryRow,
    Unpriced,
)
from otel_cost.model import COST_PARTS, Status
from otel_cost.server.access import Principal
from otel_cost.server.parameters import Asked
from otel_cost.server.problems import BadRequest

KEPT: Final = frozenset({*RECORD_FIELDS, "status", "reason", *LABEL_COLUMNS})
"""The names by which sums of entities, and distributions, are kept."""
_NOT_A_LABEL: Final = "trace"


class Reader:
    """Over one ledger. Thread-safe; raises LedgerError as that does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def summary(self, asked: Asked) -> Summary:
        return self._ledger.summary(asked.query) if asked.visible else Summary(asked.query, SummaryRow(()), ())

    def unpriced(self, asked: Asked) -> Sequence[Unpriced]:
        return self._ledger.unpriced(asked.query) if asked.visible else ()

    def disagreements(self, asked: Asked) -> Sequence[Disagreement]:
        return self._ledger.disagreements(asked.query) if asked.visible else ()

    def series(self, asked: Asked, edges: Sequence[int]) -> Sequence[SeriesRow]:
        return self._ledger.series(asked.query, edges) if asked.visible and len(edges) > 1 else ()

    def entities(self, kind: str, asked: Asked, *, entity: str | None = None, limit: int = 100) -> Sequence[EntitySums]:
        """Sums by what ``kind`` (one of ``ENTITY_KINDS``) names, as the ledger has them, of the whole days of
        ``asked``. Where the question is one that it does not keep sums for, first and last calls are not known (0).

        Raises:
            BadRequest: by trace, and that question.
        """
        if not asked.visible:
            return ()
        query = asked.query
        unkept = sorted({*query.filters, *query.group_by} - KEPT)
        if query.as_of_ns is None and not unkept:
            return self._ledger.entities(kind, query, entity=entity, limit=limit)
        if kind == _NOT_A_LABEL:
            raise BadRequest(unkept[0] if unkept else "as_of", "not kept by trace")
        return self._entities_by_call(kind, asked, entity, limit)

    def _entities_by_call(self, kind: str, asked: Asked, entity: str | None, limit: int) -> Sequence[EntitySums]:
        if entity is not None:
            asked = asked.also(**{kind: entity})
        rows = self.summary(asked.by(kind, *asked.query.group_by)).rows
        found = [EntitySums(row.group[0], replace(row, group=row.group[1:]), 0, 0) for row in rows if row.group[0]]
        return found[:limit]

    def distributions(self, asked: Asked, quantiles: Sequence[float]) -> Sequence[Distribution]:
        """Raises BadRequest for names by which no distributions are kept."""
        for name in (*asked.query.group_by, *asked.query.filters):
            if name not in KEPT:
                raise BadRequest(name, f"statistics are kept by {', '.join(sorted(KEPT))}; not by {name}")
        return self._ledger.distributions(asked.query, quantiles) if asked.visible else ()

    def calls(self, query: CallQuery, *, visible: bool) -> Sequence[BookedCall]:
        return self._ledger.calls(query) if visible else ()

    def all_calls(self, query: CallQuery, *, visible: bool) -> Iterator[Sequence[BookedCall]]:
        """Page by page; there is always a first one, which may be empty."""
        while True:
            page = self.calls(replace(query, limit=MAX_PAGE), visible=visible)
            yield page
            if len(page) < MAX_PAGE:
                return
            query = replace(query, after=place_of(page[-1]))

    def calls_of_trace(self, trace_id: str, who: Principal) -> Sequence[BookedCall]:
        return [call for call in self.calls_of(trace_id) if who.sees(call.record.labels)]

    def calls_of(self, trace_id: str) -> Sequence[BookedCall]:
        """Whoever may see them."""
        return self._ledger.calls_of_trace(trace_id)

    def known(self, keys: Sequence[str]) -> Mapping[str, bool]:
        return self._ledger.booked(keys)


def place_of(call: BookedCall) -> tuple[int, str]:
    """Where the page after the one that ends with ``call`` begins."""
    return call.record.start_ns, call.record.key


def is_entity(name: str) -> bool:
    return name in ENTITY_KINDS


def row_of(calls: Sequence[BookedCall], group: tuple[str, ...] = ()) -> SummaryRow:
    """The sums over calls, as the row of ``group``."""
    counted = [call.record for call in calls if call.record.charge.status.counted]
    usages = [
        call.record.usage
        for call in calls
        if call.record.usage is not None and call.record.charge.status not in (Status.WRAPPER, Status.DUPLICATE)
    ]
    return SummaryRow(
        group=group,
        amount_nano=sum(record.charge.amount_nano for record in counted),
        list_nano=sum(record.charge.list_nano for record in counted),
        parts=tuple(sum(record.charge.parts[index] for record in counted) for index in range(len(COST_PARTS))),
        operations=_counts(calls),
        input_tokens=sum(usage.get("input_tokens") for usage in usages),
        output_tokens=sum(usage.get("output_tokens") for usage in usages),
    )


def _counts(calls: Sequence[BookedCall]) -> dict[Status, int]:
    statuses = [call.record.charge.status for call in calls]
    return {status: statuses.count(status) for status in Status if status in statuses}


def added(rows: Sequence[SummaryRow], group: tuple[str, ...] = ()) -> SummaryRow:
    """The sum of ``rows``, as the row of ``group``."""
    return SummaryRow(
        group=group,
        amount_nano=sum(row.amount_nano for row in rows),
        list_nano=sum(row.list_nano for row in rows),
        parts=tuple(sum(row.parts[index] for row in rows) for index in range(len(COST_PARTS))),
        operations={
            status: count for status in Status if (count := sum(row.operations.get(status, 0) for row in rows))
        },
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
    )


def by_one(rows: Sequence[SummaryRow], place: int) -> list[SummaryRow]:
    """``rows`` added up by the name at ``place`` of their groups, those of most cost first."""
    found: dict[str, list[SummaryRow]] = {}
    for row in rows:
        found.setdefault(row.group[place], []).append(row)
    summed = [added(some, (value,)) for value, some in found.items()]
    return sorted(summed, key=lambda row: (-row.amount_nano, -row.calls, row.group))
