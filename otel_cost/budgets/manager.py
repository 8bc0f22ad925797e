"""Budgets at work: settles what was spent, says no before a call, and tells what happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from otel_cost import semconv, shield
from otel_cost.budgets import evaluate
from otel_cost.budgets.evaluate import BudgetEvent
from otel_cost.budgets.spec import Budget, BudgetState, RowKey, facts_of_call, facts_of_record
from otel_cost.budgets.store import MemoryStore, Store
from otel_cost.errors import BudgetExceeded
from otel_cost.model import NANO, CostRecord, PlannedCall, Status, Void, nano_to_usd

_log = logging.getLogger(semconv.LOGGER)


class Hold:
    """Room that was taken for a call. Release it once the call's span has ended; releasing again does nothing."""

    __slots__ = ("_release",)

    def __init__(self, release: Callable[[], None] | None = None) -> None:
        self._release = release

    def release(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()


class Budgets:
    """All budgets of a process. Thread-safe.

    Args:
        budgets: The limits.
        on_event: Told of every threshold, breach and blocked call; must not block.
        has_price: Whether a planned call can be priced, for budgets with ``unpriced: block``; None when that is not
            known yet, which lets the call pass.
        store: Where spend is kept.
        clock_ns: UTC nanoseconds.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        *,
        on_event: Callable[[BudgetEvent], None],
        has_price: Callable[[PlannedCall], bool | None] = lambda _call: None,
        store: Store | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._budgets = {budget.name: budget for budget in budgets}
        self._on_event = on_event
        self._has_price = has_price
        self._store: Store = store if store is not None else MemoryStore()
        self._clock_ns = clock_ns

    @property
    def present(self) -> bool:
        """Whether there is any budget at all."""
        return bool(self._budgets)

    @property
    def may_block(self) -> bool:
        """Whether asking can wait for something: prices that are loading, or a store elsewhere."""
        return any(budget.unpriced == "block" for budget in self._budgets.values()) or not isinstance(
            self._store, MemoryStore
        )

    # --- after a call -------------------------------------------------------------------------------------------------

    def take(self, record: CostRecord) -> None:
        """Settle a record against every budget that applies. Its start decides the period."""
        if not self._budgets or record.charge.status in (Status.WRAPPER, Status.DUPLICATE):
            return
        facts = facts_of_record(record)
        by_amount: dict[int, list[RowKey]] = {}
        for budget in self._budgets.values():
            row = budget.row(facts, record.start_ns)
            amount = _amount(budget, record)
            if row is not None and amount:
                by_amount.setdefault(amount, []).append(row)
        for amount, rows in by_amount.items():
            for posting in self._store.settle(f"{record.key}/{amount}", amount, rows):
                budget = self._budgets[posting.row.budget]
                for event in evaluate.crossings(budget, posting.row, posting.before_nano, posting.after_nano):
                    self._tell(event)

    def void(self, void: Void) -> None:
        """In process nothing is ever voided."""

    # --- before a call ------------------------------------------------------------------------------------------------

    def admit(self, call: PlannedCall, trace_id: str) -> Hold:
        """Room for one call against every budget that applies, or a refusal.

        Raises:
            BudgetExceeded: a blocking budget has nothing left, or it blocks calls that have no price.
        """
        if not self._budgets:
            return Hold()
        now_ns = self._clock_ns()
        facts = facts_of_call(call, trace_id)
        applying = [
            (budget, row)
            for budget in self._budgets.values()
            if (row := budget.row(facts, now_ns)) is not None and budget.action_for(row.scope) != "alert"
        ]
        spent = self._store.spent([row for _, row in applying])
        for (budget, row), spent_nano in zip(applying, spent, strict=True):
            if evaluate.stops(budget, row, spent_nano):
                raise self._refusal(budget, row, spent_nano, now_ns, _over(budget, row, spent_nano))
            if budget.unpriced == "block" and self._has_price(call) is False:
                why = f"there is no price for {call.provider}/{call.model} and the budget blocks unpriced calls"
                raise self._refusal(budget, row, spent_nano, now_ns, why)
        return Hold()

    def _refusal(self, budget: Budget, row: RowKey, spent_nano: int, now_ns: int, why: str) -> BudgetExceeded:
        self._tell(evaluate.blocked(budget, row, spent_nano))
        end_ns = budget.period_end_ns(now_ns)
        return BudgetExceeded(
            f"budget {budget.name!r}{_scope_text(row)} does not allow this call: {why}",
            budget=budget.name,
            scope=dict(row.scope),
            limit_nano=budget.limit_nano(row.scope),
            spent_nano=spent_nano,
            retry_after_s=None if end_ns is None else max(0.0, (end_ns - now_ns) / NANO),
        )

    def _tell(self, event: BudgetEvent) -> None:
        log = _log.warning if event.severity != "info" else _log.info
        log(
            "%s: budget %s%s at %.1f%% (%.6f of %.6f USD)",
            event.name, event.budget, _scope_text(event.row),
            100 * event.spent_nano / event.limit_nano if event.limit_nano else 100.0,
            nano_to_usd(event.spent_nano), nano_to_usd(event.limit_nano),
        )  # fmt: skip
        # Whoever listens must not keep a limit from being a limit.
        shield.run("budget event", None, self._on_event, event)

    # --- state --------------------------------------------------------------------------------------------------------

    def states(self) -> Iterable[BudgetState]:
        """Where every row stands that is kept and whose period has not ended; unused budgets show with 0 spent."""
        now_ns = self._clock_ns()
        seen: set[str] = set()
        for row, spent_nano in self._store.rows():
            budget = self._budgets[row.budget]
            current = budget.row({**dict(row.scope), **budget.match}, now_ns)
            if current == row:
                seen.add(budget.name)
                yield BudgetState(budget, row, budget.limit_nano(row.scope), spent_nano)
        for budget in self._budgets.values():
            unused = None if budget.per or budget.name in seen else budget.row(budget.match, now_ns)
            if unused is not None:
                yield BudgetState(budget, unused, budget.limit_nano(unused.scope), 0)

    def gauge_states(self) -> Iterable[BudgetState]:
        """The states that gauges show: those of budgets whose rows are bounded."""
        return (state for state in self.states() if state.budget.has_gauges)


def _amount(budget: Budget, record: CostRecord) -> int:
    if record.charge.status is Status.UNPRICED:
        return budget.assumed_nano
    return record.charge.amount_nano


def _over(budget: Budget, row: RowKey, spent_nano: int) -> str:
    limit = nano_to_usd(budget.limit_nano(row.scope))
    return f"{nano_to_usd(spent_nano):.6f} of {limit:.6f} USD are spent in this {budget.period}"


def _scope_text(row: RowKey) -> str:
    return f" ({', '.join(f'{label}={value!r}' for label, value in row.scope)})" if row.scope else ""
