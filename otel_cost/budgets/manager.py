"""All budgets of a process, put together: asked before a call, told after it, and looked after in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from otel_cost.budget_settings import Action
from otel_cost.budgets.applying import Applying
from otel_cost.budgets.asking import Asking
from otel_cost.budgets.changing import Changing
from otel_cost.budgets.checking import Checking, Decision
from otel_cost.budgets.deciding import Decisions
from otel_cost.budgets.evaluate import BudgetEvent
from otel_cost.budgets.holds import NO_HOLD, Hold
from otel_cost.budgets.limits import Limit, Limits
from otel_cost.budgets.reserving import Reserving
from otel_cost.budgets.settling import Chore
from otel_cost.budgets.spec import Budget, BudgetState, RowKey, facts_of_call
from otel_cost.budgets.stores.base import Control, RowState, Store
from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.budgets.taking import Taking
from otel_cost.budgets.telling import Teller
from otel_cost.errors import BudgetError
from otel_cost.model import EMPTY, NANO, CostRecord, PlannedCall, Void

_FLUSH_S: Final = 1.0
"""How long a refused call waits for what its own process has yet to settle."""
_UNTOLD_S: Final = 60.0
_STATES_S: Final = 10.0
_LOCAL_TTL_S: Final = 3600.0
"""A reservation in this process's own memory ends with it, so that nothing has to renew it."""
MAX_LIMIT_NANO: Final = 10**9 * NANO
GAUGE_ROWS: Final = 500
"""Rows of one budget that have gauges, the latest used ones: the SDK gives up at 2,000 series an instrument."""


