"""What a batch does to the book, worked out on plain values: a store loads, asks here, and saves.

When a record arrives again
---------------------------
* the same verdict: nothing.
* booked as wrapper or duplicate: that stands. A re-sent batch may meet a matcher that has forgotten its twin.
* booked with a price, arrives without one or without counts: the price stands; so does a price against an estimate.
* booked with a price, arrives with another one from another catalog for the same usage: the price stands. Yesterday's
  spend does not change because today's price did; re-pricing is a command of its own.
* booked by a price schedule, arrives with another amount by that very schedule for the same usage: it stands as well.
  What a schedule makes of a call depends on the calls before it, and that was settled when it was booked. So does it
  when the app sends its list price again, which was priced by a schedule since.
* now a wrapper or duplicate of a record that itself stands in the book (or of none that is named): voided.
* else (a price at last, corrected counts, another reason): corrected.

What started before the book's horizon is archived, or about to be: nothing is booked, corrected or voided there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from otel_cost.ledger.base import SETTLED_ELSEWHERE, Correction, Entry, EntryKind, Heard, Standing, Written
from otel_cost.ledger.questions import RECORD_FIELDS
from otel_cost.model import Charge, CostRecord, Reason, Status, Void

_WRAPPER_REASONS: Final = (Reason.HAS_COUNTED_CHILD, Reason.INTERNAL_AGENT)
_NO_USAGE: Final[Mapping[str, int]] = MappingProxyType({})


def standing_of(record: CostRecord) -> Standing:
    """The standing that ``record`` has once it is booked."""
    return Standing(
        key=record.key,
        sequence=0,
        occurred_ns=record.start_ns,
        charge=record.charge,
        counts=record.usage.counts if record.usage else _NO_USAGE,
        dimensions=dimensions_of(record),
        counted_as=record.counted_as,
        called=record.called,
        error=record.error,
        trace_id=record.trace_id,
        duration_ns=max(0, record.end_ns - record.start_ns),
        labels=record.labels,
    )


def first_entry(record: CostRecord) -> Entry:
    """The row that books ``record``: ``standing_of(record).entry(...)``, without the standing, which few need."""
    stands = record.charge.status not in SETTLED_ELSEWHERE
    return Entry(
        record_key=record.key,
        sequence=0,
        kind=EntryKind.CHARGE,
        operations=1,
        charge=record.charge,
        occurred_ns=record.start_ns,
        counted_as=record.counted_as,
        usage=record.usage.counts if stands and record.usage else _NO_USAGE,
        dimensions=dimensions_of(record),
        called=record.called,
        trace_id=record.trace_id,
        duration_ns=max(0, record.end_ns - record.start_ns),
        failed=bool(record.error),
    )


def dimensions_of(record: CostRecord) -> Mapping[str, str]:
    """Fields and labels by name; where a label has a field's name, the field is meant."""
    kind, layer = record.kind.value, record.layer.value
    fields = (record.provider, record.model, record.operation, kind, layer, record.scope)
    return MappingProxyType({**record.labels, **dict(zip(RECORD_FIELDS, fields, strict=True))})


