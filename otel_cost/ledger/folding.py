"""Sums as the database answers them, one row a group and status, folded into one row a group. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from otel_cost.ledger.questions import SummaryRow
from otel_cost.ledger.schema import PART_COLUMNS, SUMS
from otel_cost.model import Status

_PARTS: Final = slice(2, 2 + len(PART_COLUMNS))

Key = tuple[Any, ...]
"""What a row is about: the part of a period, an entity, the values of a group."""


@dataclass(slots=True)
class Sums:
    """``operations`` by status, and ``SUMS`` in their order."""

    operations: dict[Status, int] = field(default_factory=dict[Status, int])
    amounts: list[int] = field(default_factory=lambda: [0] * len(SUMS))

    @property
    def happened(self) -> bool:
        """A group whose every verdict was taken back (a corrected status, say) sums to nothing: it is not a group."""
        return any(self.operations.values())

    def add(self, status: Status, operations: int, amounts: Iterable[int]) -> None:
        self.operations[status] = self.operations.get(status, 0) + operations
        self.amounts = [one + more for one, more in zip(self.amounts, amounts, strict=True)]

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
        status, operations, *amounts = row[keys:]
        groups.setdefault(tuple(row[:keys]), Sums()).add(Status(status), int(operations), map(int, amounts))
    return {key: sums for key, sums in groups.items() if sums.happened}


def by_amount(row: SummaryRow) -> tuple[int, int, tuple[str, ...]]:
    """Sorts the most expensive first."""
    return (-row.amount_nano, -row.calls, row.group)


def total_of(rows: Iterable[SummaryRow]) -> SummaryRow:
    """The sum over ``rows``, of no group."""
    whole = Sums()
    for row in rows:
        whole.amounts = [
            one + more
            for one, more in zip(
                whole.amounts,
                (row.amount_nano, row.list_nano, *row.parts, row.input_tokens, row.output_tokens),
                strict=True,
            )
        ]
        for status, count in row.operations.items():
            whole.operations[status] = whole.operations.get(status, 0) + count
    return whole.row(())
