"""Before a call: room for it in every budget that applies, or a refusal."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost.budgets import refusing
from otel_cost.budgets.applying import Applying
from otel_cost.budgets.deciding import Decisions
from otel_cost.budgets.holds import NO_HOLD, Hold, Holds
from otel_cost.budgets.limits import Limit
from otel_cost.budgets.refusing import OfRow, Refusal
from otel_cost.budgets.reserving import Reserving
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import Refused, Reserved, Stale, Store, Want
from otel_cost.budgets.telling import Teller
from otel_cost.errors import BudgetExceeded, BudgetStoreBusy, BudgetStoreError, BudgetStoreUnavailable
from otel_cost.model import PlannedCall

_log = logging.getLogger(semconv.LOGGER)
_TRIES: Final = 5
"""Controls that change more often than this while one call asks are somebody's mistake."""
Needed = Callable[[Limit], int]
"""What a budget has to have for a call, in nano-USD."""
reserved_around: Final[ContextVar[Hold | None]] = ContextVar("otel_cost_reserved_around", default=None)
"""Room that the code around has reserved: calls in it draw on it, and need of their own what it does not cover."""


class Asking:
    """Thread-safe.

    Args:
        applying: Which budgets there are.
        store: Where room is reserved.
        holds: Gets what was reserved.
        reserving: What calls are taken to need; None takes them to need nothing, so that only what is spent counts.
        has_price: Whether a planned call can be priced; None when that is not known yet, which lets the call pass.
        make_room: Waits until what this process has yet to settle is settled; whether that may have made room.
        hold_ttl_ns: How long a reservation outlives its process.
        clock_ns: UTC nanoseconds.

    Attributes:
        unreachable: Calls that were made, or stopped, without the store's word.
    """

    def __init__(
        self,
        applying: Applying,
        store: Store,
        holds: Holds,
        decisions: Decisions,
        teller: Teller,
        *,
        reserving: Reserving | None,
        has_price: Callable[[PlannedCall], bool | None],
        make_room: Callable[[], bool],
        hold_ttl_ns: int,
        clock_ns: Callable[[], int],
    ) -> None:
        self._applying = applying
        self._limits = applying.limits
        self._store = store
        self._holds = holds
        self._decisions = decisions
        self._teller = teller
        self._reserving = reserving
        self._has_price = has_price
        self._make_room = make_room
        self._hold_ttl_ns = hold_ttl_ns
        self._clock_ns = clock_ns
        self._said_unreachable = False
        self.unreachable = 0

    def for_call(self, call: PlannedCall, facts: Mapping[str, str]) -> Hold:
        """Room for one call. Raises BudgetExceeded."""
        return self._for(facts, partial(self._needed, call), refusing.of_call)

    def for_amount(self, facts: Mapping[str, str], needed: Needed) -> Hold:
        """Room for what ``needed`` says. Raises BudgetExceeded."""
        return self._for(facts, needed, refusing.of_amount)

    def _for(self, facts: Mapping[str, str], needed: Needed, of_row: OfRow) -> Hold:
        self._limits.refresh_if_old()
        now_ns = self._clock_ns()
        limits: list[Limit] = []
        for _ in range(_TRIES):
            limits = [limit for limit in self._applying.to(facts, now_ns) if limit.says_no]
            self._stop_at_paused(limits)
            outcome = self._taken(limits, [want_of(limit, needed(limit)) for limit in limits], now_ns, of_row)
            if isinstance(outcome, Hold):
                return outcome
            self._decisions.forget()
            try:
                self._limits.refresh()
            except BudgetStoreUnavailable as error:
                return self._without_store(limits, error)
            except BudgetStoreBusy as error:
                raise self._busy(limits, error) from error
        raise self._refusal(Refusal(limits[0], "its settings are being changed all the time", retry_after_s=1.0))

    def _taken(self, limits: Sequence[Limit], wants: Sequence[Want], now_ns: int, of_row: OfRow) -> Hold | Stale:
        """Room out of the block around, and of the store what that has not."""
        around = reserved_around.get()
        if around is None:
            return self._granted(limits, wants, now_ns, of_row)
        drawn = self._holds.draw(around, wants)
        asked = [
            (limit, rest) for limit, want in zip(limits, wants, strict=True) if (rest := drawn.rest(want)) is not None
        ]
        of_limits, rests = [limit for limit, _ in asked], [rest for _, rest in asked]
        hold: Hold | None = None
        try:
            outcome = self._granted(of_limits, rests, now_ns, of_row)
            if isinstance(outcome, Stale):
                return outcome
            hold = self._holds.inside(outcome, drawn)
            return hold
        finally:
            if hold is None:
                self._holds.undraw(drawn)

    def _granted(self, limits: Sequence[Limit], wants: Sequence[Want], now_ns: int, of_row: OfRow) -> Hold | Stale:
        outcome = self._reserved(limits, wants, now_ns)
        if isinstance(outcome, Refused):
            raise self._refusal(of_row(outcome.row, limits, wants))
        return outcome

    def _needed(self, call: PlannedCall, limit: Limit) -> int:
        budget = limit.budget
        if budget.unpriced == "block" and self._has_price(call) is False:
            why = f"there is no price for {call.provider}/{call.model} and the budget blocks unpriced calls"
            raise self._refusal(Refusal(limit, why, self._spent(limit.row)))
        if self._reserving is None or limit.action != "block":
            return 0
        needed = self._reserving.amount_nano(budget, call)
        return budget.assumed_nano if needed is None else needed

    def _stop_at_paused(self, limits: Sequence[Limit]) -> None:
        for limit in limits:
            if limit.paused:
                raise self._refusal(refusing.paused_by_hand(limit, self._spent(limit.row)))

    def _reserved(self, limits: Sequence[Limit], wants: Sequence[Want], now_ns: int) -> Hold | Refused | Stale:
        if not wants:
            return NO_HOLD
        let_through = self._decisions.let_through(wants)
        if let_through:
            return self._holds.take(let_through, [want.row for want in wants])
        hold_id = uuid.uuid4().hex
        try:
            return self._reserved_in_store(hold_id, wants, now_ns)
        except BudgetStoreUnavailable as error:
            asked_for = any(want.amount_nano for want in wants)
            # The store may have reserved it, and only its answer was late: what becomes of the call closes that hold
            # too. It has no rows here, so that nothing counts on it.
            return self._without_store(limits, error, self._holds.take(hold_id, ()) if asked_for else NO_HOLD)
        except BudgetStoreBusy as error:
            raise self._busy(limits, error) from error

    def _reserved_in_store(self, hold_id: str, wants: Sequence[Want], now_ns: int) -> Hold | Refused | Stale:
        reserve = partial(self._store.reserve, hold_id, wants, now_ns=now_ns, expires_ns=now_ns + self._hold_ttl_ns)
        outcome = reserve(version=self._limits.version)
        if isinstance(outcome, Refused) and self._make_room():
            outcome = reserve(version=self._limits.version)
        if not isinstance(outcome, Reserved):
            return outcome
        self._decisions.saw(wants, outcome.rows)
        rows = [want.row for want in wants if want.amount_nano]
        return self._holds.take(hold_id, rows) if rows else NO_HOLD

    def _busy(self, limits: Sequence[Limit], error: BudgetStoreBusy) -> BudgetExceeded:
        """Contention is no outage: whatever ``fail`` says, the limit holds."""
        return self._refusal(Refusal(limits[0], str(error), retry_after_s=1.0))

    def _without_store(self, limits: Sequence[Limit], error: BudgetStoreUnavailable, hold: Hold = NO_HOLD) -> Hold:
        self.unreachable += 1
        closed = next((limit for limit in limits if limit.budget.fail_closed), None)
        if closed is not None:
            hold.release()
            raise self._refusal(refusing.unreachable(closed, error)) from error
        if not self._said_unreachable:
            self._said_unreachable = True
            _log.error("%s: calls are made without asking the budgets (said once, then counted)", error)
        return hold

    def _refusal(self, refusal: Refusal) -> BudgetExceeded:
        event = refusal.event()
        self._teller.tell(event)
        return refusal.error(event.message(), self._clock_ns())

    def _spent(self, row: RowKey) -> int:
        """For words only: 0 where the store cannot be asked."""
        try:
            return self._store.read([row])[0].spent_nano
        except BudgetStoreError:
            return 0


def want_of(limit: Limit, needed_nano: int) -> Want:
    """What to ask the store for, where a budget needs ``needed_nano``."""
    if limit.action != "block":
        return Want(limit.row, 0, ends_ns=limit.needed_until_ns)
    # A limit that is spent is spent also for what needs nothing.
    return Want(limit.row, max(1, needed_nano), limit.amount_nano, limit.needed_until_ns)