class Budgets:
    """All budgets of a process. Thread-safe.

    Args:
        budgets: The limits.
        on_event: Told of every threshold, breach, pause and blocked call; must not block. None: nobody here tells
            them to the outside, and thresholds are left to another process that does.
        reserving: What calls are taken to need; None takes them to need nothing, so that only what is spent counts.
        has_price: Whether a planned call can be priced, for budgets with ``unpriced: block``; None when that is not
            known yet, which lets the call pass.
        store: Where spend is kept; None: in this process's memory.
        hold_ttl_s: How long a reservation outlives its process.
        cache_s: How long what the store says is believed while a scope is far from its limit; 0: not at all.
        clock_ns: UTC nanoseconds.

    Attributes:
        lost_nano: Reservations whose call never settled, as far as this process found them, in nano-USD.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        *,
        on_event: Callable[[BudgetEvent], None] | None,
        reserving: Reserving | None = None,
        has_price: Callable[[PlannedCall], bool | None] = lambda _call: None,
        store: Store | None = None,
        hold_ttl_s: float = 60.0,
        cache_s: float = 0.0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.budgets: Mapping[str, Budget] = {budget.name: budget for budget in budgets}
        self.store: Store = store if store is not None else MemoryStore()
        self.decisions = Decisions(0.0 if self.store.local else cache_s)
        self.lost_nano = 0
        self._clock_ns = clock_ns
        self._hold_ttl_ns = round((_LOCAL_TTL_S if self.store.local else hold_ttl_s) * NANO)
        self._reserving = reserving
        self._teller = Teller(self.budgets, on_event)
        self._applying = Applying(self.budgets, Limits(self.store))
        chores = (
            Chore(hold_ttl_s / 3, self._renew),
            Chore(max(1.0, hold_ttl_s / 2), self._sweep, at_once=True),
            Chore(_UNTOLD_S, self._tell_untold),
            Chore(_STATES_S, self._read_states),
        )
        self._taking = Taking(
            self._applying, self.store, self.decisions, self._teller, chores=chores, clock_ns=clock_ns
        )
        self._asking = Asking(
            self._applying, self.store, self._taking.holds, self.decisions, self._teller,
            reserving=reserving, has_price=has_price, make_room=self._make_room, hold_ttl_ns=self._hold_ttl_ns,
            clock_ns=clock_ns,
        )  # fmt: skip
        self._checking = Checking(
            self._applying, self.store, self._taking.holds, make_room=self._make_room, clock_ns=clock_ns
        )
        self._changing = Changing(
            self.budgets, self.store, self.limits, self._teller, rows_now=self._rows_now, clock_ns=clock_ns
        )
        self._states: list[BudgetState] | None = None

    @property
    def present(self) -> bool:
        """Whether there is any budget at all."""
        return bool(self.budgets)

    @property
    def limits(self) -> Limits:
        """What holds for each row."""
        return self._applying.limits

    @property
    def may_block(self) -> bool:
        """Whether asking can wait for something: prices that are loading, or a store elsewhere."""
        return not self.store.local or any(
            budget.unpriced == "block" or "block" in budget.actions for budget in self.budgets.values()
        )

    @property
    def unreachable(self) -> int:
        """Calls that were made, or stopped, without the store's word."""
        return self._asking.unreachable

    @property
    def unsettled_nano(self) -> int:
        """Spend that the store was never told, since it was away for too long, in nano-USD."""
        return self._taking.background.dropped_nano

    # --- around a call ------------------------------------------------------------------------------------------------

    def admit(self, call: PlannedCall, trace_id: str) -> Hold:
        """Room for one call against every budget that applies, or a refusal.

        Raises:
            BudgetExceeded: a budget has not enough left or is paused, it blocks calls that have no price, or its store
                cannot say and it is closed then.
        """
        if not self.budgets:
            return NO_HOLD
        return self._watched(self._asking.for_call(call, facts_of_call(call, trace_id)))

    def reserve(self, facts: Mapping[str, str], amount_nano: int) -> Hold:
        """Room for ``amount_nano`` against every budget that applies to ``facts``, which calls draw on while it is in
        ``reserved_around``. Budgets by what only a call has (its model) do not apply. Raises as :meth:`admit`."""
        if not self.budgets:
            return NO_HOLD
        hold = self._watched(self._asking.for_amount(facts, lambda _limit: amount_nano))
        hold.hold_for_block(amount_nano)
        return hold

    def check(self, facts: Mapping[str, str], amount_nano: int, within: Mapping[str, str] = EMPTY) -> Decision:
        """Whether :meth:`reserve` would get room right now. Reserves nothing, tells nobody.

        ``within``: labels that whoever asks is bound to. Budgets over more than these do not count then: whether one
        has room says what others have spent.
        """
        return self._checking.decide(facts, amount_nano, within) if self.budgets else Decision(True)

    def _watched(self, hold: Hold) -> Hold:
        if not self.store.local:
            self._taking.background.wake()
        return hold

    def take(self, record: CostRecord) -> None:
        """Settle a record against every budget that applies, once."""
        if self.budgets:
            if self._reserving is not None:
                self._reserving.learned.take(record)
            self._taking.take(record)

    def void(self, void: Void) -> None:
        """Take back what a record was settled with."""
        if self.budgets:
            self._taking.void(void)

    def _make_room(self) -> bool:
        """Whether room may have been made: what this process has yet to settle still holds its reservation."""
        if self.store.local:
            return bool(self.sweep())
        self.look_after()  # what the dead have reserved is given back soon, also where no call gets as far as a hold
        return self._taking.background.busy and self._taking.background.flush(_FLUSH_S)

    # --- looking after ------------------------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Look after a store elsewhere from now on, in the background, as the first call with a reservation does."""
        if self.budgets and not self.store.local:
            self._taking.background.wake()

    def sweep(self) -> int:
        """Give back lapsed reservations. In how many rows there were any. Raises as the store does."""
        charged = {budget.name for budget in self.budgets.values() if budget.charge_expired}
        lost = self.store.sweep(now_ns=self._clock_ns(), charge=charged)
        self.lost_nano += sum(one.amount_nano for one in lost)
        return len(lost)

    def _sweep(self) -> None:
        self.sweep()

    def _renew(self) -> None:
        held = self._taking.holds.to_renew()
        if held:
            self.store.renew(held, expires_ns=self._clock_ns() + self._hold_ttl_ns)

    def _tell_untold(self) -> None:
        self._teller.alerts(self.store.claim_untold(before_ns=self._clock_ns() - round(_UNTOLD_S * NANO)))

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until the store knows everything that was settled. False when that took longer."""
        return self._taking.background.flush(timeout_s)

    def close(self) -> None:
        """Settle what waits, and let go of the store."""
        self._taking.background.close()
        self.store.close()

    # --- by hand ------------------------------------------------------------------------------------------------------

    def pause(self, name: str, scope: Mapping[str, str] = EMPTY, *, actor: str, reason: str) -> None:
        """Stop all calls that budget ``name`` applies to, or with a ``scope`` those of one value of it, until they are
        let go on. Holds in every process that shares the store within a second.

        Raises:
            BudgetError: there is no such budget, the scope does not fit its labels, or nobody says who or why.
            BudgetStoreError: the store cannot.
        """
        self._changing.change("pause", name, scope, actor=actor, reason=reason)

    def resume(self, name: str, scope: Mapping[str, str] = EMPTY, *, actor: str, reason: str) -> None:
        """Let a budget go on that was paused, by hand or by itself: in the present period it does not pause itself
        again. Raises as :meth:`pause`."""
        self._changing.change("resume", name, scope, actor=actor, reason=reason)

    def reset(self, name: str, scope: Mapping[str, str] = EMPTY, *, actor: str, reason: str) -> None:
        """Begin the present period anew: what was spent in it does not count against the limit any more. Raises as
        :meth:`pause`."""
        self._changing.change("reset", name, scope, actor=actor, reason=reason)

    def set_limit(
        self,
        name: str,
        scope: Mapping[str, str] = EMPTY,
        *,
        amount_nano: int | None = None,
        action: Action | None = None,
        actor: str,
        reason: str,
    ) -> None:
        """Put another limit (nano-USD) or action in the place of the configured one; None: as configured. Raises as
        :meth:`pause`, and BudgetError for an amount outside 0 to 10**9 USD."""
        if amount_nano is not None and not 0 <= amount_nano <= MAX_LIMIT_NANO:
            raise BudgetError(f"a limit of {amount_nano / NANO} USD is outside 0 to 1,000,000,000")
        control = Control(amount_nano, action)
        self._changing.change("set", name, scope, actor=actor, reason=reason, control=control)

    # --- state --------------------------------------------------------------------------------------------------------

    def states(self, *, gauges_only: bool = False) -> Iterator[BudgetState]:
        """Where every row stands that is kept and whose period has not ended; unused budgets show with 0 spent.

        ``gauges_only``: only budgets whose rows are bounded, and at most ``GAUGE_ROWS`` rows of each. Raises as the
        store does.
        """
        now_ns = self._clock_ns()
        self.limits.refresh_if_old()
        for budget in self.budgets.values():
            if gauges_only and not budget.has_gauges:
                continue
            found = list(self._current(budget, now_ns))
            yield from found[-GAUGE_ROWS:] if gauges_only else found

    def state(self, name: str, scope: Mapping[str, str]) -> BudgetState | None:
        """Where budget ``name`` stands for one value of its labels; None where it does not apply now.

        Raises:
            BudgetError: there is no such budget, or the scope does not fit its labels.
            BudgetStoreError: the store cannot be asked.
        """
        budget, key = self._changing.meant(name, scope)
        now_ns = self._clock_ns()
        facts = {**dict(key), **budget.match}
        row = budget.row(facts, now_ns)
        if row is None:
            return None
        self.limits.refresh_if_old()
        return _state(self.limits.of(budget, row, facts, now_ns, must_know=True), self.store.read([row])[0])

    def _current(self, budget: Budget, now_ns: int) -> Iterator[BudgetState]:
        rows = [state for state in self.store.rows(budget.name) if self._is_current(budget, state, now_ns)]
        if not rows and not budget.per and (row := budget.row(budget.match, now_ns)) is not None:
            rows = [RowState(row)]
        for state in rows:
            limit = self.limits.of(budget, state.row, {**dict(state.row.scope), **budget.match}, now_ns, must_know=True)
            yield _state(limit, state)

    def _is_current(self, budget: Budget, state: RowState, now_ns: int) -> bool:
        return budget.row({**dict(state.row.scope), **budget.match}, now_ns) == state.row

    def _rows_now(self, budget: Budget) -> list[RowKey]:
        return [state.row for state in self._current(budget, self._clock_ns())]

    def gauges(self) -> Sequence[BudgetState]:
        """States for metrics. Never waits for a store elsewhere: what it said some seconds ago is shown."""
        if self.store.local:
            return list(self.states(gauges_only=True))
        if self.budgets:
            self._taking.background.wake()
        return self._states or ()

    def _read_states(self) -> None:
        self._states = list(self.states(gauges_only=True))


def _state(limit: Limit, state: RowState) -> BudgetState:
    paused = limit.paused or state.state == "paused"
    return BudgetState(
        limit.budget, state.row, limit.amount_nano, state.spent_nano, state.reserved_nano, limit.action, paused,
        paused_by_hand=limit.paused, ends_ns=limit.ends_ns,
    )  # fmt: skip
