"""The cost summary: its parameters, and what it says when they are wrong."""

from __future__ import annotations

import pytest

from otel_cost.config import Config
from otel_cost.ledger import Ledger
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from tests.contract.ledger.books import priced, record, unpriced
from tests.integration.server.serving import NOW, Server, serving

DAY = 86_400 * 10**9


@pytest.fixture
def booked(ledger: Ledger, server: Server) -> Server:
    """Three calls in the last minutes before the server's clock, and one that is not in its default period."""
    from dataclasses import replace

    recent = [
        replace(record(number, charge, **labels), start_ns=NOW - number * 60 * 10**9, end_ns=NOW)
        for number, charge, labels in (
            (1, priced(1_000_000_001), {"team": "search", "user": "ada", "color": "red"}),
            (2, priced(500), {"team": "support", "user": "bob"}),
            (3, unpriced(), {"team": "support"}),
        )
    ]
    old = replace(record(4, priced(7)), start_ns=NOW - 8 * DAY, end_ns=NOW)
    ledger.write([*recent, old], booked_at_ns=NOW)
    return server


def _groups(server: Server, **parameters: str | int) -> dict[tuple[str, ...], str]:
    groups = server.summary(**parameters)["groups"]
    assert isinstance(groups, list)
    return {tuple(group["key"].values()): group["cost"]["usd"] for group in groups}


def test_amounts_are_exact_text_and_exact_integers(booked: Server) -> None:
    summary = booked.summary()
    assert summary["currency"] == "USD"
    total = summary["total"]
    assert isinstance(total, dict)
    assert total["cost"] == {"usd": "1.000000501", "nano_usd": 1_000_000_501}
    assert sum(part["nano_usd"] for part in total["parts"].values()) == 1_000_000_501
    assert (total["calls"], total["operations"]) == (3, {"priced": 2, "unpriced": 1})
    assert summary["groups"] == []


def test_grouped_by_several_names_written_either_way(booked: Server) -> None:
    expected = {("search", "ada"): "1.000000001", ("support", "bob"): "0.000000500", ("support", ""): "0.000000000"}
    assert _groups(booked, group_by="team,user") == expected
    response = booked.http.get("/api/v1/costs/summary", params=[("group_by", "team"), ("group_by", "user")])
    assert [group["key"] for group in response.json()["groups"]] == [
        {"team": team, "user": user} for team, user in expected
    ]


def test_the_period(booked: Server) -> None:
    assert booked.nano(days=9) == 1_000_000_508
    assert booked.nano(**{"from": "1970-01-01"}) == 1_000_000_508
    assert booked.nano(to="2026-09-15") == 7
    two_minutes_ago = "2026-09-21T14:11:20Z"
    assert booked.nano(**{"from": two_minutes_ago}) == 1_000_000_501
    assert booked.nano(**{"from": "1970-01-01", "to": two_minutes_ago}) == 7
    summary = booked.summary(days=1)
    assert (summary["from"], summary["to"]) == ("2026-09-20T14:13:20Z", "2026-09-21T14:13:20Z")


def test_filters_by_fields_labels_and_labels_that_no_setting_knows(booked: Server) -> None:
    assert booked.nano(team="support") == 500
    assert booked.nano(team="support", status="unpriced") == 0
    assert booked.nano(**{"label.color": "red"}) == 1_000_000_001
    assert _groups(booked, group_by="label.color", team="search") == {("red",): "1.000000001"}


def test_as_of(booked: Server) -> None:
    assert booked.nano(as_of="2026-09-21T14:13:19Z") == 0
    assert booked.nano(as_of="2026-09-21T14:13:20Z") == 1_000_000_501


def test_a_limit_leaves_groups_out_and_says_so(booked: Server) -> None:
    summary = booked.summary(group_by="user", limit=1)
    assert isinstance(summary["groups"], list)
    assert [group["key"]["user"] for group in summary["groups"]] == ["ada"]
    assert summary["groups_left_out"] == 2
    assert booked.nano(group_by="user", limit=1) == 1_000_000_501


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("days=0", "days", "greater than or equal to 1"),
        ("days=x", "days", "valid integer"),
        ("days=7&from=2026-01-01", "days", "leave one out"),
        ("from=yesterday", "from", "is not a date"),
        ("to=9999-01-01", "to", "outside 1970 to 2116"),
        ("as_of=7", "as_of", "is not a date"),
        ("from=2026-02-01&to=2026-01-01", "from", "ends before it starts"),
        ("group_by=colour", "group_by", "'colour' is not known; allowed: agent,"),
        ("group_by=team,team", "group_by", "twice"),
        ("group_by=team&group_by=team", "group_by", "twice"),
        ("group_by=label.a%22b", "group_by", "is not a field"),
        ("tema=search", "tema", "'tema' is not known"),
        ("team=a&team=b", "team", "one value"),
        ("limit=0", "limit", "greater than or equal to 1"),
        ("label.%00=x", "label.\0", "is not a field"),
    ],
)
def test_a_wrong_parameter_is_a_problem_that_names_it(server: Server, query: str, field: str, says: str) -> None:
    response = server.http.get(f"/api/v1/costs/summary?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["field"]) == (400, field)
    assert says in body["detail"]


def test_without_its_ledger_it_lives_and_is_not_ready(server: Server, ledger: Ledger) -> None:
    assert server.http.get("/readyz").json()["status"] == "ok"
    ledger.close()
    response = server.http.get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert "ledger" in response.json()["detail"]
    assert server.http.get("/healthz").status_code == 200
    assert server.http.get("/api/v1/costs/summary").status_code == 503


def test_two_apps_in_one_process_share_nothing(config: Config, pricer: Pricer, ledger: Ledger, server: Server) -> None:
    from tests.integration.server.serving import chat, span, traces

    with serving(create_app(config, ledger=ledger, pricer=pricer, clock=lambda: NOW)) as other:
        server.send(traces(span(chat())))
        assert server.metric("otel_cost_book_spend_usd_total") > 0
        assert other.metric("otel_cost_book_spend_usd_total") == 0
        assert other.nano() == server.nano() > 0
