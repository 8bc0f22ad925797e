"""Whether an amount could be spent right now, without reserving anything or telling anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from otel_cost.budgets import refusing
from otel_cost.budgets.applying import Applying
from otel_cost.budgets.asking import reserved_around, want_of
from otel_cost.budgets.holds import Holds
from otel_cost.budgets.limits import Limit
from otel_cost.budgets.refusing import Refusal
from otel_cost.budgets.stores.base import RowState, Store, Want
from otel_cost.errors import BudgetStoreBusy, BudgetStoreError
from otel_cost.model import EMPTY, NANO


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an amount may be spent; true where it may.

    Attributes:
        allowed: What budgets say at this moment. Nothing is reserved: only a call or a guard makes sure of it.
        reason: Why not; empty where it is allowed.
        budget: The budget that says no, else the one that has the least left. Empty where none applies.
        scope: The label values that its figures are for.
        limit_usd, spent_usd, reserved_usd: Where it stands in its present period, in USD; None where no budget applies
            or its store cannot say.
        remaining_usd: What is neither spent nor reserved, at least 0.
        retry_after_s: Seconds until it is worth asking again; None when waiting does not help, or need not.
    """

    allowed: bool
    reason: str = ""
    budget: str = ""
    scope: Mapping[str, str] = field(default_factory=dict[str, str])
    limit_usd: Decimal | None = None
    spent_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    remaining_usd: Decimal | None = None
    retry_after_s: float | None = None

    def __bool__(self) -> bool:
        return self.allowed


class Checking:
    """Thread-safe.

    Args:
        applying: Which budgets there are.
        store: Where they stand.
        holds: What this process has reserved.
        make_room: Waits until what this process has yet to settle is settled; whether that may have made room.
        clock_ns: UTC nanoseconds.
    """

    def __init__(
        self,
        applying: Applying,
        store: Store,
        holds: Holds,
        *,
        make_room: Callable[[], bool],
        clock_ns: Callable[[], int],
    ) -> None:
        self._applying = applying
        self._store = store
        self._holds = holds
        self._make_room = make_room
        self._clock_ns = clock_ns

    def decide(self, facts: Mapping[str, str], amount_nano: int, within: Mapping[str, str] = EMPTY) -> Decision:
        """Whether ``amount_nano`` could be reserved against every budget that applies to ``facts``, of those whose rows
        are of ``within`` alone."""
        self._applying.limits.refresh_if_old()
        applying = self._applying.to(facts, self._clock_ns())
        limits = [limit for limit in applying if limit.says_no and _is_within(limit, within)]
        if not limits:
            return Decision(True)
        try:
            decision = self._decided(limits, amount_nano)
            return self._decided(limits, amount_nano) if not decision and self._make_room() else decision
        except BudgetStoreError as error:
            return self._without_store(limits, error)

    def _decided(self, limits: Sequence[Limit], amount_nano: int) -> Decision:
        states = self._store.read([limit.row for limit in limits])
        drawn = self._holds.peek(reserved_around.get(), [want_of(limit, amount_nano) for limit in limits])
        for limit, state in zip(limits, states, strict=True):
            refusal = _refused(limit, state, drawn.rest(want_of(limit, amount_nano)))
            if refusal is not None:
                return self._no(refusal, state)
        limit, state = min(zip(limits, states, strict=True), key=lambda pair: _left_nano(*pair))
        return _decision(limit, state, allowed=True)

    def _no(self, refusal: Refusal, state: RowState | None) -> Decision:
        error = refusal.error(refusal.event().message(), self._clock_ns())
        return _decision(refusal.limit, state, allowed=False, reason=str(error), retry_after_s=error.retry_after_s)

    def _without_store(self, limits: Sequence[Limit], error: BudgetStoreError) -> Decision:
        paused = next((limit for limit in limits if limit.paused), None)
        if paused is not None:
            return self._no(refusing.paused_by_hand(paused, 0), None)
        if isinstance(error, BudgetStoreBusy):
            return self._no(Refusal(limits[0], str(error), retry_after_s=1.0), None)
        closed = next((limit for limit in limits if limit.budget.fail_closed), None)
        if closed is not None:
            return self._no(refusing.unreachable(closed, error), None)
        return Decision(True)


def _is_within(limit: Limit, labels: Mapping[str, str]) -> bool:
    said = {**limit.budget.match, **dict(limit.row.scope)}
    return all(said.get(name) == value for name, value in labels.items())


def _refused(limit: Limit, state: RowState, want: Want | None) -> Refusal | None:
    if limit.paused:
        return refusing.paused_by_hand(limit, state.spent_nano)
    if want is None:
        return None
    full = state.spent_nano + state.reserved_nano + want.amount_nano > want.cap_nano
    return refusing.of_amount(state, [limit], [want]) if full or state.state == "paused" else None


def _left_nano(limit: Limit, state: RowState) -> int:
    return max(0, limit.amount_nano - state.spent_nano - state.reserved_nano)


def _decision(
    limit: Limit, state: RowState | None, *, allowed: bool, reason: str = "", retry_after_s: float | None = None
) -> Decision:
    told = Decision(
        allowed, reason, limit.budget.name, dict(limit.row.scope), _usd(limit.amount_nano), retry_after_s=retry_after_s
    )
    if state is None:
        return told
    return replace(
        told,
        spent_usd=_usd(state.spent_nano),
        reserved_usd=_usd(state.reserved_nano),
        remaining_usd=_usd(_left_nano(limit, state)),
    )


def _usd(nano: int) -> Decimal:
    return Decimal(nano) / NANO
