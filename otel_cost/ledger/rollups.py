"""What entries add to the sums that are kept beside them. Pure: a store adds the rows to its tables.

Rows come in the order of their keys: two writers that add to the same ones wait for each other, and never in a circle.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from otel_cost.ledger.base import SETTLED_ELSEWHERE, Entry
from otel_cost.ledger.questions import ENTITY_KINDS, LABEL_COLUMNS, RECORD_FIELDS
from otel_cost.ledger.rows import text
from otel_cost.ledger.schema import DAY_NS, QUARTER_NS

BIN_GROWTH: Final = 1.1
"""Each bin of a distribution is a tenth wider than the one below: its geometric middle is within 5 % of all in it."""
MEASURES: Final = ("duration", "cost")
"""In ns and nano-USD. Of calls that stand for themselves; the cost only of those that have one."""

_KeyT = TypeVar("_KeyT")
_LN_GROWTH: Final = math.log(BIN_GROWTH)
_BETWEEN: Final = "\x1f"
_CACHED: Final = 50_000
_TRACE: Final = "trace"
_LABELLED: Final = tuple(kind for kind in ENTITY_KINDS if kind != _TRACE)

DimsValues = tuple[str, ...]
"""Values in the order of ``ROLLED_UP``, then "1" for calls that failed, else ""."""


@dataclass(slots=True)
class Added:
    """Rows to add, by their keys. Sums: ``operations``, then ``SUMS``; entities' have first and last start too."""

    dims: dict[int, DimsValues] = field(default_factory=dict[int, DimsValues])
    quarters: dict[tuple[int, int], list[int]] = field(default_factory=dict[tuple[int, int], list[int]])
    entities: dict[tuple[str, int, str, int], list[int]] = field(
        default_factory=dict[tuple[str, int, str, int], list[int]]
    )
    bins: dict[tuple[int, int, str, int], int] = field(default_factory=dict[tuple[int, int, str, int], int])

    def days(self) -> dict[tuple[int, int], list[int]]:
        """The quarters' sums by the UTC day."""
        days: dict[tuple[int, int], list[int]] = {}
        for (start_ns, dims_id), sums in self.quarters.items():
            add(days, (start_ns - start_ns % DAY_NS, dims_id), sums)
        return days


class RollUps:
    """Works out what entries add. Keeps the ids of the combinations that it saw last; not thread-safe."""

    def __init__(self) -> None:
        self._ids: dict[DimsValues, tuple[int, DimsValues]] = {}

    def of(self, entries: Iterable[Entry]) -> Added:
        added = Added()
        for entry in entries:
            dims_id, values = self._dims(entry)
            added.dims[dims_id] = values
            sums = sums_of(entry)
            start_ns = entry.occurred_ns
            add(added.quarters, (start_ns - start_ns % QUARTER_NS, dims_id), sums)
            day_ns = start_ns - start_ns % DAY_NS
            _add_entities(added, entry, day_ns, dims_id, sums)
            _add_bins(added, entry, day_ns, dims_id)
        return added

    def _dims(self, entry: Entry) -> tuple[int, DimsValues]:
        said = _said(entry)
        found = self._ids.get(said)
        if found is None:
            if len(self._ids) >= _CACHED:
                self._ids.clear()
            values = tuple(map(text, said))
            found = self._ids[said] = (dims_id_of(values), values)
        return found


def dims_id_of(values: DimsValues) -> int:
    """A number from 0 to 2**63 - 1 that stands for the values anywhere. Of a million combinations two get the same one
    with a probability of 5e-8."""
    joined = _BETWEEN.join(values)
    if joined.count(_BETWEEN) >= len(values):
        # A value has it, so that other values could read the same: their lengths tell them apart.
        joined = _BETWEEN.join((joined, *(str(len(value)) for value in values)))
    digest = hashlib.blake2b(joined.encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def dims_of(entry: Entry) -> DimsValues:
    """The values that an entry is summed by."""
    return tuple(map(text, _said(entry)))


def _said(entry: Entry) -> DimsValues:
    charge, get = entry.charge, entry.dimensions.get
    return (
        *[get(name, "") for name in RECORD_FIELDS],
        charge.status.value,
        charge.reason.value if charge.reason is not None else "",
        charge.pricing_model.value,
        *[get(name, "") for name in LABEL_COLUMNS],
        "1" if entry.failed else "",
    )


def sums_of(entry: Entry) -> tuple[int, ...]:
    """``operations`` and ``SUMS`` of one entry, signed."""
    sign, charge = entry.operations, entry.charge
    usage = entry.usage
    parts = charge.parts
    return (
        sign,
        sign * charge.amount_nano,
        sign * charge.list_nano,
        sign * parts[0],
        sign * parts[1],
        sign * parts[2],
        sign * parts[3],
        sign * parts[4],
        sign * usage.get("input_tokens", 0),
        sign * usage.get("output_tokens", 0),
    )


def bin_of(value: int) -> int:
    """The bin of a duration or an amount; -1 of what is below 1."""
    return -1 if value < 1 else int(math.log(value) / _LN_GROWTH)


def middle_of(number: int) -> float:
    """What a value in bin ``number`` is taken for."""
    return 0.0 if number < 0 else BIN_GROWTH ** (number + 0.5)


def add(rows: dict[_KeyT, list[int]], key: _KeyT, sums: Iterable[int]) -> None:
    """Add ``sums`` to those of ``key``."""
    row = rows.get(key)
    if row is None:
        rows[key] = list(sums)
    else:
        for index, more in enumerate(sums):
            row[index] += more


def _add_entities(added: Added, entry: Entry, day_ns: int, dims_id: int, sums: tuple[int, ...]) -> None:
    start_ns = entry.occurred_ns
    for kind, entity in _entities(entry.dimensions, entry.trace_id):
        key = (kind, day_ns, entity, dims_id)
        row = added.entities.get(key)
        if row is None:
            added.entities[key] = [*sums, start_ns, start_ns]
            continue
        for index, more in enumerate(sums):
            row[index] += more
        row[-2], row[-1] = min(row[-2], start_ns), max(row[-1], start_ns)


def _entities(labels: Mapping[str, str], trace_id: str) -> Iterable[tuple[str, str]]:
    for kind in _LABELLED:
        entity = labels.get(kind)
        if entity:
            yield kind, text(entity)
    if trace_id:
        yield _TRACE, text(trace_id)


def _add_bins(added: Added, entry: Entry, day_ns: int, dims_id: int) -> None:
    status = entry.charge.status
    if status in SETTLED_ELSEWHERE:
        return
    values = (entry.duration_ns, entry.charge.amount_nano if status.counted else None)
    for measure, value in zip(MEASURES, values, strict=True):
        if value is not None:
            key = (day_ns, dims_id, measure, bin_of(value))
            added.bins[key] = added.bins.get(key, 0) + entry.operations
