"""The narrow interface of every ledger, and the values that cross it.

Double entry, as accountants do it: a row of the book either *posts* the verdict on one operation (``operations`` +1) or
*takes back* a verdict posted earlier (``operations`` -1, all amounts negative). A correction or a void takes back and
posts anew; nothing is edited. So whatever is asked of the book is a plain sum over rows, for any day, as of any day.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol, Self

from otel_cost.ledger.questions import (
    BookedCall,
    CallQuery,
    Disagreement,
    Distribution,
    EntitySums,
    SeriesRow,
    Summary,
    SummaryQuery,
    Unpriced,
    Used,
)
from otel_cost.model import (
    Called,
    Charge,
    CostRecord,
    Opinion,
    Reason,
    Status,
    Void,
    empty,
)

MAX_STORED: Final = 2**62
"""No time (ns) beyond this is booked: databases have 64 bits, and this is the year 2116."""
MAX_AMOUNT: Final = 10**15
"""No single operation is booked with more nano-USD (1,000,000 USD): thousands of them must still sum to 64 bits."""

SETTLED_ELSEWHERE: Final = (Status.WRAPPER, Status.DUPLICATE)
"""Verdicts of operations whose money is another record's."""

_KEY: Final = re.compile(r"[!-~]{1,200}")
_NO_USAGE: Final[Mapping[str, int]] = MappingProxyType({})
_UNKNOWN: Final = Called()


class EntryKind(StrEnum):
    CHARGE = "charge"
    CORRECTION = "correction"
    VOID = "void"


def bookable(record: CostRecord) -> CostRecord | None:
    """The record as it can be booked; None where its key or times cannot: the network carries anything.

    An amount beyond ``MAX_AMOUNT`` is no amount: such a call is booked as unpriced, with the figure, not left out.
    """
    if not (0 <= record.start_ns <= MAX_STORED and 0 <= record.end_ns <= MAX_STORED):
        return None
    if _KEY.fullmatch(record.key) is None:
        return None
    charge = record.charge
    amounts = (charge.amount_nano, charge.list_nano, *charge.parts)
    if min(amounts) >= 0 and max(amounts) <= MAX_AMOUNT:
        return record
    detail = f"an amount of {charge.amount_nano} nano-USD is beyond what one call can cost"
    return replace(record, charge=Charge(Status.UNPRICED, Reason.INVALID_USAGE, detail), opinions=())


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the book. ``charge`` is the verdict posted or taken back; its sign is that of ``operations``.

    ``dimensions`` are the record's fields and labels by name. ``usage`` holds the counts that this verdict stands for:
    empty for wrappers and duplicates, whose tokens belong to another record. ``occurred_ns`` is the call's start.
    """

    record_key: str
    sequence: int
    kind: EntryKind
    operations: int
    charge: Charge
    occurred_ns: int
    counted_as: str = ""
    usage: Mapping[str, int] = field(default_factory=lambda: _NO_USAGE)
    dimensions: Mapping[str, str] = field(default_factory=empty)
    called: Called = _UNKNOWN
    trace_id: str = ""
    duration_ns: int = 0
    failed: bool = False

    @property
    def amount_nano(self) -> int:
        """Signed effective amount in nano-USD."""
        return self.operations * self.charge.amount_nano

    @property
    def tokens(self) -> tuple[int, int]:
        """Signed input and output totals."""
        return (
            self.operations * self.usage.get("input_tokens", 0),
            self.operations * self.usage.get("output_tokens", 0),
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """The last verdict posted on one record, and what it was about. ``error`` is the error's type, "" where none."""

    key: str
    sequence: int
    occurred_ns: int
    charge: Charge
    counts: Mapping[str, int]
    dimensions: Mapping[str, str]
    counted_as: str = ""
    called: Called = _UNKNOWN
    error: str = ""
    trace_id: str = ""
    duration_ns: int = 0
    labels: Mapping[str, str] = field(default_factory=empty)
    """As they were said; among ``dimensions`` a label that has a field's name is not."""

    @property
    def stands(self) -> bool:
        """Whether the record stands for itself: its money and tokens are not another's."""
        return self.charge.status not in SETTLED_ELSEWHERE

    def entry(self, kind: EntryKind, operations: int, sequence: int) -> Entry:
        return Entry(
            record_key=self.key,
            sequence=sequence,
            kind=kind,
            operations=operations,
            charge=self.charge,
            occurred_ns=self.occurred_ns,
            counted_as=self.counted_as,
            usage=self.counts if self.stands else _NO_USAGE,
            dimensions=self.dimensions,
            called=self.called,
            trace_id=self.trace_id,
            duration_ns=self.duration_ns,
            failed=bool(self.error),
        )


