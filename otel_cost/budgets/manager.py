"""Budgets at work: settles what was spent, says no before a call, and tells what happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

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
        self._told: set[str] = set()

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
        amounts = [
            (row, amount)
            for budget in self._budgets.values()
            if (amount := _amount(budget, record)) and (row := self._row(budget, facts, record.start_ns)) is not None
        ]
        if not amounts:
            return
        for posting in self._store.settle(record.key, amounts):
            budget = self._budgets[posting.row.budget]
            for event in evaluate.crossings(budget, posting.row, posting.before_nano, posting.after_nano):
                self._tell(event)

    def _row(self, budget: Budget, facts: Mapping[str, str], at_ns: int) -> RowKey | None:
        row = budget.row(facts, at_ns)
        if row is None and budget.needs_label(facts) and budget.name not in self._told:
            self._told.add(budget.name)
            _log.warning(
                "budget %s does not limit calls without a %s, and there was one: say which with otel_cost.labels() or"
                " the %s attribute (said once)",
                budget.name, budget.period, semconv.label_attribute(budget.period),
            )  # fmt: skip
        return row

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
            if (row := self._row(budget, facts, now_ns)) is not None and budget.action_for(row.scope) != "alert"
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
        event = evaluate.blocked(budget, row, spent_nano, why)
        self._tell(event)
        end_ns = budget.period_end_ns(now_ns)
        return BudgetExceeded(
            event.message(),
            budget=budget.name,
            scope=dict(row.scope),
            limit_nano=budget.limit_nano(row.scope),
            spent_nano=spent_nano,
            retry_after_s=None if end_ns is None else max(0.0, (end_ns - now_ns) / NANO),
        )

    def _tell(self, event: BudgetEvent) -> None:
        _log.log(logging.INFO if event.severity == "info" else logging.WARNING, "%s", event.message())
        # Whoever listens must not keep a limit from being a limit.
        shield.run("budget event", None, self._on_event, event)

    # --- state --------------------------------------------------------------------------------------------------------

    def states(self, *, gauges_only: bool = False) -> Iterator[BudgetState]:
        """Where every row stands that is kept and whose period has not ended; unused budgets show with 0 spent.

        ``gauges_only``: only budgets whose rows are bounded, and at most ``GAUGE_ROWS`` rows of each.
        """
        now_ns = self._clock_ns()
        for budget in self._budgets.values():
            if gauges_only and not budget.has_gauges:
                continue
            found = self._current(budget, now_ns)
            if not found and not budget.per and (row := budget.row(budget.match, now_ns)) is not None:
                found = [(row, 0)]
            for row, spent_nano in found[-GAUGE_ROWS:] if gauges_only else found:
                yield BudgetState(budget, row, budget.limit_nano(row.scope), spent_nano)

    def _current(self, budget: Budget, now_ns: int) -> list[tuple[RowKey, int]]:
        return [
            (row, spent_nano)
            for row, spent_nano in self._store.rows(budget.name)
            if budget.row({**dict(row.scope), **budget.match}, now_ns) == row
        ]


GAUGE_ROWS: Final = 500
"""Rows of one budget that have gauges, the latest used ones: the SDK gives up at 2,000 series an instrument."""


def _amount(budget: Budget, record: CostRecord) -> int:
    if record.charge.status is Status.UNPRICED:
        return budget.assumed_nano
    return record.charge.amount_nano


def _over(budget: Budget, row: RowKey, spent_nano: int) -> str:
    limit = nano_to_usd(budget.limit_nano(row.scope))
    return f"{nano_to_usd(spent_nano):.6f} of {limit:.6f} USD are spent in this {budget.period}"
