"""Reading, changing and alerts, in every store (FEATURES B10, B11, C13, E6, E15)."""

from __future__ import annotations

import json

from otel_cost.budgets.stores.base import AuditEntry, Change, Control, Controls, Reserved, RowState, Store, Want
from tests.contract.budget_stores.making import DAY, NOW, amounts, change, post, reserve, row, settle, state

A, B = row("a"), row("b")
HALF = 500_000


def test_a_row_that_nobody_wrote_is_all_zero(store: Store) -> None:
    settle(store, "k", post(A, 3))
    assert store.read([B, A, B]) == [RowState(B), RowState(A, 3, 0, 0, "", NOW), RowState(B)]
    assert store.read([]) == []


def test_rows_of_a_budget_come_with_the_one_used_last_at_the_end(store: Store) -> None:
    settle(store, "k1", post(A, 1), now_ns=NOW)
    settle(store, "k2", post(B, 2), now_ns=NOW + 1)
    settle(store, "k3", post(row("x", budget="other"), 3), now_ns=NOW + 2)
    assert [found.row for found in store.rows("month")] == [A, B]
    reserve(store, "h", Want(A, 1), now_ns=NOW + 3)
    assert [found.row for found in store.rows("month")] == [B, A]
    assert store.rows("nothing") == []


def test_a_setting_holds_for_a_budget_or_one_value_and_raises_the_version(store: Store) -> None:
    assert store.controls() == Controls(0, {})
    store.change(change("set", control=Control(500, "block", paused=True)), now_ns=NOW)
    store.change(Change("set", "month", A.scope, "ada", "why", Control(7)), now_ns=NOW)
    assert store.controls() == Controls(2, {("month", ()): Control(500, "block"), ("month", A.scope): Control(7)})


def test_pausing_keeps_what_was_set(store: Store) -> None:
    store.change(change("set", control=Control(500)), now_ns=NOW)
    store.change(change("pause"), now_ns=NOW)
    assert store.controls().by_scope["month", ()] == Control(500, None, paused=True)
    store.change(change("resume"), now_ns=NOW)
    assert store.controls().by_scope["month", ()] == Control(500)


def test_a_resumed_row_goes_on_and_does_not_pause_itself_again(store: Store) -> None:
    settle(store, "k1", post(A, 10, pause_at_nano=10))
    store.change(change("resume", A, B), now_ns=NOW)
    assert (state(store, A).state, state(store, B).state) == ("resumed", "")
    assert not settle(store, "k2", post(A, 10, pause_at_nano=10), version=1)[0].paused
    assert isinstance(reserve(store, "h", Want(A, 1), version=1), Reserved)


def test_a_reset_forgives_what_was_spent_and_keeps_what_is_reserved(store: Store) -> None:
    settle(store, "k1", post(A, 10, pause_at_nano=10))
    store.change(change("resume", A), now_ns=NOW)
    reserve(store, "h", Want(A, 4), version=1)
    store.change(change("reset", A), now_ns=NOW)
    assert state(store, A) == RowState(A, 0, 4, 10, "", NOW)
    assert settle(store, "k2", post(A, 10, pause_at_nano=10), version=2, hold="h")[0].paused


def test_changes_are_written_down_with_who_and_why(store: Store) -> None:
    settle(store, "k", post(A, 10))
    store.change(change("set", control=Control(500)), now_ns=NOW)
    store.change(Change("reset", "month", A.scope, "bob", "new month", rows=(A,)), now_ns=NOW + 1)
    store.change(change("pause", budget="other"), now_ns=NOW + 2)
    reset, was_set = store.audit("month")
    assert was_set._replace(before="", after="") == AuditEntry(NOW, "set", "month", (), "ada", "month closed", "", "")
    assert (json.loads(was_set.before)["amount_nano"], json.loads(was_set.after)["amount_nano"]) == (None, 500)
    assert (reset.kind, reset.scope, reset.actor, reset.reason) == ("reset", A.scope, "bob", "new month")
    spent = [json.loads(text)["rows"][0]["spent_nano"] for text in (reset.before, reset.after)]
    assert spent == [10, 0]
    assert [entry.kind for entry in store.audit()] == ["pause", "reset", "set"]
    assert [entry.kind for entry in store.audit(limit=1)] == ["pause"]


def test_alerts_are_found_by_budget_and_state_newest_first(store: Store) -> None:
    other = row("x", budget="other")
    settle(store, "k1", post(A, 600, thresholds=(HALF,)))
    settle(store, "k2", post(other, 600, thresholds=(HALF,)))
    settle(store, "k3", post(B, 600, thresholds=(HALF,)))
    assert [alert.row for alert in store.alerts()] == [B, other, A]
    assert [alert.row for alert in store.alerts("month", limit=1)] == [B]
    first = store.alerts("month")[1]
    changed = store.set_alert(first.id, "acknowledged", actor="ada", now_ns=NOW + 5)
    assert changed == first._replace(state="acknowledged", actor="ada", changed_ns=NOW + 5)
    assert store.alerts("month", state="acknowledged") == [changed]
    assert [alert.row for alert in store.alerts("month", state="active")] == [B]
    assert store.set_alert(10**6, "resolved", actor="ada", now_ns=NOW) is None


def test_an_alert_that_nobody_told_is_given_to_one_caller(store: Store) -> None:
    settle(store, "k1", post(A, 600, thresholds=(HALF,)), now_ns=NOW)
    settle(store, "k2", post(B, 600, thresholds=(HALF,)), now_ns=NOW + 1)
    settle(store, "k3", post(row("c"), 600, thresholds=(HALF,)), now_ns=NOW + 9)
    store.told([store.alerts()[2].id, 10**6])
    store.told([])
    assert [alert.row for alert in store.claim_untold(before_ns=NOW + 9)] == [B]
    assert store.claim_untold(before_ns=NOW + 9) == []
    assert [alert.told for alert in store.alerts()] == [False, True, True]


def test_sweeping_leaves_what_is_still_used(store: Store) -> None:
    settle(store, "k1", post(A, 1, ends_ns=NOW))
    settle(store, "k2", post(row("s", label="session", period=""), 2))
    store.sweep(now_ns=NOW + 7 * DAY, charge=())
    assert amounts(store, A) == (1, 0)