@dataclass(frozen=True, slots=True)
class Correction:
    """Another charge for a record, if the verdict of ``sequence`` is still its last one when this is booked."""

    key: str
    sequence: int
    charge: Charge


@dataclass(frozen=True, slots=True)
class Heard:
    """A second opinion on one record, as it was when the verdict of that sequence was posted. In no sum of the book."""

    record_key: str
    sequence: int
    opinion: Opinion
    dimensions: Mapping[str, str] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Written:
    """What one write did: how many records were new, known already, corrected, voided; and the rows it added.

    ``archived`` records started on days that are closed: whether they were booked before is not known any more, so that
    they are not booked.
    """

    booked: int = 0
    unchanged: int = 0
    corrected: int = 0
    voided: int = 0
    archived: int = 0
    entries: tuple[Entry, ...] = ()
    opinions: tuple[Heard, ...] = ()


class Ledger(Protocol):
    """Safe from any thread; several processes may hold ledgers over one store. All raise LedgerError on failure."""

    def write(self, records: Sequence[CostRecord], voids: Sequence[Void] = (), *, booked_at_ns: int) -> Written:
        """Book all of it or none of it. Idempotent by record key: what is booked already is not booked again.

        A record that comes again with another verdict is corrected, by the rules of ``otel_cost.ledger.posting``.
        """
        ...

    def summary(self, query: SummaryQuery) -> Summary: ...

    def series(self, query: SummaryQuery, edges: Sequence[int]) -> Sequence[SeriesRow]:
        """``query`` for each part of its period: from one of ``edges`` (UTC ns, ascending; first and last are the
        period's) to the next. Parts and groups without calls are left out; by part, then as in :meth:`summary`."""
        ...

    def entities(
        self, kind: str, query: SummaryQuery, *, entity: str | None = None, limit: int = 100
    ) -> Sequence[EntitySums]:
        """Sums by what ``kind`` (one of ``ENTITY_KINDS``) names, those of most cost first; or of one ``entity`` alone.

        The period is widened to whole UTC days. With ``query.group_by`` one entity has a row for each group.
        ``query.filters`` takes fields, verdict's ``status`` and ``reason``, and ``LABEL_COLUMNS``.

        Raises:
            ValueError: another kind, grouping or filter; or ``query.as_of_ns`` is set.
        """
        ...

    def distributions(self, query: SummaryQuery, quantiles: Sequence[float]) -> Sequence[Distribution]:
        """How durations and costs of calls are spread, by ``query.group_by``; the period is widened to whole UTC days.
        Filters and groupings as for :meth:`entities`. Raises ValueError as there."""
        ...

    def calls(self, query: CallQuery) -> Sequence[BookedCall]:
        """The calls themselves, wrappers and duplicates as well, newest start first (then by key, descending)."""
        ...

    def calls_of_trace(self, trace_id: str) -> Sequence[BookedCall]:
        """Every call of one trace, by start."""
        ...

    def unpriced(self, query: SummaryQuery) -> tuple[Unpriced, ...]:
        """The calls within ``query`` that have no price, most frequent first; ``query.group_by`` is not used."""
        ...

    def disagreements(self, query: SummaryQuery) -> tuple[Disagreement, ...]:
        """Second opinions on the calls within ``query``, those that are farthest off in sum first; sources that never
        disagree come last. ``query.group_by`` is not used."""
        ...

    def standing(
        self, from_ns: int, to_ns: int, *, after: tuple[int, str] | None = None, limit: int = 1000
    ) -> Sequence[Standing]:
        """Calls from ``from_ns`` (inclusive) to ``to_ns`` (exclusive, UTC ns) that stand for themselves, by start and
        key, at most ``limit``; the next page begins ``after`` the (start, key) of this one's last."""
        ...

    def booked(self, keys: Collection[str]) -> Mapping[str, bool]:
        """Those of ``keys`` that the book has, and whether each stands for itself."""
        ...

    def correct(self, corrections: Sequence[Correction], *, booked_at_ns: int) -> Written:
        """Take back and post anew, all of it or none. ``unchanged`` counts what has another verdict by now."""
        ...

    def used(self, from_ns: int, to_ns: int) -> Sequence[Used]:
        """What was used by calls that started in the period and have a price, by who was called. Of their terms, only
        the server's address is kept apart."""
        ...

    def recent(self, since_ns: int, limit: int) -> Sequence[CostRecord]:
        """The records of spans booked since ``since_ns``, at most ``limit`` of the newest, oldest first: what later
        spans are judged against after a restart. Amounts and labels, the tenant apart, are left out."""
        ...

    def check(self) -> None:
        """Return if the book can be read now; for health checks."""
        ...

    def close(self) -> None:
        """Idempotent. Every other call afterwards raises."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...
