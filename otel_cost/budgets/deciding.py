"""A short memory of what the store said, so that scopes far from their limit need not ask before every call.

Let through is only what keeps within a small share of the limit: what this process has let through since it last asked,
and what it let through before and has not settled yet, is at most ``SLICE`` of the limit. So N processes together can
overshoot by N times that share, if all their calls were under way when the scope came near its limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from otel_cost.budgets.holds import LET_THROUGH
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import RowState, Want
from otel_cost.forking import after_fork_in_child

FAR: Final = 2
"""A scope is far from its limit while no more than one part in this many is spent or reserved."""
SLICE: Final = 100
"""One part in this many of the limit is what a process may let through without asking."""
_KEPT: Final = 10_000
_numbers: Final = count()
"""Of holds that no store and no other process hears of."""


@dataclass(slots=True)
class _Known:
    """What this process knows of a row."""

    far_until: float = float("-inf")
    since_asked: int = 0
    unsettled: int = 0


@dataclass(slots=True)
class _Remembered:
    rows: dict[RowKey, _Known] = field(default_factory=dict[RowKey, _Known])
    through: dict[str, tuple[Want, ...]] = field(default_factory=dict[str, "tuple[Want, ...]"])


class Decisions:
    """Thread-safe. A forked child remembers nothing. With ``ttl_s`` 0 it never lets anything through.

    Attributes:
        hits, misses: Calls that were let through from memory, and calls that asked the store.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self.hits = 0
        self.misses = 0
        self._forget_all()
        after_fork_in_child(self._forget_all)

    def _forget_all(self) -> None:
        self._lock = threading.Lock()
        self._kept = _Remembered()

    @property
    def on(self) -> bool:
        return self._ttl_s > 0

    def let_through(self, wants: Sequence[Want]) -> str:
        """The id of a hold for what is let through; empty where the store has to be asked."""
        if not self.on:
            return ""
        now = time.monotonic()
        with self._lock:
            if not all(self._fits(want, now) for want in wants):
                self.misses += 1
                return ""
            hold_id = LET_THROUGH + str(next(_numbers))
            for want in wants:
                known = self._kept.rows[want.row]
                known.since_asked += want.amount_nano
                known.unsettled += want.amount_nano
            self._kept.through[hold_id] = tuple(wants)
            self.hits += 1
            return hold_id

    def _fits(self, want: Want, now: float) -> bool:
        known = self._kept.rows.get(want.row)
        return (
            known is not None
            and now < known.far_until
            and (known.since_asked + want.amount_nano) * SLICE <= want.cap_nano
        )

    def saw(self, wants: Sequence[Want], states: Sequence[RowState]) -> None:
        """What the store has just said of the rows of ``wants``."""
        if not self.on:
            return
        until = time.monotonic() + self._ttl_s
        with self._lock:
            if len(self._kept.rows) > _KEPT:
                self._kept.rows = {row: known for row, known in self._kept.rows.items() if known.unsettled}
            for want, state in zip(wants, states, strict=True):
                known = self._kept.rows.setdefault(want.row, _Known())
                far = state.state != "paused" and (state.spent_nano + state.reserved_nano) * FAR <= want.cap_nano
                known.far_until = until if far else float("-inf")
                known.since_asked = known.unsettled

    def posted(self, row: RowKey, spent_nano: int, cap_nano: int) -> None:
        """What a row has spent by now, as this process's own settling showed: near its limit, calls ask again."""
        if self.on and spent_nano * FAR > cap_nano:
            with self._lock:
                known = self._kept.rows.get(row)
                if known is not None:
                    known.far_until = float("-inf")

    def forget(self) -> None:
        """Ask again before the next call: somebody changed something."""
        with self._lock:
            for known in self._kept.rows.values():
                known.far_until = float("-inf")

    def give_back(self, hold_id: str) -> None:
        """The store knows by now what the call cost, or it was never made."""
        with self._lock:
            for want in self._kept.through.pop(hold_id, ()):
                known = self._kept.rows.get(want.row)
                if known is not None:
                    known.unsettled -= want.amount_nano
