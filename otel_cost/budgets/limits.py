"""What holds for a row right now: what was configured, what people set since, and what the period before left over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from otel_cost.budget_settings import Action
from otel_cost.budgets.evaluate import pause_at
from otel_cost.budgets.spec import Budget, RowKey, Scope
from otel_cost.budgets.stores.base import NO_CAP, Control, Controls, Post, RowState, Store
from otel_cost.errors import BudgetStoreError

FRESH_S: Final = 1.0
"""For how long controls are believed where nothing is reserved: a pause by hand holds everywhere within this time."""
_CARRIED_S: Final = 60.0
_KEPT: Final = 10_000
_NONE: Final = Control()


class Limit(NamedTuple):
    """One budget that applies, with the row and what holds for it. Money in nano-USD."""

    budget: Budget
    row: RowKey
    amount_nano: int
    action: Action
    paused: bool
    """By hand, for the budget or for this value of it, at run time or in the settings."""
    ends_ns: int | None

    @property
    def says_no(self) -> bool:
        """Whether the store has to be asked before a call."""
        return self.paused or self.action != "alert"

    @property
    def needed_until_ns(self) -> int | None:
        """Until when the row is asked for: where the period after goes by what it has left, until that one ends."""
        if self.ends_ns is None or not self.budget.carry_over:
            return self.ends_ns
        return self.budget.period_end_ns(self.ends_ns)

    def post(self, amount_nano: int) -> Post:
        """What to settle for a record that cost ``amount_nano``."""
        at = pause_at(self.amount_nano, self.budget.grace) if self.action == "pause" else None
        return Post(self.row, amount_nano, self.amount_nano, self.budget.marks, at, self.needed_until_ns)


class Limits:
    """Works out limits; remembers the controls of the store, and what periods before had spent. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._controls = Controls(0, {})
        self._read_at = float("-inf")
        self._failed_at = float("-inf")
        self._spent: dict[RowKey, tuple[float, int]] = {}
        """What periods before had spent, and when that was read."""

    @property
    def version(self) -> int:
        return self._controls.version

    def refresh(self) -> None:
        """Read the controls now. Raises as the store does."""
        self._controls = self._store.controls()
        self._read_at = time.monotonic()

    def refresh_if_old(self) -> None:
        """Read the controls where they are older than ``FRESH_S``; where the store fails, the old ones go on."""
        if self._store.local or time.monotonic() - self._read_at > FRESH_S:
            # Whoever comes meanwhile goes by the old ones rather than ask as well.
            self._read_at = time.monotonic()
            try:
                self.refresh()
            except BudgetStoreError:
                return

    def of(
        self, budget: Budget, row: RowKey, facts: Mapping[str, str], at_ns: int, *, must_know: bool = False
    ) -> Limit:
        """What holds for ``row``, which ``facts`` at ``at_ns`` lead to.

        ``must_know``: raise as the store does rather than take it that nothing was carried over: with too low a limit
        thresholds would be told that are not reached.
        """
        whole, one = self._control(budget.name, ()), self._control(budget.name, row.scope)
        left_over = self._left_over(budget, facts, at_ns, must_know=must_know)
        return Limit(
            budget=budget,
            row=row,
            amount_nano=self._amount(budget, row.scope, whole, one) + left_over,
            action=one.action or whole.action or budget.action_for(row.scope),
            paused=whole.paused or one.paused or budget.paused_in_settings(row.scope),
            ends_ns=budget.period_end_ns(at_ns),
        )

    def _control(self, budget: str, scope: Scope) -> Control:
        return self._controls.by_scope.get((budget, scope), _NONE)

    def _amount(self, budget: Budget, scope: Scope, whole: Control, one: Control) -> int:
        if one.amount_nano is not None:
            return one.amount_nano
        # What was set for the whole budget stands for its amount, not for the amounts of values that have their own.
        if whole.amount_nano is not None and not budget.has_own_limit(scope):
            return whole.amount_nano
        return budget.limit_nano(scope)

    def _left_over(self, budget: Budget, facts: Mapping[str, str], at_ns: int, *, must_know: bool) -> int:
        """What the period before left of its own amount: never more than that, however often nothing was spent."""
        before = budget.row_before(facts, at_ns) if budget.carry_over else None
        if before is None:
            return 0
        whole, one = self._control(budget.name, ()), self._control(budget.name, before.scope)
        return max(0, self._amount(budget, before.scope, whole, one) - self._spent_before(before, must_know=must_know))

    def _spent_before(self, before: RowKey, *, must_know: bool) -> int:
        read_at, known = self._spent.get(before, (float("-inf"), NO_CAP))
        now = time.monotonic()
        failed = not must_know and now - self._failed_at <= FRESH_S  # a call waits for the store once, not twice
        if failed or now - read_at <= _CARRIED_S:
            return known
        try:
            (state,) = self._store.read([before])
        except BudgetStoreError:
            self._failed_at = time.monotonic()
            if must_know and known == NO_CAP:
                raise
            return known  # as it was a while ago: a period that is over hardly changes
        if len(self._spent) > _KEPT:
            self._spent.clear()
        self._spent[before] = (now, spent_in(state))
        return spent_in(state)


def spent_in(state: RowState) -> int:
    """What a row has spent in truth: what a reset forgave was spent as well."""
    return state.spent_nano + state.forgiven_nano
