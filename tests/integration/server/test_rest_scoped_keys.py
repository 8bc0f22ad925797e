"""What a key that is bound to a label sees, and may do: its own, as if there were nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.server.serving import Server
from tests.integration.server.shop import TRACE, dollars, problem

Keyed = Callable[..., httpx.Response]


@pytest.fixture
def keyed(own_shop: Server) -> Keyed:
    """Sends requests with a key of a role and a scope; makes it first."""
    http = own_shop.http
    admin = {"authorization": f"Bearer {_new(http, {}, name='root', role='admin')}"}
    made: dict[str, str] = {}

    def send(method: str, path: str, *, role: str = "viewer", scope: str = "search", **parts: Any) -> httpx.Response:
        name = f"{role} {scope}"
        if name not in made:
            made[name] = _new(http, admin, name=name, role=role, **({"scope": {"team": scope}} if scope else {}))
        headers = {"authorization": f"Bearer {made[name]}", **parts.pop("headers", {})}
        return http.request(method, f"/api/v1{path}", headers=headers, **parts)

    return send


def _new(http: httpx.Client, headers: dict[str, str], **wanted: object) -> str:
    answer = http.post("/api/v1/keys", json=wanted, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def test_sums_and_entries_are_its_own(keyed: Keyed) -> None:
    summary = keyed("GET", "/costs/summary").json()
    assert (dollars(summary["total"]["cost"]), summary["filters"]) == (34, {"team": "search"})
    assert {entry["labels"]["team"] for entry in keyed("GET", "/costs/entries?days=60").json()["entries"]} == {"search"}
    assert "support" not in keyed("GET", "/costs/export?days=60").text
    series = keyed("GET", "/costs/timeseries?group_by=team").json()
    assert [group["key"]["team"] for group in series["groups"]] == ["search"]
    assert [one["value"] for one in keyed("GET", "/costs/top/session?days=60").json()["slices"]] == ["s1"]
    assert [one["value"] for one in keyed("GET", "/costs/breakdown/team").json()["slices"]] == ["search"]
    assert dollars(keyed("GET", "/costs/stats").json()["total"]["cost"]) == 34
    assert dollars(keyed("GET", "/dashboard").json()["month"]["total"]["cost"]) == 34
    assert dollars(keyed("GET", "/workspaces/acme/costs").json()["total"]["cost"]) == 34


@pytest.mark.parametrize(
    "path",
    ["/costs/summary", "/costs/entries", "/costs/timeseries", "/costs/breakdown/session", "/costs/top/agent",
     "/costs/stats", "/costs/unpriced", "/costs/disagreements"],
)  # fmt: skip
def test_what_it_may_not_see_is_not_there(keyed: Keyed, path: str) -> None:
    text = keyed("GET", f"{path}?team=support").text
    empty = keyed("GET", f"{path}?team=nobody").text
    assert text.replace("support", "nobody") == empty


def test_single_things_of_others_are_not_found(keyed: Keyed) -> None:
    unknown = problem(keyed("GET", "/sessions/none/costs"), 404)
    assert problem(keyed("GET", "/sessions/s2/costs"), 404) == unknown
    problem(keyed("GET", "/executions/run-2/costs"), 404)
    assert dollars(keyed("GET", "/executions/run-1/costs").json()["total"]["cost"]) == 39
    problem(keyed("GET", f"/traces/{TRACE}/costs", scope="support"), 404)
    assert len(keyed("GET", f"/traces/{TRACE}/costs").json()["calls"]) == 2
    problem(keyed("GET", "/workspaces/acme/costs", scope="elsewhere"), 404)


def test_its_budgets(keyed: Keyed) -> None:
    keyed("POST", "/costs/entries", role="ingest", json={"kind": "tool", "name": "x", "usd": 85})
    keyed("POST", "/costs/entries", role="ingest", scope="support", json={"kind": "tool", "name": "x", "usd": 60})
    assert [budget["name"] for budget in keyed("GET", "/budgets").json()["budgets"]] == ["team-month"]
    assert keyed("GET", "/budgets/team-month").json()["values"] == [], "research's own limit is not its business"
    statuses = keyed("GET", "/budgets/team-month/status?all=true").json()["statuses"]
    assert [(one["scope"], dollars(one["spent"])) for one in statuses] == [({"team": "search"}, 85)]
    for path in ("/budgets/all-day", "/budgets/nothing", "/budgets/team-month/status?value=support"):
        problem(keyed("GET", path), 404)
    assert {alert["scope"]["team"] for alert in keyed("GET", "/alerts").json()["alerts"]} == {"search"}
    assert {alert["scope"]["team"] for alert in keyed("GET", "/alerts", scope="support").json()["alerts"]} == {
        "support"
    }


def test_it_changes_its_own_only_and_the_log_has_its_id(keyed: Keyed) -> None:
    """FEATURES C13, E11, E15."""
    why = {"reason": "runaway"}
    problem(keyed("POST", "/budgets/team-month/pause?value=search", json=why), 403)
    problem(keyed("POST", "/budgets/team-month/pause", role="editor", json=why), 403)
    problem(keyed("POST", "/budgets/team-month/pause?value=support", role="editor", json=why), 404)
    done = keyed("POST", "/budgets/team-month/pause?value=search", role="editor", json=why).json()
    (entry,) = keyed("GET", "/audit").json()["changes"]
    assert entry["actor"] == done["statuses"][0]["paused_by"]["actor"] != "local"
    assert keyed("GET", "/audit", scope="support").json()["changes"] == []
    whole = [one["action"] for one in keyed("GET", "/audit", role="admin", scope="").json()["changes"]]
    assert "key.created" in whole
    assert "budget.pause" in whole


def test_an_alert_of_others_cannot_be_resolved(keyed: Keyed) -> None:
    keyed("POST", "/costs/entries", role="ingest", scope="support", json={"kind": "tool", "name": "x", "usd": 60})
    (alert,) = keyed("GET", "/alerts", scope="support").json()["alerts"]
    path = f"/alerts/{alert['id']}/resolve"
    problem(keyed("POST", path, role="editor"), 404)
    assert keyed("POST", path, role="editor", scope="support").json()["state"] == "resolved"


def test_what_it_posts_is_its_own(keyed: Keyed) -> None:
    entry = {"kind": "tool", "name": "x", "usd": 1, "id": "one", "at": "2026-09-21T14:00:00Z"}
    mine = keyed("POST", "/costs/entries", role="ingest", json=entry)
    theirs = keyed("POST", "/costs/entries", role="ingest", scope="support", json=entry)
    assert (mine.status_code, theirs.status_code) == (201, 201), "the same id in two scopes is two things"
    assert mine.json()["key"] != theirs.json()["key"]
    assert dollars(keyed("GET", "/costs/summary").json()["total"]["cost"]) == 35
    problem(keyed("POST", "/costs/entries", role="ingest", json={**entry, "labels": {"team": "support"}}), 403)
    problem(keyed("POST", "/costs/entries", json={**entry, "id": "two"}), 403)
    problem(keyed("GET", "/costs/summary", role="ingest"), 403)


def test_it_asks_for_its_own_budget(keyed: Keyed) -> None:
    keyed("POST", "/costs/entries", role="ingest", json={"kind": "tool", "name": "x", "usd": 95})
    for role in ("ingest", "viewer"):
        assert not keyed("POST", "/budgets/check", role=role, json={"estimated_usd": 6}).json()["allowed"]
    body = {"estimated_usd": 6, "labels": {"team": "support"}}
    problem(keyed("POST", "/budgets/check", json=body), 403)
