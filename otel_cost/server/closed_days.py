"""Calls of days whose calls were archived: the book cannot know any more whether it had them, so it takes none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from otel_cost.ended import EndedSpan
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.horizon import day_name
from otel_cost.ledger.schema import DAY_NS
from otel_cost.ledger.sql import SqlLedger
from otel_cost.model import CostRecord
from otel_cost.server.otlp import Rejected

_TimedT = TypeVar("_TimedT", EndedSpan, CostRecord)


class ClosedDays:
    """Where the open days of a ledger begin. Thread-safe.

    Args:
        ledger: One that is no database has no closed days.
        clock: UTC nanoseconds.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._clock = clock

    def without(self, said: Sequence[_TimedT], rejected: Rejected) -> Sequence[_TimedT]:
        """Those that are of open days; the others are refused, with the reason. Raises LedgerError."""
        now_ns = self._clock()
        # Today is never closed: nearly every batch is let through without asking.
        if all(one.start_ns >= now_ns - now_ns % DAY_NS for one in said) or not isinstance(self._ledger, SqlLedger):
            return said
        horizon = self._ledger.horizon()
        open_ones = [one for one in said if one.start_ns >= horizon]
        for _ in range(len(said) - len(open_ones)):
            rejected.add(f"a call started before {day_name(horizon)} (UTC): those days are archived, and closed")
        return open_ones
