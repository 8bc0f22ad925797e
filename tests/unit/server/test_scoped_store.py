"""The budget store as a key with a scope has it: its own rows, holds, controls and alerts, and no other's."""

from __future__ import annotations

import inspect

import pytest

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores import MemoryStore, wire
from otel_cost.budgets.stores.base import Change, Control, Controls, Post, Reserved, Settlement, Want
from otel_cost.server.scoped_store import OutOfScope, ScopedStore

OWN = RowKey("by-team", (("team", "search"),), "2026-01")
OTHER = RowKey("by-team", (("team", "chat"),), "2026-01")
ALL = RowKey("all", (), "2026-01")
MATCHED = RowKey("of-search", (), "2026-01")
MATCHES = {"all": {}, "by-team": {}, "of-search": {"team": "search"}, "of-chat": {"team": "chat"}}
WITHIN = [OWN, MATCHED, RowKey("by-both", (("environment", "prod"), ("team", "search")), "")]
OUTSIDE = [
    OTHER,
    ALL,
    RowKey("of-chat", (), ""),
    RowKey("of-chat", (("team", "search"),), ""),
    RowKey("unknown", (), ""),
    RowKey("by-team", (("team", "search"), ("team", "chat")), ""),
    RowKey("by-user", (("user", "search"),), ""),
    RowKey("by-team", (("team", ""),), ""),
]


@pytest.fixture
def whole() -> MemoryStore:
    """Search and chat have spent, hold something, and were alerted."""
    store = MemoryStore()
    for version, (team, row) in enumerate((("search", OWN), ("chat", OTHER))):
        store.settle([Settlement(f"k-{team}", (Post(row, 70, 100, (500_000,)),))], version=version, now_ns=1)
        store.reserve(f"hold-{team}", [Want(row, 5)], version=version, now_ns=1, expires_ns=100)
        store.change(Change("set", "by-team", row.scope, "ada", team, Control(500)), now_ns=1)
    store.settle([Settlement("k-all", (Post(ALL, 140, 200),))], version=2, now_ns=1)
    store.change(Change("pause", "of-chat", (), "ada", "chat"), now_ns=1)
    store.change(Change("pause", "by-team", (), "ada", "all"), now_ns=1)
    return store


@pytest.fixture
def search(whole: MemoryStore) -> ScopedStore:
    return ScopedStore(whole, {"team": "search"}, MATCHES)


def test_it_has_every_method() -> None:
    for name in wire.METHODS:
        assert inspect.signature(getattr(ScopedStore, name)) == inspect.signature(getattr(MemoryStore, name)), name


@pytest.mark.parametrize("row", WITHIN)
def test_rows_within(search: ScopedStore, row: RowKey) -> None:
    version = search.controls().version
    assert search.read([row])[0].row == row
    assert isinstance(search.reserve("h", [Want(row, 1)], version=version, now_ns=1, expires_ns=9), Reserved)
    search.settle([Settlement("k", (Post(row, 1, 100),), "h")], version=version, now_ns=2)
    assert search.read([row])[0].reserved_nano == (5 if row == OWN else 0), "what it held is settled"


@pytest.mark.parametrize("row", OUTSIDE)
def test_rows_outside(search: ScopedStore, whole: MemoryStore, row: RowKey) -> None:
    before = whole.read([row])
    version = search.controls().version
    for call in (
        lambda: search.read([OWN, row]),
        lambda: search.reserve("h", [Want(OWN, 1), Want(row, 1)], version=version, now_ns=1, expires_ns=9),
        lambda: search.settle([Settlement("k", (Post(OWN, 1, 9), Post(row, 1, 9)))], version=version, now_ns=1),
        lambda: search.change(Change("reset", row.budget, row.scope, "me", "why", rows=(row,)), now_ns=1),
        lambda: search.change(Change("reset", "by-team", OWN.scope, "me", "why", rows=(row,)), now_ns=1),
    ):
        with pytest.raises(OutOfScope, match="not one of team=search alone"):
            call()
    assert whole.read([row]) == before
    assert [state.row for state in search.rows(row.budget) if state.row == row] == []


def test_what_is_about_everybody_is_refused_or_nothing(search: ScopedStore, whole: MemoryStore) -> None:
    with pytest.raises(OutOfScope, match="others'"):
        search.void("k-chat", now_ns=2)
    with pytest.raises(OutOfScope, match="all rows"):
        search.correct([Settlement("k-chat", (Post(OWN, 1, 9),))], now_ns=2)
    assert search.sweep(now_ns=1000, charge={"by-team"}) == []
    assert whole.read([OTHER])[0].reserved_nano == 5
    assert search.claim_untold(before_ns=1000) == []
    assert len(whole.claim_untold(before_ns=1000)) == 2


def test_holds_of_others_are_out_of_reach(search: ScopedStore, whole: MemoryStore) -> None:
    search.release(["hold-chat"])
    assert search.renew(["hold-chat", "hold-search"], expires_ns=10**6) == set()
    search.settle([Settlement("k-new", (Post(OWN, 1, 100),), "hold-chat")], version=4, now_ns=2)
    assert whole.read([OTHER])[0].reserved_nano == 5
    # Its own are its own, by the names that it gave them.
    search.reserve("mine", [Want(OWN, 7)], version=4, now_ns=2, expires_ns=9)
    assert search.renew(["mine"], expires_ns=50) == {"mine"}
    whole.sweep(now_ns=1000, charge=())
    assert [one.hold_id for one in search.lost()] == ["mine", "hold-search"]
    assert {one.row for one in search.lost()} == {OWN}


def test_what_is_listed_is_within(search: ScopedStore) -> None:
    assert search.controls() == Controls(
        4,
        {("by-team", OWN.scope): Control(500), ("by-team", ()): Control(paused=True)},
    )
    assert [state.row for state in search.rows("by-team")] == [OWN]
    assert search.rows("all") == []
    assert [entry.scope for entry in search.audit()] == [OWN.scope]
    assert [alert.row for alert in search.alerts()] == [OWN]
    assert search.alerts("of-chat") == []


def test_controls_of_a_budget_that_the_server_does_not_know_hold_where_it_has_rows(whole: MemoryStore) -> None:
    bound = ScopedStore(whole, {"team": "search"}, {})
    assert ("by-team", ()) in bound.controls().by_scope
    assert ("of-chat", ()) not in bound.controls().by_scope


def test_alerts_of_others_are_not_touched(search: ScopedStore, whole: MemoryStore) -> None:
    own, other = (next(one for one in whole.alerts() if one.row == row) for row in (OWN, OTHER))
    assert search.set_alert(other.id, "resolved", actor="me", now_ns=2) is None
    resolved = search.set_alert(own.id, "resolved", actor="me", now_ns=2)
    assert resolved is not None
    search.told([own.id, other.id])
    assert {one.row: (one.state, one.told) for one in whole.alerts()} == {
        OWN: ("resolved", True),
        OTHER: ("active", False),
    }
