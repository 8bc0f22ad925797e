"""Which budgets apply to an operation, and what holds for each of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.budgets.limits import Limit, Limits
from otel_cost.budgets.spec import Budget, RowKey
from otel_cost.model import Charge, Status

NO_MONEY: Final = (Status.WRAPPER, Status.DUPLICATE)
"""Verdicts on operations whose money is another record's."""
_log: Final = logging.getLogger(semconv.LOGGER)


class Applying:
    """Args:
    budgets: By name.
    limits: What holds for a row.
    says: Whether to say where a call is not limited for want of a label.
    """

    def __init__(self, budgets: Mapping[str, Budget], limits: Limits, *, says: bool = True) -> None:
        self.budgets = budgets
        self.limits = limits
        self._said: set[str] = set() if says else set(budgets)

    def to(self, facts: Mapping[str, str], at_ns: int) -> list[Limit]:
        """What holds for an operation with ``facts`` at ``at_ns``, in the order in which a store takes rows."""
        found = [
            self.limits.of(budget, row, facts, at_ns)
            for budget in self.budgets.values()
            if budget.is_about(facts) and (row := self.row(budget, facts, at_ns)) is not None
        ]
        return sorted(found, key=lambda limit: limit.row) if len(found) > 1 else found

    def counted(
        self, budget: Budget, charge: Charge, facts: Mapping[str, str], at_ns: int
    ) -> tuple[RowKey, int] | None:
        """The row of ``budget`` that an operation of that charge counts against, and with how much, in nano-USD; None
        where it does not count."""
        if charge.status in NO_MONEY:
            return None
        amount = budget.assumed_nano if charge.status is Status.UNPRICED else charge.amount_nano
        row = self.row(budget, facts, at_ns) if amount else None
        return None if row is None else (row, amount)

    def row(self, budget: Budget, facts: Mapping[str, str], at_ns: int) -> RowKey | None:
        """The row of ``budget`` that such an operation counts against. Says once where a label is missing for that."""
        row = budget.row(facts, at_ns)
        if row is None and budget.needs_label(facts) and budget.name not in self._said:
            self._said.add(budget.name)
            _log.warning(
                "budget %s does not limit calls without a %s, and there was one: say which with otel_cost.labels() or"
                " the %s attribute (said once)",
                budget.name, budget.period, semconv.label_attribute(budget.period),
            )  # fmt: skip
        return row
