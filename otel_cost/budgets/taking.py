"""After a call: what a record costs is settled against every budget that applies, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from otel_cost.budgets.applying import NO_MONEY, Applying
from otel_cost.budgets.asking import reserved_around
from otel_cost.budgets.deciding import Decisions
from otel_cost.budgets.holds import LET_THROUGH, NOT_STORED, Hold, Holds
from otel_cost.budgets.limits import Limit
from otel_cost.budgets.settling import Background, Chore, Due
from otel_cost.budgets.spec import Budget, RowKey, facts_of_record
from otel_cost.budgets.stores.base import Posting, Settlement, Stale, Store
from otel_cost.budgets.telling import Teller
from otel_cost.model import CostRecord, Void


class _Part(NamedTuple):
    """What one budget gets. Its limit is worked out when the store is told, as it is by then."""

    limit: Callable[[], Limit]
    nano: int
    of_block_nano: int
    """How much of it comes out of the room of the block around."""


class _Settle(NamedTuple):
    record_key: str
    parts: tuple[_Part, ...]
    hold_id: str
    closes: bool

    def settlement(self, limits: Sequence[Limit]) -> Settlement:
        posts = tuple(limit.post(part.nano) for limit, part in zip(limits, self.parts, strict=True))
        return Settlement(self.record_key, posts, _stored(self.hold_id), self.closes)


class _Release(NamedTuple):
    hold_id: str


class _Told(NamedTuple):
    """Alerts that were told here."""

    alert_ids: tuple[int, ...]


class Taking:
    """Thread-safe. With a store in this process's memory it settles at once, with one elsewhere in the background.

    Args:
        applying: Which budgets there are.
        store: Where spend is kept.
        chores: What the background does besides.
        clock_ns: UTC nanoseconds.
    """

    def __init__(
        self,
        applying: Applying,
        store: Store,
        decisions: Decisions,
        teller: Teller,
        *,
        chores: tuple[Chore, ...],
        clock_ns: Callable[[], int],
    ) -> None:
        self._applying = applying
        self._limits = applying.limits
        self._store = store
        self._decisions = decisions
        self._teller = teller
        self._clock_ns = clock_ns
        self.holds = Holds(self.give_back)
        self.background = Background(self._send, chores)

    def take(self, record: CostRecord) -> None:
        """Settle a record. Its start decides the period, unless room was reserved for it."""
        hold = self.holds.settling(record.key)
        within = hold.within or self.holds.around(reserved_around.get())
        jobs = list(self._jobs(record, hold, within)) if record.charge.status not in NO_MONEY else []
        if hold.id and not any(job.hold_id == hold.id for job in jobs):
            self.give_back(hold.id)
        for job in jobs:
            self._put(job, sum(part.nano for part in job.parts))
        spent_nano = max((part.of_block_nano for job in jobs for part in job.parts), default=0)
        if hold.within is not None:
            self.holds.settled(hold, spent_nano)
        elif within is not None:
            self.holds.spent(within, spent_nano)

    def void(self, void: Void) -> None:
        """Take back what a record was settled with: it was another span of a call that had been counted."""
        self._put(void)

    def give_back(self, hold_id: str) -> None:
        """Nothing was spent under a hold."""
        if hold_id.startswith(LET_THROUGH):
            self._decisions.give_back(hold_id)
        elif _stored(hold_id):
            self._put(_Release(hold_id))

    def _put(self, job: _Settle | _Release | _Told | Void, amount_nano: int = 0) -> None:
        if self._store.local:
            self._send([job])
        else:
            self.background.put(Due(job, amount_nano))

    def _jobs(self, record: CostRecord, hold: Hold, within: Hold | None) -> Iterator[_Settle]:
        own: list[_Part] = []
        drawn: dict[str, list[_Part]] = {}
        for budget in self._applying.budgets.values():
            part = self._part(budget, record, (hold, *_outwards(within)))
            if part is not None:
                holder, what = part
                (drawn.setdefault(holder.id, []) if holder not in (None, hold) else own).append(what)
        for hold_id, parts in drawn.items():
            yield _Settle(record.key, tuple(parts), hold_id, closes=False)
        if own or hold.rows:
            yield _Settle(record.key, tuple(own), hold.id, closes=True)

    def _part(self, budget: Budget, record: CostRecord, holds: Sequence[Hold]) -> tuple[Hold | None, _Part] | None:
        """What ``budget`` gets, and the innermost hold that has room for it; None where it gets nothing."""
        facts = facts_of_record(record)
        counted = self._applying.counted(budget, record.charge, facts, record.start_ns)
        if counted is None:
            return None
        row, amount = counted
        holder, row, of_block_nano = _holder(holds, row, amount)
        limit = partial(self._limits.of, budget, row, facts, record.start_ns, must_know=True)
        return holder, _Part(limit, amount, of_block_nano)

    # --- the store ----------------------------------------------------------------------------------------------------

    def _send(self, batch: Sequence[object]) -> None:
        """Tell the store. Raises as it does."""
        self._settle([job for job in batch if isinstance(job, _Settle)])
        releases = [job.hold_id for job in batch if isinstance(job, _Release)]
        if releases:
            self._store.release(releases)
        told = [alert_id for job in batch if isinstance(job, _Told) for alert_id in job.alert_ids]
        if told:
            self._store.told(told)
        for job in batch:
            if isinstance(job, Void):
                self._store.void(job.key, now_ns=self._clock_ns())

    def _settle(self, jobs: Sequence[_Settle]) -> None:
        if not jobs:
            return
        self._limits.refresh_if_old()
        while True:
            limits = [[part.limit() for part in job.parts] for job in jobs]
            settlements = [job.settlement(of_job) for job, of_job in zip(jobs, limits, strict=True)]
            outcome = self._store.settle(settlements, version=self._limits.version, now_ns=self._clock_ns())
            if not isinstance(outcome, Stale):
                break
            self._decisions.forget()
            self._limits.refresh()
        for job in jobs:
            if job.closes and job.hold_id.startswith(LET_THROUGH):
                self._decisions.give_back(job.hold_id)
        by_row = {limit.row: limit for of_job in limits for limit in of_job}
        self._tell([posting for postings in outcome for posting in postings], by_row)

    def _tell(self, postings: Sequence[Posting], limits: Mapping[RowKey, Limit]) -> None:
        for posting in postings:
            self._decisions.posted(posting.row, posting.after_nano, limits[posting.row].amount_nano)
        alerts = [alert for posting in postings for alert in posting.alerts]
        self._teller.alerts(alerts)
        for posting in postings:
            if posting.paused:
                self._teller.paused_itself(limits[posting.row], posting)
        if alerts and self._teller.is_heard:
            # A job of its own: should the store be away by now, it is tried until it knows. Else somebody tells again.
            self._put(_Told(tuple(alert.id for alert in alerts)))


def _stored(hold_id: str) -> str:
    """The id that the store knows; empty for a hold of this process alone."""
    return "" if hold_id[:1] in NOT_STORED else hold_id


def _holder(holds: Sequence[Hold], row: RowKey, amount_nano: int) -> tuple[Hold | None, RowKey, int]:
    """The hold that ``amount_nano`` comes out of; the row, of the period that was reserved in; and how much of the
    amount the block around gives. ``holds``: the call's own, and those of blocks around it, from the inside out."""
    own, *blocks = holds
    in_own = next((held for held in own.rows if _is_same(held, row)), None)
    drew = own.within is not None

    def is_meant(held: RowKey) -> bool:
        # What a call did not draw on was reserved for other calls, and says nothing about the period of this one.
        return _is_same(held, row) if drew and in_own is None else held == (in_own or row)

    in_blocks = ((block, held) for block in blocks for held in block.rows if is_meant(held))
    block, held = next(in_blocks, (None, row))
    if in_own is None:
        return block, held, amount_nano if block is not None else 0
    if block is None or not drew:
        return own, in_own, 0
    # A call whose room is in part its own, in part the block's, spends the block's first: the block must not have that
    # for another call.
    return (block, held, amount_nano) if amount_nano <= own.drawn_nano else (own, in_own, own.drawn_nano)


def _is_same(held: RowKey, row: RowKey) -> bool:
    """Whether they are one row, or two periods of it."""
    return held.budget == row.budget and held.scope == row.scope


def _outwards(hold: Hold | None) -> Iterator[Hold]:
    """A block's hold, and those of the blocks around it."""
    while hold is not None:
        yield hold
        hold = hold.within
