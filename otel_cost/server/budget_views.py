"""The server's budgets as the API shows them: to each key those that are within its scope, and no trace of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from starlette.exceptions import HTTPException

from otel_cost.budgets import Budget, Budgets, BudgetState
from otel_cost.budgets.evaluate import severity
from otel_cost.budgets.spec import PPM, RowKey, Scope
from otel_cost.budgets.stores.base import Alert, AlertState, AuditEntry, Controls, LostHold
from otel_cost.ledger.asking import iso
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.questions import ENTITY_KINDS, SummaryQuery
from otel_cost.model import NANO
from otel_cost.server.access import Principal
from otel_cost.server.parameters import Asked
from otel_cost.server.problems import BadRequest
from otel_cost.server.reading import KEPT, Reader
from otel_cost.server.schemas.budgets import (
    BudgetInBrief,
    BudgetOf,
    BudgetStatus,
    BudgetStatuses,
    BudgetValue,
    PausedBy,
)
from otel_cost.server.schemas.money import Money, share_text

SHOWN: Final = 10
"""Values of one budget that are shown unless all are asked for: those nearest to their limit."""
_AUDITED: Final = 1000
_ALL: Final = 10_000


class BudgetViews:
    """Thread-safe. Raises BudgetStoreError as the store does."""

    def __init__(self, budgets: Budgets, reader: Reader) -> None:
        self._budgets = budgets
        self._reader = reader

    # --- which ones ---------------------------------------------------------------------------------------------------

    def of(self, who: Principal) -> list[Budget]:
        """The budgets of which ``who`` may see something."""
        return [budget for budget in self._budgets.budgets.values() if _is_visible(budget, who)]

    def named(self, who: Principal, name: str) -> Budget:
        """Raises HTTPException: 404 where there is none for ``who``."""
        budget = self._budgets.budgets.get(name)
        if budget is None or not _is_visible(budget, who):
            raise HTTPException(404, "there is no budget of that name; budgets are written in the server's settings")
        return budget

    def scope(self, who: Principal, budget: Budget, values: Sequence[str]) -> Scope:
        """The value of ``budget`` that is meant; the empty scope where none is given.

        Raises:
            BadRequest: it has other labels.
            HTTPException: 404 where the value is out of the scope of ``who``.
        """
        labels = budget.scope_labels
        if not values:
            return ()
        if len(values) != len(labels):
            wanted = f"one for each of {', '.join(labels)}" if labels else "none: it is one for all"
            raise BadRequest("value", f"budget {budget.name!r} takes {wanted}")
        scope = tuple(zip(labels, values, strict=True))
        if not who.sees({**budget.match, **dict(scope)}):
            raise HTTPException(404, "there is no such value of this budget")
        return scope

    def check_changeable(self, who: Principal, budget: Budget, scope: Scope) -> None:
        """Raises HTTPException, 403, where a change would be about values beyond the scope of ``who``."""
        if not who.sees({**budget.match, **dict(scope)}):
            bound = ", ".join(f"{name}={value}" for name, value in who.scope.items())
            raise HTTPException(403, f"the key is bound to {bound}: name the value that is to be changed (value=)")

    def described(self, who: Principal, budget: Budget, controls: Controls | None = None) -> BudgetOf:
        made = (controls or self._budgets.store.controls()).by_scope
        own: list[Scope] = [((budget.per[0], value),) for value in budget.overrides] if budget.overrides else []
        own += [scope for name, scope in made if name == budget.name and scope]
        values = [
            BudgetValue.of(budget, scope, made.get((budget.name, scope)))
            for scope in dict.fromkeys(own)
            if who.sees({**budget.match, **dict(scope)})
        ]
        return BudgetOf.of(budget, made.get((budget.name, ())), values)

    # --- where they stand ---------------------------------------------------------------------------------------------

    def statuses(self, who: Principal, budget: Budget, scope: Scope, *, everything: bool) -> BudgetStatuses:
        if scope:
            one = self._budgets.state(budget.name, dict(scope))
            states = [one] if one is not None else []
        else:
            states = [state for state in self._states(who) if state.budget is budget]
        shown = states if everything else states[:SHOWN]
        controls = self._budgets.store.controls()
        log = self._budgets.store.audit(budget.name, limit=_AUDITED) if any(s.paused_by_hand for s in shown) else []
        operations = self._operations(budget, [state.row for state in shown])
        found = [_status(state, operations.get(state.row), _paused_by(state, controls, log)) for state in shown]
        return BudgetStatuses(name=budget.name, statuses=found, left_out=len(states) - len(shown))

    def in_brief(self, who: Principal, limit: int) -> list[BudgetInBrief]:
        """Those nearest to their limit."""
        return [BudgetInBrief.model_validate(_brief(state)) for state in self._states(who)[:limit]]

    def _states(self, who: Principal) -> list[BudgetState]:
        found = (state for state in self._budgets.states() if who.sees(_labels(state.budget, state.row)))
        return sorted(found, key=lambda state: (-_share(state), state.row))

    def _operations(self, budget: Budget, rows: Sequence[RowKey]) -> Mapping[RowKey, int]:
        """How many calls the book has of each row; nothing where it has no sums for that."""
        names = {*budget.scope_labels, *budget.match}
        if not rows or "model" in names:  # a budget goes by the model that was asked for, the book by who answered
            return {}
        if names <= KEPT:
            return dict(self._kept(budget, rows))
        if budget.period in ("session", "trace") and budget.match.keys() <= KEPT and len(rows) <= SHOWN:
            return {row: self._of_entity(budget, row) for row in rows}
        return {}

    def _kept(self, budget: Budget, rows: Sequence[RowKey]) -> Iterator[tuple[RowKey, int]]:
        query = SummaryQuery(_start_ns(rows[0]), MAX_STORED, budget.scope_labels, budget.match)
        found = {row.group: row.calls for row in self._reader.summary(Asked(query)).rows}
        for row in rows:
            yield row, found.get(tuple(value for _, value in row.scope), 0)

    def _of_entity(self, budget: Budget, row: RowKey) -> int:
        ((kind, entity),) = row.scope
        assert kind in ENTITY_KINDS
        found = self._reader.entities(kind, Asked(SummaryQuery(0, MAX_STORED, (), budget.match)), entity=entity)
        return sum(one.row.calls for one in found)

    # --- what happened to them ----------------------------------------------------------------------------------------

    def alerts(
        self, who: Principal, *, name: str = "", state: AlertState | None = None, limit: int = 100
    ) -> list[Alert]:
        """The newest first."""
        found = self._budgets.store.alerts(name, state=state, limit=_ALL if who.scope else limit)
        return [alert for alert in found if self._sees(who, alert.row.budget, alert.row.scope)][:limit]

    def audit(self, who: Principal, *, name: str = "", limit: int = 100) -> list[AuditEntry]:
        """The newest first."""
        found = self._budgets.store.audit(name, limit=_ALL if who.scope else limit)
        return [entry for entry in found if self._sees(who, entry.budget, entry.scope)][:limit]

    def lost(self, who: Principal, limit: int) -> list[LostHold]:
        """The newest first."""
        found = self._budgets.store.lost(limit=_ALL if who.scope else limit)
        return [hold for hold in found if self._sees(who, hold.row.budget, hold.row.scope)][:limit]

    def _sees(self, who: Principal, name: str, scope: Scope) -> bool:
        budget = self._budgets.budgets.get(name)  # what was kept of one that the settings do not have any more
        return who.sees({**(budget.match if budget is not None else {}), **dict(scope)})


def _is_visible(budget: Budget, who: Principal) -> bool:
    return all(name in budget.scope_labels or budget.match.get(name) == value for name, value in who.scope.items())


def _labels(budget: Budget, row: RowKey) -> dict[str, str]:
    return {**budget.match, **dict(row.scope)}


def _start_ns(row: RowKey) -> int:
    return round(datetime.fromisoformat(row.period).timestamp()) * NANO if row.period else 0


def _share(state: BudgetState) -> Decimal:
    """Spent and reserved over the limit."""
    taken = state.spent_nano + state.reserved_nano
    return Decimal(taken) / state.limit_nano if state.limit_nano else Decimal(1)


def _brief(state: BudgetState) -> dict[str, object]:
    return {
        "name": state.budget.name,
        "scope": dict(state.row.scope),
        "limit": Money.of(state.limit_nano),
        "spent": Money.of(state.spent_nano),
        "reserved": Money.of(state.reserved_nano),
        "remaining": Money.of(max(0, state.limit_nano - state.spent_nano - state.reserved_nano)),
        "utilization": share_text(state.spent_nano, state.limit_nano),
        "over": state.spent_nano >= state.limit_nano,
        "paused": state.paused,
    }


def _status(state: BudgetState, operations: int | None, paused_by: PausedBy | None) -> BudgetStatus:
    marks = [mark for mark in state.budget.marks if state.spent_nano * PPM >= mark * state.limit_nano]
    reached = marks if state.limit_nano or state.spent_nano else []
    return BudgetStatus.model_validate(
        {
            **_brief(state),
            "period": state.budget.period,
            "period_start": iso(_start_ns(state.row)) if state.row.period else None,
            "period_end": iso(state.ends_ns) if state.ends_ns is not None else None,
            "operations": operations,
            "action": state.action,
            "hard_limit": state.action != "alert",
            "active": not state.paused,
            "paused_by": paused_by,
            "alert_needed": bool(reached),
            "thresholds_reached": [f"{Decimal(mark) / PPM:f}" for mark in reached],
            "severity": severity(Decimal(reached[-1]) / PPM) if reached else None,
        }
    )


def _paused_by(state: BudgetState, controls: Controls, log: Sequence[AuditEntry]) -> PausedBy | None:
    """Who paused it by hand; None where nobody did, or the settings."""
    name = state.budget.name
    scopes = [scope for scope in ((), state.row.scope) if _is_paused(controls, name, scope)]
    entry = next((one for one in log if one.kind == "pause" and one.scope in scopes), None)
    return None if entry is None else PausedBy(actor=entry.actor, reason=entry.reason, at=iso(entry.at_ns))


def _is_paused(controls: Controls, name: str, scope: Scope) -> bool:
    control = controls.by_scope.get((name, scope))
    return control is not None and control.paused
