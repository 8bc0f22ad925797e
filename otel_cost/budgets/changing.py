"""What people do to budgets at run time: pause, let go on, reset, set another limit. Audited, and told."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from otel_cost import semconv
from otel_cost.budgets.evaluate import in_words
from otel_cost.budgets.limits import Limit, Limits
from otel_cost.budgets.spec import Budget, RowKey, Scope
from otel_cost.budgets.stores.base import Change, ChangeKind, Control, Settlement, Stale, Store
from otel_cost.budgets.telling import Teller
from otel_cost.errors import BudgetError

_EVENTS: Final[Mapping[ChangeKind, str]] = {
    "pause": semconv.EVENT_BUDGET_PAUSED,
    "resume": semconv.EVENT_BUDGET_RESUMED,
}


_TRIES: Final = 5


class Changing:
    """Carries out changes.

    Args:
        budgets: By name.
        limits: What holds for rows.
        rows_now: The rows of a budget whose period has not ended.
        clock_ns: UTC nanoseconds.
    """

    def __init__(
        self,
        budgets: Mapping[str, Budget],
        store: Store,
        limits: Limits,
        teller: Teller,
        *,
        rows_now: Callable[[Budget], Sequence[RowKey]],
        clock_ns: Callable[[], int],
    ) -> None:
        self._budgets = budgets
        self._store = store
        self._limits = limits
        self._teller = teller
        self._rows_now = rows_now
        self._clock_ns = clock_ns

    def change(
        self,
        kind: ChangeKind,
        name: str,
        scope: Mapping[str, str],
        *,
        actor: str,
        reason: str,
        control: Control = Control(),  # noqa: B008 - frozen
    ) -> None:
        """Change budget ``name``, or with a ``scope`` one value of it.

        Raises:
            BudgetError: there is no such budget, the scope does not fit its labels, or nobody says who or why.
            BudgetStoreError: the store cannot.
        """
        budget, key = self.meant(name, scope)
        for what, said in (("who does it", actor), ("why", reason)):
            if not said.strip():
                raise BudgetError(f"a change of budget {name!r} goes into the audit log: say {what}")
        if kind == "resume" and budget.paused_in_settings(key):
            raise BudgetError(f"budget {name!r}{in_words(key)} is paused in the settings: change it there")
        rows = self._rows(budget, key, kind)
        change = Change(kind, name, key, actor.strip(), reason.strip(), control, tuple(rows))
        self._store.change(change, now_ns=self._clock_ns())
        self._limits.refresh()
        self._tell(change, budget, rows)

    def meant(self, name: str, scope: Mapping[str, str]) -> tuple[Budget, Scope]:
        """The budget called ``name``, and ``scope`` in the order of its labels; the empty scope where none is given.
        Raises BudgetError as :meth:`change`."""
        budget = self._budget(name)
        return budget, self._scope(budget, scope)

    def _budget(self, name: str) -> Budget:
        budget = self._budgets.get(name)
        if budget is None:
            raise BudgetError(f"there is no budget {name!r}; there are: {', '.join(sorted(self._budgets)) or 'none'}")
        return budget

    def _scope(self, budget: Budget, scope: Mapping[str, str]) -> Scope:
        labels = budget.scope_labels
        if scope and set(scope) != set(labels):
            wanted = ", ".join(labels) or "no label: it is one for all"
            raise BudgetError(f"budget {budget.name!r} is by {wanted}; what was given is {', '.join(scope)}")
        return tuple((label, scope[label]) for label in labels) if scope else ()

    def _rows(self, budget: Budget, scope: Scope, kind: ChangeKind) -> list[RowKey]:
        """The rows that the change is about, as far as they exist."""
        rows = [row for row in self._rows_now(budget) if scope in ((), row.scope)]
        return rows if kind != "pause" else []

    def _tell(self, change: Change, budget: Budget, rows: Sequence[RowKey]) -> None:
        now_ns = self._clock_ns()
        event = _EVENTS.get(change.kind)
        if event is not None:
            row = RowKey(budget.name, change.scope, "")
            limit = self._limits.of(budget, row, dict(change.scope), now_ns)
            self._teller.by_hand(event, limit, 0, actor=change.actor, reason=change.reason)
        if change.kind == "set":
            for _ in range(_TRIES):
                if self._told_reached([self._limit(budget, row, now_ns) for row in rows]):
                    break
                self._limits.refresh()

    def _limit(self, budget: Budget, row: RowKey, now_ns: int) -> Limit:
        return self._limits.of(budget, row, {**dict(row.scope), **budget.match}, now_ns, must_know=True)

    def _told_reached(self, limits: Sequence[Limit]) -> bool:
        """A limit that was lowered below what is spent is reached now, not with the next call. False where somebody
        changed something meanwhile, perhaps of another budget."""
        settlement = Settlement(f"change-{uuid.uuid4().hex}", tuple(limit.post(0) for limit in limits))
        outcome = self._store.settle([settlement], version=self._limits.version, now_ns=self._clock_ns())
        if isinstance(outcome, Stale):
            return False
        postings = outcome[0]
        alerts = [alert for posting in postings for alert in posting.alerts]
        self._teller.alerts(alerts)
        by_row = {limit.row: limit for limit in limits}
        for posting in postings:
            if posting.paused:
                self._teller.paused_itself(by_row[posting.row], posting)
        if alerts and self._teller.is_heard:
            self._store.told([alert.id for alert in alerts])
        return True
