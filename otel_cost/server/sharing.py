"""A book that several servers write to: each learns what the others book, and one of them sees to it that a call whose
spans went to two of them is counted once.

Each server judges its spans against all that it knows, and hears of the others' within seconds. Spans of one call that
reach two servers before they have heard of each other are both counted. The server that has the lock judges the latest
calls of all anew, in the order in which they were booked, and takes back what is another's: its void is a row of the
book like any other, made if the call that it is counted as still stands. A server that takes the lock over starts with
the calls of the last minutes, since what is older every server had heard of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from otel_cost.ended import sighting_of_record, verdict_of
from otel_cost.errors import LedgerError
from otel_cost.ledger import tailing
from otel_cost.ledger.locks import Lock
from otel_cost.ledger.sql import SqlLedger
from otel_cost.ledger.tailing import Place
from otel_cost.matching import CAPACITY, Matcher
from otel_cost.model import CostRecord, Void
from otel_cost.pipeline import Pipeline

LOCK: Final = "sharing"
JUDGED_NS: Final = 300 * 10**9
"""How far apart two spans of one call can be booked and still be compared by the server that has the lock."""
AT_ONCE: Final = 20_000
"""Entries that are read at once at most."""
_TRIES: Final = 3

TakeBack = Callable[[Sequence[Void]], Iterable[str]]
"""Books voids; the keys of those that had an effect."""


class Sharing:
    """One server's part. Not thread-safe: :meth:`begin` once, then :meth:`catch_up` again and again.

    Args:
        ledger: The book.
        pipeline: Judges this server's spans; told of the others'.
        take_back: Books what was counted twice.
        changed: Called when others wrote to the book.
        clock: UTC nanoseconds.
        remembered_ns: How long ago a call can have ended that later spans are judged against.
    """

    def __init__(
        self,
        ledger: SqlLedger,
        pipeline: Pipeline,
        take_back: TakeBack,
        changed: Callable[[], None],
        clock: Callable[[], int],
        remembered_ns: int,
    ) -> None:
        self._ledger = ledger
        self._pipeline = pipeline
        self._changed = changed
        self._clock = clock
        self._remembered_ns = remembered_ns
        self._lock = ledger.lock(LOCK)
        self._judging = Judging(ledger, take_back, clock)
        self._place = Place()
        self._written = 0

    @property
    def lock(self) -> Lock:
        """Who has it judges."""
        return self._lock

    def begin(self) -> None:
        """From now on; what is in the book already the pipeline has to be told by the caller, afterwards."""
        beginning = partial(tailing.beginning, now_ns=self._clock())
        self._place, self._written = self._ledger.between_writes(beginning)

    def catch_up(self) -> str:
        """Hear what others booked since the last time; what was done about it. Raises LedgerError."""
        judges = self._lock.held()
        if not judges:
            self._judging.stop()
        found, written = self._ledger.between_writes(partial(tailing.news, place=self._place))
        own, self._written = written - self._written, written
        if not self._place.missing and found.count == own == found.high - self._place.high:
            self._place = Place(found.high)
            self._judging.miss(own)
            return ""
        voided = 0
        while self._place.high < found.high or self._place.missing:
            voided += self._hear(min(found.high, self._place.high + AT_ONCE), judges)
            if self._place.high == found.high:
                break
        if found.count <= own:
            return ""
        self._changed()
        return f"{found.count - own} entries of others, {voided} calls counted once"

    def _hear(self, high: int, judges: bool) -> int:
        now_ns = self._clock()
        with self._ledger.beside() as connection:
            keys, place = tailing.read(connection, self._place, high, now_ns)
            calls = tailing.calls(connection, keys)
        for call in calls:
            # What is booked long after it was (an import) must not push out what new spans may be the same as.
            if call.end_ns >= now_ns - self._remembered_ns:
                self._pipeline.remember(call)
        voided = self._judging.judge(calls) if judges else 0
        self._place = place
        return voided


class Judging:
    """Judges calls of all servers. Not thread-safe."""

    def __init__(self, ledger: SqlLedger, take_back: TakeBack, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._take_back = take_back
        self._clock = clock
        self._matcher: Matcher | None = None
        self._tries: Counter[str] = Counter()

    def stop(self) -> None:
        """Another server judges from now on."""
        self._matcher = None
        self._tries.clear()

    def miss(self, entries: int) -> None:
        """So many entries were not shown to :meth:`judge`: it looks for itself when there is something to judge."""
        if entries:
            self.stop()

    def judge(self, calls: Iterable[CostRecord]) -> int:
        """Take back what is counted twice now that ``calls`` are in the book; how many calls were. Raises LedgerError,
        after which it is to be called with them again."""
        if self._matcher is None:
            self._matcher = Matcher(can_void=True, window_ns=JUDGED_NS)
            calls = self._ledger.recent(self._clock() - JUDGED_NS, CAPACITY)
        voids = self._met(calls)
        taken_back = 0
        while voids:
            try:
                done = set(self._take_back(voids))
            except LedgerError:
                self.stop()  # what was found out is not said twice
                raise
            taken_back += len(done)
            voids = self._met(self._still_counted([void.key for void in voids if void.key not in done]))
        self._tries.clear()
        return taken_back

    def _met(self, calls: Iterable[CostRecord]) -> list[Void]:
        matcher, now_ns = self._matcher, self._clock()
        if matcher is None:
            return []
        # What was found elsewhere to be the same as another call first: its place there is taken, then.
        ordered = sorted(calls, key=lambda call: verdict_of(call).status is None)
        voids = [matcher.meet(sighting_of_record(call), verdict_of(call), now_ns) for call in ordered]
        return [void for some in voids for void in some]

    def _still_counted(self, keys: Sequence[str]) -> list[CostRecord]:
        """Calls that stand although they were to be taken back: what they were to be counted as does not stand. With
        what that is counted as they are judged once more."""
        if not keys or self._matcher is None:
            return []
        with self._ledger.beside() as connection:
            calls = tailing.calls(connection, keys)
        again = [call for call in calls if verdict_of(call).status is None and self._tries[call.key] < _TRIES]
        for call in again:
            self._tries[call.key] += 1
            self._matcher.forget(call.key)
        return again
