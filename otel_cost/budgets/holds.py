"""Reservations of this process: which call has which, and that each is given back or settled once."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Final

from otel_cost.budgets.spec import RowKey
from otel_cost.forking import after_fork_in_child

LET_THROUGH: Final = "~"
"""What the ids begin with of holds for calls that were let through without asking the store."""
INSIDE: Final = "+"
"""And of holds that need no room of their own."""
NOT_STORED: Final = LET_THROUGH + INSIDE
MAX_AGE_S: Final = 3600.0
"""A reservation is renewed for no longer: what takes longer than an hour is taken for forgotten, and lapses."""


class Hold:
    """Room that was taken for a call. Give it back once the call's span has ended; again does nothing.

    Bound to the span that tells the call's cost, it is settled by that span's record, and then nothing is left to give
    back.

    Attributes:
        id: The store's name for it; empty where nothing is held.
        rows: Where the room is.
        within: A hold of the code around, out of which the rows that it has are settled.
        left_nano: What of a block's reservation its calls have not used up; 0 for a call's own hold.
    """

    __slots__ = ("_holds", "id", "key", "left_nano", "rows", "within")

    def __init__(
        self,
        holds: Holds | None = None,
        id: str = "",
        rows: tuple[RowKey, ...] = (),
        within: Hold | None = None,
    ) -> None:
        self._holds = holds
        self.id = id
        self.rows = rows
        self.within = within
        self.key = ""
        self.left_nano = 0

    def draw(self, amount_nano: int) -> None:
        """A call inside has cost this."""
        self.left_nano = max(0, self.left_nano - amount_nano)

    def bind(self, record_key: str) -> None:
        """The record with this key settles the hold."""
        if self._holds is not None:
            self._holds.bind(self, record_key)

    def release(self) -> None:
        """Give back what was not settled."""
        holds, self._holds = self._holds, None
        if holds is not None:
            holds.give_back(self)

    def leave(self) -> None:
        """The call is over, but its span, which is somebody else's, has yet to end: its record settles the hold."""
        if not self.key:
            self.release()


NO_HOLD: Final = Hold()


class Holds:
    """All open holds of the process. Thread-safe. A forked child has none: they are its parent's calls.

    Args:
        release: Gives a hold's room back in the store; must not block where that is elsewhere.
    """

    def __init__(self, release: Callable[[str], None]) -> None:
        self._release = release
        self._forget_all()
        after_fork_in_child(self._forget_all)

    def _forget_all(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, float] = {}
        """When each hold was taken."""
        self._by_key: dict[str, Hold] = {}

    def take(self, hold_id: str, rows: Iterable[RowKey]) -> Hold:
        """A hold that the store has just granted."""
        hold = Hold(self, hold_id, tuple(rows))
        with self._lock:
            self._open[hold_id] = time.monotonic()
        return hold

    def inside(self, within: Hold | None, hold: Hold) -> Hold:
        """The hold of a call in a block that has one: ``hold`` has what that does not cover, perhaps nothing."""
        if within is None:
            return hold
        if hold is NO_HOLD:
            hold = self.take(INSIDE + uuid.uuid4().hex, ())
        hold.within = within
        return hold

    def bind(self, hold: Hold, record_key: str) -> None:
        with self._lock:
            if hold.id in self._open:
                hold.key = record_key
                self._by_key[record_key] = hold

    def settling(self, record_key: str) -> Hold:
        """The hold that the record with this key settles, which is its from now on; an empty one where there is
        none."""
        with self._lock:
            hold = self._by_key.pop(record_key, None)
            if hold is None or self._open.pop(hold.id, None) is None:
                return NO_HOLD
            return hold

    def give_back(self, hold: Hold) -> None:
        with self._lock:
            self._by_key.pop(hold.key, None)
            was_open = self._open.pop(hold.id, None) is not None
        if was_open:
            self._release(hold.id)

    def to_renew(self) -> list[str]:
        """The ids of holds that are still open, and not forgotten."""
        since = time.monotonic() - MAX_AGE_S
        with self._lock:
            for hold_id in [hold_id for hold_id, taken in self._open.items() if taken < since]:
                del self._open[hold_id]
            return [hold_id for hold_id in self._open if hold_id[:1] not in NOT_STORED]
