"""What the store in memory keeps."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

from otel_cost.budgets.spec import RowKey, Scope
from otel_cost.budgets.stores.base import Alert, AuditEntry, Change, Control, LostHold, RowState


@dataclass(slots=True)
class Row:
    """Where a row stands, and what was told of it."""

    key: RowKey
    spent: int = 0
    reserved: int = 0
    forgiven: int = 0
    state: Literal["", "paused", "resumed"] = ""
    updated: int = 0
    told: int = 0
    """The highest threshold that was told, for the limit ``told_limit``."""
    told_limit: int = 0
    stored: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    """Thresholds and limits that there is an alert of since the last reset."""

    def add(self, amount_nano: int) -> None:
        """To what is spent. What is taken back beyond that had been forgiven."""
        self.spent += amount_nano
        forgiven = max(0, min(-self.spent, self.forgiven)) if amount_nano < 0 else 0
        self.spent += forgiven
        self.forgiven -= forgiven

    @property
    def holds_back(self) -> bool:
        """Whether its being forgotten would let calls through that it stops, or lose what is under way."""
        return self.reserved > 0 or self.state == "paused" or (self.told_limit > 0 and self.spent >= self.told_limit)

    def seen(self) -> RowState:
        return RowState(self.key, self.spent, self.reserved, self.forgiven, self.state, self.updated)


class PostedUnder(dict[RowKey, int]):
    """What is posted under one key."""

    __slots__ = ("at_ns",)
    at_ns: int


@dataclass(slots=True)
class Held:
    """What a hold has in which rows."""

    amounts: dict[RowKey, int]
    expires_ns: int


@dataclass(slots=True)
class Kept:
    """Everything, bounded; what was used longest ago goes first."""

    rows: dict[str, OrderedDict[RowKey, Row]] = field(default_factory=dict[str, "OrderedDict[RowKey, Row]"])
    holds: dict[str, Held] = field(default_factory=dict[str, Held])
    lost: OrderedDict[tuple[str, RowKey], LostHold] = field(default_factory=OrderedDict[tuple[str, RowKey], LostHold])
    posted: OrderedDict[str, PostedUnder] = field(default_factory=OrderedDict[str, PostedUnder])
    controls: dict[tuple[str, Scope], Control] = field(default_factory=dict[tuple[str, Scope], Control])
    version: int = 0
    audit: list[AuditEntry] = field(default_factory=list[AuditEntry])
    alerts: OrderedDict[int, Alert] = field(default_factory=OrderedDict[int, Alert])
    next_alert: int = 1


def apply(change: Change, row: Row) -> None:
    """What a change does to a row that it is about."""
    if change.kind == "reset":
        row.forgiven += row.spent
        row.spent = 0
        row.told = 0
        row.stored.clear()
        row.state = ""
    elif change.kind == "resume":
        row.state = "resumed" if row.state == "paused" else row.state
