"""What a change does to a control, and how the audit log describes it: the same in every store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from otel_cost.budgets.stores.base import Change, Control, RowState


def control_after(change: Change, before: Control) -> Control:
    """The control once ``change`` was carried out."""
    if change.kind == "set":
        return replace(before, amount_nano=change.control.amount_nano, action=change.control.action)
    if change.kind == "reset":
        return before
    return replace(before, paused=change.kind == "pause")


def described(control: Control, rows: Sequence[RowState]) -> str:
    """A JSON object with what a change can change: the control, and the rows it is about."""
    said: dict[str, object] = {
        "amount_nano": control.amount_nano,
        "action": control.action,
        "paused": control.paused,
    }
    if rows:
        said["rows"] = [
            {
                "scope": dict(row.row.scope),
                "period": row.row.period,
                "spent_nano": row.spent_nano,
                "state": row.state,
            }
            for row in rows
        ]
    return json.dumps(said)
