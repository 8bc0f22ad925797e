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

from otel_cost.model import (
    COST_PARTS,
    Called,
    Charge,
    CostRecord,
    Opinion,
    OpinionSource,
    Reason,
    Status,
    Void,
    empty,
)

RECORD_FIELDS: Final = ("provider", "model", "operation", "kind", "layer", "scope")
"""What a call was: fixed when its record is first booked."""
VERDICT_FIELDS: Final = ("status", "reason", "pricing_model", "price_id", "catalog", "source")
"""What was said of it: taken back and posted anew by a correction."""
LABEL_COLUMNS: Final = ("service", "environment", "tenant", "workspace", "team", "project", "feature", "agent")
"""Labels of few values, which have a column of their own. Any other label is found by its name too."""
MAX_STORED: Final = 2**62
"""No time (ns) beyond this is booked: databases have 64 bits, and this is the year 2116."""
MAX_AMOUNT: Final = 10**15
"""No single operation is booked with more nano-USD (1,000,000 USD): thousands of them must still sum to 64 bits."""

SETTLED_ELSEWHERE: Final = (Status.WRAPPER, Status.DUPLICATE)
"""Verdicts of operations whose money is another record's."""

_LABEL_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_KEY: Final = re.compile(r"[!-~]{1,200}")
_NO_PARTS: Final = (0,) * len(COST_PARTS)
_NO_USAGE: Final[Mapping[str, int]] = MappingProxyType({})
_UNKNOWN: Final = Called()


class EntryKind(StrEnum):
    CHARGE = "charge"
    CORRECTION = "correction"
    VOID = "void"


def check_dimension(name: str) -> str:
    """``name`` if it can be grouped or filtered by: a field above, or any well-formed label name.

    Raises:
        ValueError: it is neither; the text lists the fields.
    """
    if name in RECORD_FIELDS or name in VERDICT_FIELDS or _LABEL_NAME.fullmatch(name):
        return name
    fields = ", ".join((*RECORD_FIELDS, *VERDICT_FIELDS))
    raise ValueError(f"{name!r:.80} is not a field ({fields}) nor the name of a label")


def bookable(record: CostRecord) -> CostRecord | None:
    """The record as it can be booked; None where its key or times cannot: the network carries anything.

    An amount beyond ``MAX_AMOUNT`` is no amount: such a call is booked as unpriced, with the figure, not left out.
    """
    times = (record.start_ns, record.end_ns)
    if _KEY.fullmatch(record.key) is None or not all(0 <= time <= MAX_STORED for time in times):
        return None
    charge = record.charge
    if all(0 <= amount <= MAX_AMOUNT for amount in (charge.amount_nano, charge.list_nano, *charge.parts)):
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
        )


@dataclass(frozen=True, slots=True)
class Correction:
    """Another charge for a record, if the verdict of ``sequence`` is still its last one when this is booked."""

    key: str
    sequence: int
    charge: Charge


@dataclass(frozen=True, slots=True)
class Used:
    """What calls of one kind come to: their counts, and the list prices that no allowance covered, in nano-USD.

    ``counts`` has ``requests`` for each call that reported none, as pricing has it.
    """

    called: Called
    counts: Mapping[str, int]
    list_nano: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A second opinion on one record, as it was when the verdict of that sequence was posted. In no sum of the book."""

    record_key: str
    sequence: int
    opinion: Opinion
    dimensions: Mapping[str, str] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Written:
    """What one write did: how many records were new, known already, corrected, voided; and the rows it added."""

    booked: int = 0
    unchanged: int = 0
    corrected: int = 0
    voided: int = 0
    entries: tuple[Entry, ...] = ()
    opinions: tuple[Heard, ...] = ()


@dataclass(frozen=True, slots=True)
class SummaryQuery:
    """Which rows to sum, and by what.

    ``from_ns`` is inclusive, ``to_ns`` exclusive (start of the call, UTC ns). ``as_of_ns``: what the book said then
    (rows booked up to and including it); None is now. ``filters`` are exact values, "" meaning "has none".
    """

    from_ns: int
    to_ns: int
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=empty)
    as_of_ns: int | None = None

    def __post_init__(self) -> None:
        for name in (*self.group_by, *self.filters):
            check_dimension(name)
        if len(set(self.group_by)) != len(self.group_by):
            raise ValueError(f"grouped twice by the same name: {', '.join(self.group_by)}")
        if self.from_ns > self.to_ns:
            raise ValueError("the period ends before it starts")


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Sums over one group. Amounts in nano-USD; ``parts`` in the order of ``COST_PARTS``.

    ``operations`` counts by status. Tokens are those of calls that stand for themselves: none is counted twice.
    """

    group: tuple[str, ...]
    amount_nano: int = 0
    list_nano: int = 0
    parts: tuple[int, ...] = _NO_PARTS
    operations: Mapping[Status, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def calls(self) -> int:
        """Operations that stand for themselves: priced, estimated and unpriced ones."""
        return sum(self.operations.get(status, 0) for status in (Status.PRICED, Status.ESTIMATED, Status.UNPRICED))


@dataclass(frozen=True, slots=True)
class Summary:
    """``rows`` by amount, the largest first; ``total`` over all of them."""

    query: SummaryQuery
    total: SummaryRow
    rows: tuple[SummaryRow, ...]


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Calls whose cost is not known, by provider, model and reason. ``detail`` is one call's, as an example."""

    provider: str
    model: str
    reason: str
    detail: str
    operations: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Opinions of one source on the calls of one model, as far as they were compared.

    ``compared`` calls in all, ``disagreeing`` of them beyond the tolerance; the sums (nano-USD) are over the latter:
    ``stated_nano`` by the source, ``against_nano`` what that was compared with. ``example`` is the key of the one that
    is farthest off.
    """

    provider: str
    model: str
    source: OpinionSource
    compared: int
    disagreeing: int
    stated_nano: int
    against_nano: int
    example: str


class Ledger(Protocol):
    """Safe from any thread; several processes may hold ledgers over one store. All raise LedgerError on failure."""

    def write(self, records: Sequence[CostRecord], voids: Sequence[Void] = (), *, booked_at_ns: int) -> Written:
        """Book all of it or none of it. Idempotent by record key: what is booked already is not booked again.

        A record that comes again with another verdict is corrected, by the rules of ``otel_cost.ledger.posting``.
        """
        ...

    def summary(self, query: SummaryQuery) -> Summary: ...

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
