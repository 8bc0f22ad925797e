"""One execution, session, trace or workspace; the overview; and prices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.server.serving import Server
from tests.integration.server.shop import TRACE, dollars, get, problem


def _by(groups: list[dict[str, Any]], *names: str) -> dict[tuple[str, ...], float]:
    return {tuple(group["key"][name] for name in names): dollars(group["cost"]) for group in groups}


def test_an_execution_costs_models_and_tools(shop: Server) -> None:
    """FEATURES C4: LLM and compute, tokens, calls, breakdown by type; over its whole life."""
    found = get(shop, "/executions/run-1/costs")
    assert (dollars(found["total"]["cost"]), found["total"]["calls"]) == (69, 5)
    assert found["total"]["input_tokens"] == 400
    assert _by(found["by_kind"], "kind") == {("llm",): 65, ("tool",): 4}
    assert _by(found["by_model"], "provider", "model") == {("openai", "gpt-5-2025-08-07"): 65}
    assert _by(found["by_resource"], "kind", "resource") == {("tool", "maps_api"): 4}
    assert (found["first"], found["last"]) == ("2026-08-22T14:13:20Z", "2026-09-21T13:13:20Z")
    compute = get(shop, "/executions/run-2/costs")
    assert _by(compute["by_resource"], "kind", "resource") == {("infrastructure", "cpu_core_hour"): 2}


def test_a_session(shop: Server) -> None:
    """FEATURES B6, B13: a conversation's summary."""
    assert dollars(get(shop, "/sessions/s2/costs")["total"]["cost"]) == 30


@pytest.mark.parametrize(
    ("label", "path"), [("session", "sessions"), ("execution", "executions"), ("workspace", "workspaces")]
)
def test_an_id_may_have_slashes(server: Server, label: str, path: str) -> None:
    """FEATURES B6, C4, C6: ids are the apps' own."""
    labels = {label: "eu/7/costs"}
    posted = {"kind": "tool", "name": "maps_api", "usd": "0.25", "labels": labels}
    assert server.http.post("/api/v1/costs/entries", json=posted).status_code == 201
    assert dollars(get(server, f"/{path}/eu%2F7%2Fcosts/costs")["total"]["cost"]) == 0.25
    problem(server.http.get(f"/api/v1/{path}/eu%2F7/costs"), 404)


def test_a_trace_has_its_calls(shop: Server) -> None:
    """FEATURES C4: by trace id."""
    found = get(shop, f"/traces/{TRACE}/costs")
    assert {call["trace_id"] for call in found["calls"]} == {TRACE}
    assert [call["at"] for call in found["calls"]] == sorted(call["at"] for call in found["calls"])
    assert (len(found["calls"]), found["calls_left_out"]) == (2, 0)
    assert (dollars(found["total"]["cost"]), found["total"]["operations"]) == (20, {"priced": 1, "unpriced": 1})
    assert found["total"]["input_tokens"] == 200


@pytest.mark.parametrize(
    "path", ["/executions/none", "/sessions/none", f"/traces/{'0' * 32}", "/workspaces/none", "/executions/%20"]
)
def test_what_the_book_never_saw_is_not_found(shop: Server, path: str) -> None:
    problem(shop.http.get(f"/api/v1{path}/costs"), 404)


def test_a_workspace_in_a_month(shop: Server) -> None:
    """FEATURES C3, C6: totals, by model, by resource, by project, daily trend."""
    found = get(shop, "/workspaces/acme/costs")
    assert (found["from"], found["to"], found["days"]) == ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", 30)
    assert (dollars(found["total"]["cost"]), found["days_elapsed"]) == (66, 21)
    assert found["daily_average"]["nano_usd"] == round(66e9 / 21)
    assert _by(found["by_kind"], "kind") == {("llm",): 60, ("tool",): 4, ("infrastructure",): 2}
    assert _by(found["by_resource"], "kind", "resource") == {
        ("tool", "maps_api"): 4, ("infrastructure", "cpu_core_hour"): 2,
    }  # fmt: skip
    assert _by(found["by_project"], "project") == {("web",): 64, ("",): 2}
    assert len(found["trend"]) == 30
    assert [dollars(point["cost"]) for point in found["trend"]][18:22] == [6, 30, 30, 0]


def test_a_workspace_at_another_time_and_zone(shop: Server) -> None:
    august = get(shop, "/workspaces/acme/costs", at="2026-08-10", timezone="America/New_York")
    assert (august["from"], august["days"], august["days_elapsed"]) == ("2026-08-01T04:00:00Z", 31, 31)
    assert dollars(august["total"]["cost"]) == 5
    week = get(shop, "/workspaces/acme/costs", period="week")
    assert (week["from"], dollars(week["total"]["cost"])) == ("2026-09-21T00:00:00Z", 30)
    idle = get(shop, "/workspaces/acme/costs", at="2026-01-01")
    assert (dollars(idle["total"]["cost"]), idle["by_model"]) == (0, [])


def test_the_dashboard(shop: Server) -> None:
    """FEATURES E9: month, today, top agents, top models, budgets."""
    found = get(shop, "/dashboard")
    spent = {part: dollars(found[part]["total"]["cost"]) for part in ("today", "month", "last_month")}
    assert spent == {"today": 30, "month": 66, "last_month": 5}
    assert _by(found["top_agents"], "agent") == {("writer",): 60}
    assert list(_by(found["top_models"], "model"))[:2] == [("gpt-5-2025-08-07",), ("maps_api",)]
    assert (found["unpriced_calls"], found["active_alerts"]) == (1, 0)
    assert {budget["name"] for budget in found["budgets"]} == {"all-day", "production"}
    of_team = get(shop, "/dashboard", team="support", limit=1)
    assert (dollars(of_team["month"]["total"]["cost"]), len(of_team["budgets"])) == (30, 1)


# --- prices -----------------------------------------------------------------------------------------------------------


def test_prices_of_all_models(shop: Server) -> None:
    """FEATURES A6, B16: current prices, with the context window."""
    found = get(shop, "/prices", provider="openai", model="gpt-4o*", at="2026-09-21")
    models = {model["model"]: model for model in found["models"]}
    assert {"gpt-4o", "gpt-4o-mini"} <= models.keys()
    assert {model["provider"] for model in found["models"]} == {"openai"}
    rates = {rate["unit"]: rate["usd_per_1m"] for rate in models["gpt-4o"]["rates"]}
    assert (rates["input_tokens"], rates["output_tokens"]) == ("2.5", "10")
    assert models["gpt-4o"]["context_window"] == 128_000
    few = get(shop, "/prices", limit=2, at="2026-09-21")
    assert (len(few["models"]), few["models_left_out"] > 1000) == (2, True)


def test_the_price_of_one_model(shop: Server) -> None:
    found = get(shop, "/prices/openai/gpt-4o")
    assert (found["provider"], found["model"], found["context_window"]) == ("openai", "gpt-4o", 128_000)
    tiers = get(shop, "/prices/openai/gpt-6.1-terra")["service_tiers"]
    assert get(shop, "/prices/openai/gpt-6.1-terra", tier="batch")["rates"] == tiers["batch"]["rates"] != found["rates"]
    assert get(shop, "/prices/openrouter/openai/gpt-4o")["model"] == "openai/gpt-4o"
    assert "unknown_model" in problem(shop.http.get("/api/v1/prices/openai/unheard-of"), 404)["detail"]
