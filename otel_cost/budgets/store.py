"""Where spend is kept: the narrow interface of a budget store, and the one in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from otel_cost.budgets.spec import RowKey
from otel_cost.forking import after_fork_in_child


class Posting(NamedTuple):
    """An amount to add to a row, and what the row had before and after."""

    row: RowKey
    before_nano: int
    after_nano: int


class Store(Protocol):
    """Keeps spend by row. Thread-safe. Amounts in nano-USD."""

    def settle(self, record_key: str, amounts: Sequence[tuple[RowKey, int]]) -> list[Posting]:
        """Add an amount to each row, in one step; nothing (and no posting) when ``record_key`` was settled before."""
        ...

    def spent(self, rows: Sequence[RowKey]) -> list[int]:
        """What each row has, at one moment."""
        ...

    def rows(self, budget: str) -> list[tuple[RowKey, int]]:
        """The rows of a budget that are kept, with what they have."""
        ...


class MemoryStore:
    """One process's spend. Bounded: of each budget the rows that were used longest ago are forgotten first, so that one
    budget's sessions cannot push out another one's months.

    Args:
        max_rows: Rows kept of each budget.
        max_keys: Record keys kept to recognise a record that is settled again.
    """

    def __init__(self, *, max_rows: int = 100_000, max_keys: int = 100_000) -> None:
        self._max_rows = max_rows
        self._max_keys = max_keys
        self._renew_lock()
        after_fork_in_child(self._renew_lock)
        self._spent: dict[str, OrderedDict[RowKey, int]] = {}
        self._settled: OrderedDict[str, None] = OrderedDict()

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def settle(self, record_key: str, amounts: Sequence[tuple[RowKey, int]]) -> list[Posting]:
        with self._lock:
            if record_key in self._settled:
                return []
            self._settled[record_key] = None
            if len(self._settled) > self._max_keys:
                self._settled.popitem(last=False)
            return [self._post(row, amount) for row, amount in amounts]

    def _post(self, row: RowKey, amount_nano: int) -> Posting:
        kept = self._spent.setdefault(row.budget, OrderedDict())
        before = kept.pop(row, 0)
        kept[row] = before + amount_nano
        if len(kept) > self._max_rows:
            kept.popitem(last=False)
        return Posting(row, before, before + amount_nano)

    def spent(self, rows: Sequence[RowKey]) -> list[int]:
        with self._lock:
            return [self._used(row) for row in rows]

    def _used(self, row: RowKey) -> int:
        kept = self._spent.get(row.budget)
        if kept is None or row not in kept:
            return 0
        kept.move_to_end(row)  # a row that blocks gets no postings, and must not be forgotten for it
        return kept[row]

    def rows(self, budget: str) -> list[tuple[RowKey, int]]:
        with self._lock:
            return list(self._spent.get(budget, {}).items())
