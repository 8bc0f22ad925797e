"""Reservations of this process: which call has which, and that each is given back or settled once."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import Want
from otel_cost.forking import after_fork_in_child

LET_THROUGH: Final = "~"
"""What the ids begin with of holds for calls that were let through without asking the store."""
INSIDE: Final = "+"
"""And of holds that need no room of their own."""
NOT_STORED: Final = LET_THROUGH + INSIDE
MAX_AGE_S: Final = 3600.0
"""A reservation is renewed for no longer: what takes longer than an hour is taken for forgotten, and lapses."""
_FORGOTTEN_S: Final = 24 * 3600.0
"""After that its id is forgotten as well. Until then it closes what it has in the store, there or lapsed: what a lapsed
reservation was charged is given back when its call is settled after all."""


class Hold:
    """Room that was taken for a call, or for a block of code and the calls in it. Give it back once the call's span has
    ended, or the block; again does nothing.

    Bound to the span that tells the call's cost, it is settled by that span's record, and then nothing is left to give
    back. A block's room stays until the last call that drew on it is over.

    Attributes:
        id: The store's name for it; empty where nothing is held.
        rows: Where the room is.
        within: The hold of the block around that room was drawn from.
        drawn_nano: How much.
        size_nano: What a block reserved, in nano-USD; 0 for a call's own hold.
        left_nano: What of that its calls have neither spent nor drawn.
    """

    __slots__ = ("_holds", "closed", "drawn_nano", "id", "key", "left_nano", "rows", "size_nano", "users", "within")

    def __init__(self, holds: Holds | None = None, id: str = "", rows: tuple[RowKey, ...] = ()) -> None:
        self._holds = holds
        self.id = id
        self.rows = rows
        self.within: Hold | None = None
        self.drawn_nano = 0
        self.key = ""
        self.size_nano = 0
        self.left_nano = 0
        self.users = 0
        self.closed = False

    def covers(self, row: RowKey) -> bool:
        """Whether it has room in ``row``, of its own or drawn from the block around."""
        return row in self.rows or (self.within is not None and self.within.covers(row))

    def hold_for_block(self, amount_nano: int) -> None:
        """Calls of a block may draw on it."""
        if self._holds is not None:
            self.size_nano = self.left_nano = amount_nano

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


class Drawn(NamedTuple):
    """What a call, or a block inside another, has out of the block around it."""

    within: Hold | None = None
    amount_nano: int = 0

    def rest(self, want: Want) -> Want | None:
        """What is still wanted of the store; None where nothing is."""
        if self.within is None or not want.amount_nano or not self.within.covers(want.row):
            return want
        rest = want.amount_nano - self.amount_nano
        return want._replace(amount_nano=rest) if rest > 0 else None


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

    def around(self, hold: Hold | None) -> Hold | None:
        """``hold``, or the nearest block around it that is still open here. A task may outlive the block that began it,
        a block its reservation, and a forked child has none of its parent's."""
        since = time.monotonic() - MAX_AGE_S
        while hold is not None and (hold.closed or self._open.get(hold.id, float("-inf")) <= since):
            hold = hold.within
        return hold

    def draw(self, around: Hold | None, wants: Sequence[Want]) -> Drawn:
        """Take what ``wants`` need out of the block around, as far as it has that left."""
        with self._lock:
            drawn = self._drawable(around, wants)
            if drawn.within is not None:
                drawn.within.left_nano -= drawn.amount_nano
                drawn.within.users += 1
            return drawn

    def peek(self, around: Hold | None, wants: Sequence[Want]) -> Drawn:
        """What :meth:`draw` would take."""
        with self._lock:
            return self._drawable(around, wants)

    def _drawable(self, around: Hold | None, wants: Sequence[Want]) -> Drawn:
        within = self.around(around)
        while within is not None and not within.left_nano:
            within = self.around(within.within)
        if within is None:
            return Drawn()
        needed = max((want.amount_nano for want in wants if within.covers(want.row)), default=0)
        return Drawn(within, min(needed, within.left_nano)) if needed else Drawn()

    def undraw(self, drawn: Drawn) -> None:
        """It was not needed."""
        if drawn.within is not None:
            self._put_back(drawn.within, drawn.amount_nano)

    def inside(self, hold: Hold, drawn: Drawn) -> Hold:
        """The hold of a call in a block that has one: ``hold`` has what was not drawn, perhaps nothing."""
        if drawn.within is None:
            return hold
        if hold is NO_HOLD:
            hold = self.take(INSIDE + uuid.uuid4().hex, ())
        hold.within, hold.drawn_nano = drawn
        return hold

    def settled(self, hold: Hold, spent_nano: int) -> None:
        """What ``hold`` had drawn is the block's again, but for what was spent."""
        if hold.within is not None:
            self._put_back(hold.within, hold.drawn_nano - spent_nano)

    def spent(self, block: Hold, amount_nano: int) -> None:
        """Something in a block has cost this without having drawn on it before."""
        with self._lock:
            block.left_nano = max(0, block.left_nano - amount_nano)

    def _put_back(self, block: Hold, amount_nano: int) -> None:
        with self._lock:
            block.left_nano = max(0, block.left_nano + amount_nano)
            block.users -= 1
            last = block.closed and not block.users
        if last:
            self.give_back(block)

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
        """Nothing more is going to be spent out of ``hold``, but by calls that have drawn on it and are under way."""
        with self._lock:
            hold.closed = True
            if hold.users:
                return
            self._by_key.pop(hold.key, None)
            was_open = self._open.pop(hold.id, None) is not None
        if was_open:
            self._release(hold.id)
            self.settled(hold, hold.size_nano - hold.left_nano)

    def to_renew(self) -> list[str]:
        """The ids of holds that are still open, and young enough."""
        since = time.monotonic() - MAX_AGE_S
        with self._lock:
            for hold_id in [hold_id for hold_id, taken in self._open.items() if taken < since - _FORGOTTEN_S]:
                del self._open[hold_id]
            return [hold_id for hold_id, taken in self._open.items() if taken > since and hold_id[:1] not in NOT_STORED]
