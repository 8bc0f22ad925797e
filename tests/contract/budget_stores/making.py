"""Rows, wants and settlements for the suite: amounts in nano-USD, small enough to read."""

from __future__ import annotations

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import (
    Change,
    ChangeKind,
    Control,
    Post,
    Posting,
    Refused,
    Reserved,
    RowState,
    Settlement,
    Stale,
    Store,
    Want,
)

SECOND = 10**9
DAY = 86_400 * SECOND
NOW = 1_800_000_000 * SECOND
LATER = NOW + 60 * SECOND


def row(team: str = "search", *, budget: str = "month", label: str = "team", period: str = "2027-01") -> RowKey:
    return RowKey(budget, ((label, team),), period)


def reserve(
    store: Store, hold_id: str, *wants: Want, version: int = 0, now_ns: int = NOW, expires_ns: int = LATER
) -> Reserved | Refused | Stale:
    return store.reserve(hold_id, wants, version=version, now_ns=now_ns, expires_ns=expires_ns)


def post(key: RowKey, amount_nano: int, *, limit: int = 1000, thresholds: tuple[int, ...] = (), **more: int) -> Post:
    return Post(key, amount_nano, limit, thresholds, **more)


def settle(
    store: Store,
    record_key: str,
    *posts: Post,
    hold: str = "",
    closes: bool = True,
    version: int = 0,
    now_ns: int = NOW,
) -> list[Posting]:
    settled = store.settle([Settlement(record_key, posts, hold, closes)], version=version, now_ns=now_ns)
    assert not isinstance(settled, Stale)
    return settled[0]


def state(store: Store, key: RowKey) -> RowState:
    [found] = store.read([key])
    return found


def amounts(store: Store, key: RowKey) -> tuple[int, int]:
    """What is spent and what is reserved."""
    found = state(store, key)
    return found.spent_nano, found.reserved_nano


def change(kind: ChangeKind, *rows: RowKey, control: Control | None = None, budget: str = "month") -> Change:
    return Change(kind, budget, (), "ada", "month closed", control or Control(), rows)
