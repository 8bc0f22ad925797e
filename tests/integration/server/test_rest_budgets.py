"""Budgets, alerts and the audit log over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.server.serving import NOW, Server, chat, span, traces
from tests.integration.server.shop import DAY, dollars, get, problem

BUDGETS = "/api/v1/budgets"
WHY = {"reason": "launch week"}


def _spend(server: Server, usd: float, team: str = "search", **labels: str) -> None:
    entry = {"kind": "tool", "name": "x", "usd": usd, "labels": {"team": team, **labels}}
    assert server.http.post("/api/v1/costs/entries", json=entry).status_code == 201


def _status(server: Server, value: str = "search", name: str = "team-month") -> dict[str, Any]:
    (found,) = get(server, f"/budgets/{name}/status", value=value)["statuses"]
    assert isinstance(found, dict)
    return found


def _changed(server: Server, method: str, path: str, **parts: Any) -> dict[str, Any]:
    answer = server.http.request(method, f"{BUDGETS}/{path}", **parts)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_there_is(own_shop: Server) -> None:
    """FEATURES C7, C16: the settings of a budget."""
    found = {budget["name"]: budget for budget in get(own_shop, "/budgets")["budgets"]}
    assert list(found) == ["team-month", "all-day", "production", "each-session"]
    team = found["team-month"]
    assert (dollars(team["amount"]), team["per"], team["hard_limit"]) == (100, ["team"], True)
    assert team["thresholds"] == ["0.5", "0.8", "1"]
    assert [(value["scope"], dollars(value["amount"])) for value in team["values"]] == [({"team": "research"}, 5)]
    assert get(own_shop, "/budgets/production") == found["production"]
    problem(own_shop.http.get(f"{BUDGETS}/nothing"), 404)


def test_where_it_stands(own_shop: Server) -> None:
    """FEATURES B11, C7, E10: limit, spent, remaining, utilisation, operations, active, alert needed, over."""
    _spend(own_shop, 85)
    _spend(own_shop, 5, "research")
    status = _status(own_shop)
    figures = {name: dollars(status[name]) for name in ("limit", "spent", "reserved", "remaining")}
    assert figures == {"limit": 100, "spent": 85, "reserved": 0, "remaining": 15}
    assert (status["utilization"], status["over"], status["alert_needed"]) == ("0.8500", False, True)
    assert (status["thresholds_reached"], status["severity"]) == (["0.5", "0.8"], "warning")
    assert (status["period_start"], status["period_end"]) == ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z")
    assert status["operations"] == 6, "those that were in the book before count as well"
    everyone = get(own_shop, "/budgets/team-month/status", all=True)
    assert [one["scope"]["team"] for one in everyone["statuses"]] == ["research", "search"]
    assert everyone["statuses"][0]["over"]
    assert _status(own_shop, "nobody")["utilization"] == "0.0000"
    assert get(own_shop, "/dashboard")["active_alerts"] == 5


def test_only_some_values_are_shown_unless_all_are_asked_for(own_shop: Server) -> None:
    for number in range(12):
        _spend(own_shop, number + 1, f"team{number}")
    some = get(own_shop, "/budgets/team-month/status")
    assert (len(some["statuses"]), some["left_out"]) == (10, 2)
    assert some["statuses"][0]["scope"] == {"team": "team11"}
    assert len(get(own_shop, "/budgets/team-month/status", all="true")["statuses"]) == 12


def test_sessions_have_their_operations(own_shop: Server) -> None:
    own_shop.send(traces(span(chat()), session="s9"))
    assert _status(own_shop, "s9", "each-session")["operations"] == 1


def test_another_limit_and_back(own_shop: Server) -> None:
    """FEATURES B10, E6, E15: set while everything runs, for one of many too."""
    _spend(own_shop, 90)
    changed = _changed(own_shop, "PUT", "team-month?value=search", json={"amount_usd": "250.50", **WHY})
    assert dollars(changed["statuses"][0]["limit"]) == 250.5
    _changed(own_shop, "PUT", "team-month", json={"amount_usd": 120, "action": "pause", **WHY})
    assert dollars(_status(own_shop, "support")["limit"]) == 120
    assert dollars(_status(own_shop)["limit"]) == 250.5
    assert dollars(_status(own_shop, "research")["limit"]) == 5, "it has its own in the settings"
    budget = get(own_shop, "/budgets/team-month")
    assert (dollars(budget["set"]["amount"]), budget["set"]["action"]) == (120, "pause")
    assert {"team": "search"} in [value["scope"] for value in budget["values"]]
    _changed(own_shop, "DELETE", "team-month/override", params={"value": "search", "reason": "over"})
    assert dollars(_status(own_shop)["limit"]) == 120
    _changed(own_shop, "DELETE", "team-month/override", params={"reason": "over"})
    assert (dollars(_status(own_shop)["limit"]), _status(own_shop)["action"]) == (100, "block")


def test_pause_resume_reset(own_shop: Server) -> None:
    """FEATURES E6, E15, C13: by hand, for one value, audited."""
    _spend(own_shop, 90)
    _changed(own_shop, "POST", "team-month/pause?value=search", json={"reason": "runaway"})
    paused = _status(own_shop)
    assert (paused["active"], paused["paused"]) == (False, True)
    assert (paused["paused_by"]["actor"], paused["paused_by"]["reason"]) == ("local", "runaway")
    assert _status(own_shop, "support")["active"]
    _changed(own_shop, "POST", "team-month/resume?value=search", json={"reason": "fixed"})
    assert _status(own_shop)["active"]
    _changed(own_shop, "POST", "team-month/reset?value=search", json={"reason": "load test"})
    assert dollars(_status(own_shop)["spent"]) == 0
    changes = get(own_shop, "/audit")["changes"]
    assert [(one["action"], one["actor"], one["reason"]) for one in changes] == [
        ("budget.reset", "local", "load test"),
        ("budget.resume", "local", "fixed"),
        ("budget.pause", "local", "runaway"),
    ]
    assert changes[-1]["scope"] == {"team": "search"}
    assert (changes[-1]["detail"]["before"]["paused"], changes[-1]["detail"]["after"]["paused"]) == (False, True)
    assert get(own_shop, "/audit", budget="all-day")["changes"] == []


def test_may_this_be_spent(own_shop: Server) -> None:
    """FEATURES C9: can it execute at this estimated cost, and the reason if not."""
    _spend(own_shop, 90)

    def check(usd: object, **more: Any) -> dict[str, Any]:
        answer = own_shop.http.post(f"{BUDGETS}/check", json={"estimated_usd": usd, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    yes = check("9.5", labels={"team": "search"})
    assert (yes["allowed"], yes["reason"], yes["budget"], dollars(yes["remaining"])) == (True, "", "team-month", 10)
    no = check(10.01, labels={"team": "search"}, provider="openai", model="gpt-4o")
    assert (no["allowed"], no["budget"], no["scope"]) == (False, "team-month", {"team": "search"})
    assert "team-month" in no["reason"]
    assert no["retry_after_s"] > 0
    assert check(99, labels={"team": "support"})["allowed"]
    _changed(own_shop, "POST", "team-month/pause", json={"reason": "stop"})
    assert "paused" in check(0, labels={"team": "support"})["reason"]


def test_alerts_and_what_becomes_of_them(own_shop: Server) -> None:
    """FEATURES B11, C8, E7: thresholds that were reached, stored, acknowledged, resolved."""
    _spend(own_shop, 85)
    half, most = sorted(get(own_shop, "/alerts", budget="team-month")["alerts"], key=lambda alert: alert["threshold"])
    assert (half["threshold"], half["severity"], most["threshold"], most["severity"]) == (
        "0.5",
        "info",
        "0.8",
        "warning",
    )
    assert (dollars(most["spent"]), dollars(most["limit"]), most["scope"]) == (85, 100, {"team": "search"})
    done = own_shop.http.post(f"/api/v1/alerts/{most['id']}/acknowledge").json()
    assert (done["state"], done["actor"]) == ("acknowledged", "local")
    own_shop.http.post(f"/api/v1/alerts/{half['id']}/resolve")
    assert get(own_shop, "/alerts", budget="team-month")["alerts"] == []
    assert [alert["id"] for alert in get(own_shop, "/alerts", state="resolved")["alerts"]] == [half["id"]]
    assert len(get(own_shop, "/alerts", state="all", budget="team-month")["alerts"]) == 2
    problem(own_shop.http.post("/api/v1/alerts/4711/resolve"), 404)
    assert problem(own_shop.http.post(f"/api/v1/alerts/{2**63}/resolve"), 400)["field"] == "id"


def test_reservations_that_were_lost(own_shop: Server) -> None:
    assert get(own_shop, "/reservations/lost") == {"lost": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PUT", "team-month", {"amount_usd": 1}, 400, "reason"),
        ("PUT", "team-month", {"amount_usd": 1, "reason": "  "}, 400, "reason"),
        ("PUT", "team-month", {"reason": "x"}, 400, "amount_usd"),
        ("PUT", "team-month", {"amount_usd": -1, "reason": "x"}, 400, "amount_usd"),
        ("PUT", "team-month", {"amount_usd": "1e10", "reason": "x"}, 400, "amount_usd"),
        ("PUT", "team-month", {"amount_usd": "NaN", "reason": "x"}, 400, "amount_usd"),
        ("PUT", "team-month", {"action": "stop", "reason": "x"}, 400, "action"),
        ("PUT", "team-month", {"limit": 1, "reason": "x"}, 400, "limit"),
        ("PUT", "team-month?value=a&value=b", {"amount_usd": 1, "reason": "x"}, 400, "value"),
        ("PUT", "all-day?value=a", {"amount_usd": 1, "reason": "x"}, 400, "value"),
        ("PUT", "nothing", {"amount_usd": 1, "reason": "x"}, 404, None),
        ("POST", "nothing/pause", {"reason": "x"}, 404, None),
        ("POST", "team-month/pause", {}, 400, "reason"),
        ("POST", "team-month/explode", {"reason": "x"}, 404, None),
        ("POST", "check", {}, 400, "estimated_usd"),
        ("POST", "check", {"estimated_usd": 1, "labels": {"team": 1}}, 400, "labels.team"),
        ("DELETE", "team-month/override", None, 400, "reason"),
        ("DELETE", "team-month/override?reason=a%00b", None, 400, "reason"),
        ("POST", "team-month/pause", {"reason": "a\0b"}, 400, "reason"),
        ("POST", "check", {"estimated_usd": 1, "labels": {"team": "a\0b"}}, 400, "labels"),
        ("DELETE", "team-month", None, 405, None),
    ],
)
def test_a_wrong_change_changes_nothing(
    shop: Server, method: str, path: str, body: object, status: int, field: str | None
) -> None:
    said = problem(shop.http.request(method, f"{BUDGETS}/{path}", json=body), status)
    assert said.get("field") == field
    assert get(shop, "/audit")["changes"] == []
    assert DAY < NOW