class Posting:
    """One batch against what the book says of its keys. Not thread-safe; lives within one transaction.

    Args:
        standings: What the book says, by key.
        horizon_ns: Calls that started before it (UTC ns) are closed.
    """

    def __init__(self, standings: Mapping[str, Standing], horizon_ns: int = 0) -> None:
        self._standings = dict(standings)
        self._horizon_ns = horizon_ns
        self._new: dict[str, CostRecord] = {}
        self._changed: set[str] = set()
        self._entries: list[Entry] = []
        self._heard: list[Heard] = []
        self._unchanged = self._corrected = self._voided = self._archived = 0

    @property
    def new_records(self) -> list[CostRecord]:
        """Records to insert, in key order (all stores lock rows in one order)."""
        return [self._new[key] for key in sorted(self._new)]

    @property
    def changed(self) -> list[Standing]:
        """Standings to save over the ones that were loaded, and over those of new records; in key order."""
        return [self._standings[key] for key in sorted(self._changed)]

    @property
    def written(self) -> Written:
        return Written(
            booked=len(self._new),
            unchanged=self._unchanged,
            corrected=self._corrected,
            voided=self._voided,
            archived=self._archived,
            entries=tuple(self._entries),
            opinions=tuple(self._heard),
        )

    def take_all(self, records: Iterable[CostRecord], voids: Iterable[Void]) -> None:
        for record in records:
            self._take(record)
        for void in voids:
            self._void(void)

    def correct(self, correction: Correction) -> None:
        """Post another charge over the verdict that it was worked out for; over no other."""
        standing = self._standing(correction.key)
        if standing is None or not self._open(standing) or standing.sequence != correction.sequence:
            self._unchanged += 1
            return
        self._post(EntryKind.CORRECTION, standing, replace(standing, charge=correction.charge))

    def _standing(self, key: str) -> Standing | None:
        standing = self._standings.get(key)
        if standing is None and key in self._new:
            standing = self._standings[key] = standing_of(self._new[key])
        return standing

    def _take(self, record: CostRecord) -> None:
        if record.start_ns < self._horizon_ns:
            self._archived += 1
            return
        standing = self._standing(record.key)
        if standing is None:
            self._new[record.key] = record
            self._entries.append(first_entry(record))
            self._hear(record, 0)
            return
        kind = self._change(standing, record)
        if kind is None:
            self._unchanged += 1
            return
        arriving = standing_of(record)
        counts = arriving.counts or standing.counts
        self._post(kind, standing, replace(standing, charge=record.charge, counts=counts, counted_as=record.counted_as))
        self._hear(record, standing.sequence + 2)

    def _hear(self, record: CostRecord, sequence: int) -> None:
        """Opinions belong to the verdict that they were compared with."""
        if not record.opinions:
            return
        heard = [opinion for opinion in record.opinions if opinion.amount_nano is not None]
        if heard:
            dimensions = dimensions_of(record)
            self._heard += [Heard(record.key, sequence, opinion, dimensions) for opinion in heard]

    def _void(self, void: Void) -> None:
        standing = self._standing(void.key)
        if standing is None or not self._open(standing) or not self._may_replace(standing.key, void.counted_as):
            self._unchanged += 1
            return
        status = Status.WRAPPER if void.reason in _WRAPPER_REASONS else Status.DUPLICATE
        verdict = Charge(status=status, reason=void.reason)
        self._post(EntryKind.VOID, standing, replace(standing, charge=verdict, counted_as=void.counted_as))

    def _post(self, kind: EntryKind, before: Standing, after: Standing) -> None:
        """Take ``before`` back and post ``after``."""
        after = replace(after, sequence=before.sequence + 2)
        self._entries.append(before.entry(kind, -1, before.sequence + 1))
        self._entries.append(after.entry(kind, 1, after.sequence))
        self._standings[after.key] = after
        self._changed.add(after.key)
        if kind is EntryKind.VOID:
            self._voided += 1
        else:
            self._corrected += 1

    def _change(self, standing: Standing, record: CostRecord) -> EntryKind | None:
        """What a record that is in the book already does to it."""
        booked, arriving = standing.charge, record.charge
        if not standing.stands or _same_verdict(booked, arriving):
            return None
        if arriving.status in SETTLED_ELSEWHERE:
            return EntryKind.VOID if self._may_replace(record.key, record.counted_as) else None
        if booked.status.counted:
            return EntryKind.CORRECTION if _corrects_price(standing, record) else None
        return None if arriving.reason is Reason.PRICES_LOADING else EntryKind.CORRECTION

    def _open(self, standing: Standing) -> bool:
        """Whether it stands for itself and may still be taken back."""
        return standing.stands and standing.occurred_ns >= self._horizon_ns

    def _may_replace(self, key: str, counted_as: str) -> bool:
        """Whether the money of ``key`` is safe with ``counted_as``: else voiding it would lose the call."""
        if not counted_as:
            return True
        carrier = self._standing(counted_as)
        return carrier is not None and carrier.stands and counted_as != key


def _same_verdict(booked: Charge, arriving: Charge) -> bool:
    # Detail, source and catalog are how a verdict was reached and worded; the list amount may be missing on one path.
    return (
        booked.status is arriving.status
        and booked.reason is arriving.reason
        and booked.amount_nano == arriving.amount_nano
    )


def _corrects_price(standing: Standing, record: CostRecord) -> bool:
    booked, arriving = standing.charge, record.charge
    if not arriving.status.counted or (booked.status is Status.PRICED and arriving.status is Status.ESTIMATED):
        return False
    if standing.counts and (not record.usage or not record.usage.counts):
        return False  # the same call told of once more, by a span that says less
    if booked.status is not arriving.status:
        return True
    counts = dict(record.usage.counts) if record.usage else {}
    if counts != dict(standing.counts):
        return True
    if arriving.catalog != booked.catalog or _knows_no_schedule(booked, arriving):
        return False
    # Under one schedule the same counts may cost more or less: what was used before them is not the same any more.
    return arriving.paying_list_nano is None or arriving.price_id != booked.price_id


def _knows_no_schedule(booked: Charge, arriving: Charge) -> bool:
    """Whether a list price, all that an app knows, meets one by a schedule: it would undo a re-pricing."""
    return booked.paying_list_nano is not None and arriving.paying_list_nano is None


def keys_of(records: Iterable[CostRecord], voids: Iterable[Void]) -> set[str]:
    """Every key whose standing a batch needs to know."""
    keys: set[str] = set()
    for record in records:
        keys.add(record.key)
        keys.add(record.counted_as)
    for void in voids:
        keys.add(void.key)
        keys.add(void.counted_as)
    return keys - {""}
