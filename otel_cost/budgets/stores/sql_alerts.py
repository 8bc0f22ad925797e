"""Alerts in a SQL store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from otel_cost.budgets.stores.base import Alert, AlertState
from otel_cost.budgets.stores.database import Param, Row, Session, Statement
from otel_cost.budgets.stores.sql_rows import KEY, key_of, key_params, restored, row_id, stored

_COLUMNS: Final = f"id, {KEY}, threshold, spent, limit_nano, at_ns, state, told, actor, changed_ns"
_INSERT: Final = (
    f"INSERT INTO budget_alerts (row_id, {KEY}, threshold, spent, limit_nano, resets, at_ns, changed_ns)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (row_id, threshold, limit_nano, resets) DO NOTHING RETURNING id"
)
_SET: Final = f"UPDATE budget_alerts SET state = ?, actor = ?, changed_ns = ? WHERE id = ? RETURNING {_COLUMNS}"
_TELL: Final = "UPDATE budget_alerts SET told = 1 WHERE id = ?"
_CLAIM: Final = f"UPDATE budget_alerts SET told = 1 WHERE told = 0 AND at_ns < ? RETURNING {_COLUMNS}"


def insert_alert(alert: Alert, resets: int) -> Statement:
    """Store an alert; returns its id, or nothing when it is stored already."""
    amounts = (alert.threshold, alert.spent_nano, alert.limit_nano, resets)
    return Statement(_INSERT, (row_id(alert.row), *key_params(alert.row), *amounts, alert.at_ns, alert.changed_ns))


def alerts(session: Session, budget: str, state: AlertState | None, limit: int) -> list[Alert]:
    """The newest alerts first."""
    wanted: dict[str, Param] = {}
    if budget:
        wanted["budget = ?"] = stored(budget)
    if state is not None:
        wanted["state = ?"] = state
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    sql = f"SELECT {_COLUMNS} FROM budget_alerts{where} ORDER BY id DESC LIMIT ?"
    [found] = session.run(Statement(sql, (*wanted.values(), limit)))
    return [_alert(row) for row in found]


def set_alert(session: Session, alert_id: int, state: AlertState, *, actor: str, now_ns: int) -> Alert | None:
    """Acknowledge or resolve."""
    [found] = session.run(Statement(_SET, (state, stored(actor), now_ns, alert_id)))
    return _alert(found[0]) if found else None


def told(session: Session, alert_ids: Collection[int]) -> None:
    """These alerts have been told."""
    session.at_end(Statement(_TELL, (alert_id,)) for alert_id in sorted(alert_ids))


def claim_untold(session: Session, before_ns: int) -> list[Alert]:
    """Alerts that nobody has told, each to one caller."""
    [found] = session.run(Statement(_CLAIM, (before_ns,)))
    return sorted(_alert(row) for row in found)


def _alert(row: Row) -> Alert:
    alert_id, budget, scope, period, threshold, spent, limit, at_ns, state, told, actor, changed_ns = row
    key = key_of(budget, scope, period)
    return Alert(alert_id, key, threshold, spent, limit, at_ns, state, bool(told), restored(actor), changed_ns)
