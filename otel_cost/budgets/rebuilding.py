"""Compares the store of budgets with the book, and brings it to what the book says.

Record by record: what a call of the book counts against, and with how much, is worked out as it was when the call was
settled, and compared with what the store has posted under the call's key. So it does not matter how often this is done,
nor whether calls are being settled meanwhile.

What the store has and the book has not is left alone for an hour: a record may be on its way to the book. After that it
is *stray*, which is reported, and taken away only when asked to.

Left out are rows whose period is over and that the store has forgotten, and fixed costs, which nobody ever settles.
Spend of budgets that are not configured here is another app's, and stays as it is. A call that had room reserved in the
period before the one it started in stays there; a store that has lost it gets it in the period of its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from otel_cost.budgets.applying import Applying
from otel_cost.budgets.limits import Limits, spent_in
from otel_cost.budgets.periods import period_span
from otel_cost.budgets.spec import Budget, RowKey, facts_of
from otel_cost.budgets.stores.base import OpenStore, Post, Posted, Settlement
from otel_cost.ledger.base import MAX_STORED, Ledger, Standing
from otel_cost.model import NANO, Kind

PAGE: Final = 500
"""Records that are read, compared and set right at a time."""
_HOUR_NS: Final = 3600 * NANO
ON_ITS_WAY_NS: Final = _HOUR_NS
"""How long a settled record may take into the book."""
RECENT_NS: Final = 30 * 24 * _HOUR_NS
"""Sessions and traces that the store has forgotten are not made again from calls that are older."""
_ALL_LOST: Final = 1_000_000


@dataclass(slots=True)
class RowCheck:
    """One row, in the book and in the store. Nano-USD.

    Attributes:
        book_nano: What the calls of the book come to.
        waiting_nano: Settled within the last hour, and not in the book yet.
        stray_nano: In the store, not in the book, and older than that.
        store_nano: Spent and forgiven; what lapsed reservations were charged is no call's, and left out.
    """

    book_nano: int = 0
    waiting_nano: int = 0
    stray_nano: int = 0
    store_nano: int = 0

    @property
    def agrees(self) -> bool:
        return self.difference_nano == 0

    @property
    def difference_nano(self) -> int:
        """What the store has too much."""
        return self.store_nano - self.book_nano - self.waiting_nano


@dataclass(slots=True)
class Comparison:
    """How store and book compare, once all was done that was to be done.

    Attributes:
        calls: Records of the book that were looked at.
        wrong: Those of them that the store had with other amounts, or in other rows; with those that the book has
            taken back.
        waiting, strays: Records that only the store has, younger and older than an hour.
    """

    rows: dict[RowKey, RowCheck] = field(default_factory=dict[RowKey, RowCheck])
    calls: int = 0
    wrong: int = 0
    waiting: int = 0
    strays: int = 0

    @property
    def agrees(self) -> bool:
        return all(row.agrees for row in self.rows.values())

    def row(self, key: RowKey) -> RowCheck:
        return self.rows.setdefault(key, RowCheck())


Progress = Callable[[int], None]


def _nobody(_calls: int) -> None:
    pass


class Rebuilding:
    """Args:
        budgets: By name: all that are to be compared.
        now_ns: UTC nanoseconds.
        page: How many records are in memory at a time.

    Attributes:
        from_ns: Calls that started before do not matter any more.
    """

    def __init__(
        self, budgets: Mapping[str, Budget], store: OpenStore, ledger: Ledger, *, now_ns: int, page: int = PAGE
    ) -> None:
        self._budgets = budgets
        self._store = store
        self._ledger = ledger
        self._now_ns = now_ns
        self._page = page
        self._limits = Limits(store)
        self._applying = Applying(budgets, self._limits, says=False)
        self._kept = {state.row for name in budgets for state in store.rows(name)}
        self.from_ns = min((self._begins_ns(budget) for budget in budgets.values()), default=MAX_STORED)

    def compare(self, progress: Progress = _nobody) -> Comparison:
        """Change nothing. ``progress`` is told after each page how many calls it had.

        Raises:
            BudgetStoreError, LedgerError: one of them cannot be read.
        """
        return self._walk(progress, write=False, prune=False)

    def rebuild(self, progress: Progress = _nobody, *, prune: bool = False) -> Comparison:
        """Set right what is wrong, page by page; ``prune`` takes strays away. A run that breaks off is completed by
        the next. Raises as :meth:`compare`."""
        return self._walk(progress, write=True, prune=prune)

    def _walk(self, progress: Progress, *, write: bool, prune: bool) -> Comparison:
        self._limits.refresh()
        found = Comparison()
        for calls in self._pages():
            wrong = list(self._wrong_in(calls, found))
            if write and wrong:
                self._store.correct(wrong, now_ns=self._now_ns)
            progress(len(calls))
        self._look_for_others(found, write=write, prune=prune)
        self._read_rows(found)
        return found

    # --- from the book ------------------------------------------------------------------------------------------------

    def _pages(self) -> Iterator[Sequence[Standing]]:
        after: tuple[int, str] | None = None
        while calls := self._ledger.standing(self.from_ns, MAX_STORED, after=after, limit=self._page):
            yield calls
            after = (calls[-1].occurred_ns, calls[-1].key)

    def _wrong_in(self, calls: Sequence[Standing], found: Comparison) -> Iterator[Settlement]:
        """What has to be posted for calls that the store has otherwise."""
        posted = {one.record_key: one for one in self._store.posted([call.key for call in calls])}
        for call in calls:
            found.calls += 1
            has = posted.get(call.key, Posted(call.key, {}, 0))
            posts = list(self._posts(call, has.amounts))
            for post in posts:
                found.row(post.row).book_nano += post.amount_nano
            if {post.row: post.amount_nano for post in posts} != self._ours(has):
                found.wrong += 1
                yield Settlement(call.key, (*posts, *self._of_others(has)))

    def _posts(self, call: Standing, has: Mapping[RowKey, int]) -> Iterator[Post]:
        if call.dimensions.get("kind") == Kind.INFRASTRUCTURE and not call.trace_id:
            return  # a fixed cost: it goes into the book by a command, and past all budgets
        facts = _facts(call)
        for budget in self._budgets.values():
            counted = self._applying.counted(budget, call.charge, facts, call.occurred_ns)
            if counted is None:
                continue
            at_ns = call.occurred_ns + self._shift_ns(budget, counted[0], facts, call.occurred_ns, has)
            row = budget.row(facts, at_ns) or counted[0]
            if self._matters(budget, row, facts, at_ns, has):
                yield self._limits.of(budget, row, facts, at_ns, must_know=True).post(counted[1])

    def _shift_ns(
        self, budget: Budget, row: RowKey, facts: Mapping[str, str], at_ns: int, has: Mapping[RowKey, int]
    ) -> int:
        """How far from its start a call was reserved, where that was in another period."""
        if row not in has:
            for shift_ns in (-_HOUR_NS, _HOUR_NS):
                if budget.row(facts, at_ns + shift_ns) in has:
                    return shift_ns
        return 0

    def _matters(
        self, budget: Budget, row: RowKey, facts: Mapping[str, str], at_ns: int, has: Mapping[RowKey, int]
    ) -> bool:
        """Whether anybody still asks for ``row``."""
        if row in self._kept or row in has or budget.period == "total":
            return True
        ends_ns = budget.period_end_ns(at_ns)
        if ends_ns is None:
            return at_ns >= self._now_ns - RECENT_NS
        return ends_ns > self._now_ns or (budget.carry_over and row == budget.row_before(facts, self._now_ns))

    def _ours(self, has: Posted) -> dict[RowKey, int]:
        return {row: nano for row, nano in has.amounts.items() if nano and row.budget in self._budgets}

    def _of_others(self, has: Posted) -> Iterator[Post]:
        """What budgets have that are not configured here: it has to be said again, to stay."""
        return (Post(row, nano, 0) for row, nano in has.amounts.items() if row.budget not in self._budgets)

    # --- from the store -----------------------------------------------------------------------------------------------

    def _look_for_others(self, found: Comparison, *, write: bool, prune: bool) -> None:
        """Records that the book does not have, or has taken back."""
        after = ""
        while page := self._store.posted_after(after, limit=self._page):
            ours = [one for one in page if self._ours(one)]
            booked = self._ledger.booked([one.record_key for one in ours])
            for one in ours:
                if one.record_key not in booked:
                    self._only_here(one, found, prune=write and prune)
                elif not booked[one.record_key]:
                    found.wrong += 1
                    if write:
                        self._store.void(one.record_key, now_ns=self._now_ns)
            after = page[-1].record_key

    def _only_here(self, one: Posted, found: Comparison, *, prune: bool) -> None:
        young = one.at_ns > self._now_ns - ON_ITS_WAY_NS
        if young:
            found.waiting += 1
        else:
            found.strays += 1
        if prune and not young:
            self._store.correct([Settlement(one.record_key, tuple(self._of_others(one)))], now_ns=self._now_ns)
        for row, nano in self._ours(one).items():
            if young:
                found.row(row).waiting_nano += nano
            else:
                found.row(row).stray_nano += nano

    def _read_rows(self, found: Comparison) -> None:
        for name in self._budgets:
            for state in self._store.rows(name):
                found.row(state.row).store_nano = spent_in(state)
        for lost in self._store.lost(limit=_ALL_LOST):
            if lost.charged and lost.row in found.rows:
                found.row(lost.row).store_nano -= lost.amount_nano

    # --- which calls --------------------------------------------------------------------------------------------------

    def _begins_ns(self, budget: Budget) -> int:
        """The start of the oldest call that counts against a row that anybody still asks for."""
        since_ns = budget.starts_ns or 0
        if budget.period in ("session", "trace", "total"):
            return since_ns
        present = period_span(budget.period, budget.timezone, self._now_ns)
        starts = [present.start_ns]
        if budget.carry_over:
            starts.append(period_span(budget.period, budget.timezone, present.start_ns - 1).start_ns)
        starts += [start for row in self._kept if row.budget == budget.name and (start := _start_ns(row)) is not None]
        return max(since_ns, min(starts) - _HOUR_NS)


def _start_ns(row: RowKey) -> int | None:
    """When a row's period began; None for one that was kept under another kind of period before."""
    try:
        return round(datetime.fromisoformat(row.period).timestamp()) * NANO
    except ValueError:
        return None


def _facts(call: Standing) -> dict[str, str]:
    called = call.called
    return facts_of(
        call.labels,
        trace_id=call.trace_id,
        provider=called.provider,
        model_requested=called.model_requested,
        model_answered=called.model_answered,
        operation=call.dimensions.get("operation", ""),
        kind=call.dimensions.get("kind", ""),
    )
