"""The budget store as a key with a scope has it: rows, holds and controls within the scope, and nothing else.

A row is within a scope when its own labels, or the ``match:`` of its budget in the server's settings, say every label
of the scope. So a budget over everybody is out of reach of such a key: where it stands is what others spent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from otel_cost.budgets.spec import RowKey, Scope
from otel_cost.budgets.stores.base import (
    Alert,
    AlertState,
    AuditEntry,
    Change,
    Controls,
    LostHold,
    Posting,
    Refused,
    Reserved,
    RowState,
    Settlement,
    Stale,
    Store,
    Want,
)

_MANY: Final = 10_000
"""How much of a list is looked through for what is within the scope."""


class OutOfScope(Exception):
    """A call names what is not within the key's scope. The text repeats what the caller said, and no more."""


class ScopedStore:
    """See :class:`otel_cost.budgets.stores.base.Store`. Made for one request; closing it closes nothing.

    Hold ids are kept apart by scope: nobody can give back, renew or settle another scope's hold by naming it.

    Args:
        store: The server's.
        scope: The key's; not empty.
        matches: The ``match:`` of each budget in the server's settings.
    """

    local = False

    def __init__(self, store: Store, scope: Mapping[str, str], matches: Mapping[str, Mapping[str, str]]) -> None:
        self._store = store
        self._scope = scope
        self._matches = matches
        self._mark = hashlib.sha256(json.dumps(sorted(scope.items())).encode()).hexdigest()[:16] + ":"

    # --- what is within -----------------------------------------------------------------------------------------------

    def _within(self, budget: str, scope: Scope) -> bool:
        match = self._matches.get(budget, {})
        said = [*match.items(), *scope]
        return all(
            any(name == label for name, _ in said) and all(text == value for name, text in said if name == label)
            for label, value in self._scope.items()
        )

    def _check(self, rows: Iterable[RowKey]) -> None:
        for row in rows:
            if not self._within(row.budget, row.scope):
                labels = ", ".join(f"{label}={value}" for label, value in self._scope.items())
                raise OutOfScope(
                    f"the budget {row.budget!r:.100} is not one of {labels} alone, which the key is bound to: a budget "
                    "that such a key can use is by these labels (per), or matches them in the server's settings (match)"
                )

    def _is_of_concern(self, budget: str) -> bool:
        """Whether what is set for all of a budget holds for rows of the scope, too."""
        match = self._matches.get(budget)
        if match is not None:
            return all(match.get(label, value) == value for label, value in self._scope.items())
        return any(self._within(budget, state.row.scope) for state in self._store.rows(budget))

    # --- before a call ------------------------------------------------------------------------------------------------

    def controls(self) -> Controls:
        version, by_scope = self._store.controls()
        found = {
            (budget, scope): control
            for (budget, scope), control in by_scope.items()
            if self._within(budget, scope) or (not scope and self._is_of_concern(budget))
        }
        return Controls(version, found)

    def reserve(
        self, hold_id: str, wants: Sequence[Want], *, version: int, now_ns: int, expires_ns: int
    ) -> Reserved | Refused | Stale:
        self._check(want.row for want in wants)
        return self._store.reserve(self._mark + hold_id, wants, version=version, now_ns=now_ns, expires_ns=expires_ns)

    # --- after a call -------------------------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement], *, version: int, now_ns: int) -> list[list[Posting]] | Stale:
        self._check(post.row for settlement in settlements for post in settlement.posts)
        marked = [one._replace(hold_id=self._mark + one.hold_id if one.hold_id else "") for one in settlements]
        return self._store.settle(marked, version=version, now_ns=now_ns)

    def correct(self, settlements: Sequence[Settlement], *, now_ns: int) -> int:
        raise OutOfScope("rebuilding from the book is about all rows, and the key is bound to a scope")

    def void(self, record_key: str, *, now_ns: int) -> None:
        raise OutOfScope("what is posted under a record's key may be others', and the key is bound to a scope")

    def release(self, hold_ids: Collection[str]) -> None:
        self._store.release([self._mark + hold_id for hold_id in hold_ids])

    def renew(self, hold_ids: Collection[str], *, expires_ns: int) -> set[str]:
        held = self._store.renew([self._mark + hold_id for hold_id in hold_ids], expires_ns=expires_ns)
        return {hold_id.removeprefix(self._mark) for hold_id in held}

    def sweep(self, *, now_ns: int, charge: Collection[str]) -> list[LostHold]:
        """Nothing: lapsed holds are everybody's. The server sweeps by itself."""
        return []

    def lost(self, *, limit: int = 1000) -> list[LostHold]:
        found = (one for one in self._store.lost(limit=_MANY) if self._within(one.row.budget, one.row.scope))
        return [one._replace(hold_id=one.hold_id.removeprefix(self._mark)) for one in found][:limit]

    # --- state --------------------------------------------------------------------------------------------------------

    def read(self, rows: Sequence[RowKey]) -> list[RowState]:
        self._check(rows)
        return self._store.read(rows)

    def rows(self, budget: str) -> list[RowState]:
        return [state for state in self._store.rows(budget) if self._within(budget, state.row.scope)]

    # --- controls -----------------------------------------------------------------------------------------------------

    def change(self, change: Change, *, now_ns: int) -> None:
        self._check([RowKey(change.budget, change.scope, ""), *change.rows])
        self._store.change(change, now_ns=now_ns)

    def audit(self, budget: str = "", *, limit: int = 100) -> list[AuditEntry]:
        found = self._store.audit(budget, limit=_MANY)
        return [entry for entry in found if self._within(entry.budget, entry.scope)][:limit]

    # --- alerts -------------------------------------------------------------------------------------------------------

    def alerts(self, budget: str = "", *, state: AlertState | None = None, limit: int = 100) -> list[Alert]:
        found = self._store.alerts(budget, state=state, limit=_MANY)
        return [alert for alert in found if self._within(alert.row.budget, alert.row.scope)][:limit]

    def set_alert(self, alert_id: int, state: AlertState, *, actor: str, now_ns: int) -> Alert | None:
        if not self._own([alert_id]):
            return None
        return self._store.set_alert(alert_id, state, actor=actor, now_ns=now_ns)

    def told(self, alert_ids: Collection[int]) -> None:
        self._store.told(self._own(alert_ids))

    def claim_untold(self, *, before_ns: int) -> list[Alert]:
        """Nothing: what nobody told is everybody's. The server tells it."""
        return []

    def _own(self, alert_ids: Collection[int]) -> list[int]:
        """Those that are within the scope, among the newest."""
        own = {alert.id for alert in self.alerts(limit=_MANY)}
        return [alert_id for alert_id in alert_ids if alert_id in own]

    def close(self) -> None:
        """The server's store goes on."""
