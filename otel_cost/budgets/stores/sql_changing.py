"""What people change at run time, in a SQL store: controls, resets, and the audit log of both."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from otel_cost.budgets.stores.base import AuditEntry, Change, Control, Controls
from otel_cost.budgets.stores.changes import control_after, described
from otel_cost.budgets.stores.database import Row, Session, Statement
from otel_cost.budgets.stores.sql_holding import VERSION
from otel_cost.budgets.stores.sql_rows import (
    LockedRow,
    clamped,
    lock_rows,
    restored,
    scope_of,
    scope_text,
    stored,
)

_NEXT_VERSION: Final = Statement("UPDATE budget_controls_version SET version = version + 1")
_CONTROLS: Final = Statement("SELECT budget, scope, amount, action, paused FROM budget_controls")
_CONTROL: Final = "SELECT amount, action, paused FROM budget_controls WHERE control_id = ?"
_SET: Final = (
    "INSERT INTO budget_controls (control_id, budget, scope, amount, action, paused) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (control_id) DO UPDATE SET"
    " amount = excluded.amount, action = excluded.action, paused = excluded.paused"
)
_WRITE_DOWN: Final = (
    "INSERT INTO budget_audit (at_ns, kind, budget, scope, actor, reason, was, became) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_AUDIT: Final = "SELECT at_ns, kind, budget, scope, actor, reason, was, became FROM budget_audit"


def controls(session: Session) -> Controls:
    """What was set at run time."""
    [(version,)], found = session.run(VERSION, _CONTROLS)
    return Controls(version, {(restored(row[0]), scope_of(row[1])): _control(row[2:]) for row in found})


def _control(columns: Row) -> Control:
    amount_nano, action, paused = columns
    return Control(amount_nano, action, bool(paused))


def change(session: Session, wanted: Change, *, now_ns: int) -> None:
    """Carry out a change and write it down."""
    control_id = blake2b(repr((wanted.budget, wanted.scope)).encode(), digest_size=16).digest()
    # The version first: two changes at once are made one after the other.
    _, found = session.run(_NEXT_VERSION, Statement(_CONTROL, (control_id,)))
    before = _control(found[0]) if found else Control()
    after = control_after(wanted, before)
    locked, _, _ = lock_rows(session, dict.fromkeys(wanted.rows), now_ns=now_ns)
    rows = [locked[key] for key in wanted.rows]
    was = described(before, [row.seen() for row in rows])
    for row in locked.values():
        _apply(wanted, row, now_ns)
    became = described(after, [row.seen() for row in rows])
    amount_nano = None if after.amount_nano is None else clamped(after.amount_nano)
    name = (stored(wanted.budget), scope_text(wanted.scope))
    why = (stored(wanted.actor), stored(wanted.reason), was, became)
    session.at_end([Statement(_SET, (control_id, *name, amount_nano, after.action, int(after.paused)))])
    session.at_end(row.saved() for row in locked.values())
    session.at_end([Statement(_WRITE_DOWN, (now_ns, wanted.kind, *name, *why))])


def _apply(wanted: Change, row: LockedRow, now_ns: int) -> None:
    row.touched_ns = max(row.touched_ns, now_ns)
    if wanted.kind == "reset":
        row.forgiven += row.spent
        row.spent = 0
        row.told = 0
        row.state = ""
        row.resets += 1
    elif wanted.kind == "resume" and row.state == "paused":
        row.state = "resumed"


def audit(session: Session, budget: str, limit: int) -> list[AuditEntry]:
    """The newest changes first."""
    where = " WHERE budget = ?" if budget else ""
    [found] = session.run(
        Statement(f"{_AUDIT}{where} ORDER BY id DESC LIMIT ?", (*([stored(budget)] if budget else []), limit))
    )
    return [_entry(row) for row in found]


def _entry(row: Row) -> AuditEntry:
    at_ns, kind, budget, scope, actor, reason, was, became = row
    return AuditEntry(at_ns, kind, restored(budget), scope_of(scope), restored(actor), restored(reason), was, became)
