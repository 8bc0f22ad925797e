"""Sums as the database answers them, one row a group and status, folded into one row a group. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any, Final

from otel_cost.ledger.questions import SummaryRow
from otel_cost.ledger.schema import PART_COLUMNS, SUMS
from otel_cost.model import Status

_STATUSES: Final = {str(status): status for status in Status}
_PARTS: Final = slice(2, 2 + len(PART_COLUMNS))

Key = tuple[Any, ...]
"""What a row is about: the part of a period, an entity, the values of a group."""


@dataclass(slots=True)
class Sums:
    """``operations`` by status, and ``SUMS`` in their order."""

    operations: dict[Status, int]
    amounts: list[int]

    @property
    def happened(self) -> bool:
        """A group whose every verdict was taken back (a corrected status, say) sums to nothing: it is not a group."""
        return any(self.operations.values())

    def add(self, operations: Mapping[Status, int], amounts: Iterable[int]) -> None:
        for status, count in operations.items():
            self.operations[status] = self.operations.get(status, 0) + count
        self.amounts = list(map(add, self.amounts, amounts))

    def row(self, group: tuple[str, ...]) -> SummaryRow:
        return SummaryRow(
            group=group,
            amount_nano=self.amounts[0],
            list_nano=self.amounts[1],
            parts=tuple(self.amounts[_PARTS]),
            operations={status: count for status in Status if (count := self.operations.get(status, 0))},
            input_tokens=self.amounts[-2],
            output_tokens=self.amounts[-1],
        )


def folded(found: Iterable[Sequence[Any]], keys: int) -> dict[Key, Sums]:
    """Rows of ``keys`` values that name the group, the status, ``operations`` and ``SUMS``; what happened of them.

    Databases answer sums of integers as decimals, or in several rows of several tables: here they become whole.
    """
    groups: dict[Key, Sums] = {}
    for row in found:
        key, amounts = tuple(row[:keys]), list(map(int, row[keys + 2 :]))
        status, operations = _STATUSES[row[keys]], int(row[keys + 1])
        sums = groups.get(key)
        if sums is None:
            groups[key] = Sums({status: operations}, amounts)
        else:
            sums.add({status: operations}, amounts)
    return {key: sums for key, sums in groups.items() if sums.happened}


def by_amount(row: SummaryRow) -> tuple[int, int, tuple[str, ...]]:
    """Sorts the most expensive first."""
    return (-row.amount_nano, -row.calls, row.group)


def total_of(rows: Iterable[SummaryRow]) -> SummaryRow:
    """The sum over ``rows``, of no group."""
    whole = Sums({}, [0] * len(SUMS))
    for row in rows:
        amounts = (row.amount_nano, row.list_nano, *row.parts, row.input_tokens, row.output_tokens)
        whole.add(row.operations, amounts)
    return whole.row(())
