"""The client and a real server (FEATURES A12): what is booked through it is read through it, exactly."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from otel_cost.client import ApiDenied, ApiInvalid, ApiNotFound, Client
from tests.support import server
from tests.support.expected import Call

KEY = "an-admin-key-of-the-tests"
NANO = Call("chat", "gpt-4o", 1000, 100).nano_usd
AT = datetime.now(UTC) - timedelta(minutes=5)
_CONFIG = """
budgets:
  - {name: team-month, amount_usd: 1000, period: month, per: [team], action: block}
prices:
  overlay: [{tools: {maps_api: 0.01}}]
"""


@dataclass(frozen=True)
class Served:
    url: str
    directory: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a key and a budget, and a day's calls: three models' of two teams, a tool's, a resource's."""
    directory = tmp_path_factory.mktemp("served")
    config = directory / "otel-cost.yaml"
    config.write_text(_CONFIG)
    environment = {"OTEL_COST_CONFIG": str(config), "OTEL_COST_SERVER_KEY": KEY}
    with server.running(directory, environment) as url, Client(url, key=KEY) as client:
        labels = {"team": "search", "session": "s 1?é", "execution": "run 1", "workspace": "acme"}
        for number, team in enumerate(("search", "search", "ads")):
            client.record_llm(
                "openai", "gpt-4o", 1000, 100, labels={**labels, "team": team}, at=AT, id=f"call-{number}",
                trace_id="a" * 32,
            )  # fmt: skip
        client.record_tool("maps_api", labels=labels, at=AT)
        client.record_infrastructure("gpu", Decimal("0.25"), labels=labels, at=AT)
        yield Served(url, directory)


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.url, key=KEY) as client:
        yield client


TOTAL = 3 * NANO + 10_000_000 + 250_000_000


def test_sums_are_exact(client: Client) -> None:
    summary = client.summary(days=1, group_by=["team", "kind"])
    assert summary.total.cost.nano_usd == TOTAL
    assert summary.total.cost.usd == Decimal(TOTAL) / 10**9
    groups = {(group.key["team"], group.key["kind"]): group.cost.nano_usd for group in summary.groups}
    assert groups["search", "llm"] == 2 * NANO
    assert sum(groups.values()) == TOTAL
    assert summary.end - summary.start == timedelta(days=1)
    only = client.summary(start=AT, end=AT + timedelta(seconds=1), where={"team": "ads"})
    assert (only.total.cost.nano_usd, only.total.calls) == (NANO, 1)
    assert client.summary(start=date(2020, 1, 1), end="2020-02-01").total.calls == 0


def test_series_breakdowns_and_statistics(client: Client) -> None:
    series = client.timeseries(interval="hour", days=1, group_by=["team"])
    assert sum(point.cost.nano_usd for point in series.total.points) == TOTAL
    assert {one.key["team"] for one in series.groups} == {"search", "ads"}
    by_team = client.breakdown("team", days=1)
    assert [piece.value for piece in by_team.slices] == ["search", "ads"]
    assert by_team.slices[0].share is not None
    assert client.top("session", days=1).slices[0].value == "s 1?é"
    (model,) = [one for one in client.stats(days=1).groups if one.key["model"] == "gpt-4o"]
    assert (model.calls, model.errors) == (3, 0)
    assert model.mean_cost is not None
    assert model.mean_cost.nano_usd == NANO
    today = client.dashboard()
    assert today.top_models[0].cost.nano_usd > 0


def test_what_belongs_together_is_found_by_its_id(client: Client) -> None:
    """Ids with blanks and the like are ids as others are."""
    assert client.execution("run 1").total.cost.nano_usd == TOTAL
    assert client.session("s 1?é").total.cost.nano_usd == TOTAL
    trace = client.trace("a" * 32)
    assert (trace.total.cost.nano_usd, len(trace.calls)) == (3 * NANO, 3)
    assert client.workspace("acme", period="month").total.cost.nano_usd == TOTAL


def test_entries_come_by_the_page_and_once_each(client: Client) -> None:
    entries = list(client.entries(days=1, page_size=2))
    assert len({entry.key for entry in entries}) == len(entries) == 5
    assert sum(entry.cost.nano_usd for entry in entries) == TOTAL
    (resource,) = client.entries(days=1, where={"kind": "infrastructure"})
    assert resource.cost.usd == Decimal("0.25")
    assert resource.labels["team"] == "search"
    assert abs(resource.at - AT) < timedelta(milliseconds=1)


@pytest.mark.parametrize("style", ["csv", "json", "jsonl"])
def test_exports_are_whole_files(client: Client, tmp_path: Path, style: str) -> None:
    file = tmp_path / f"calls.{style}"
    client.export(file, style=style, days=1)  # type: ignore[arg-type]
    text = file.read_text()
    if style == "csv":
        amounts = [Decimal(row["usd"]) for row in csv.DictReader(text.splitlines())]
    else:
        rows = json.loads(text) if style == "json" else map(json.loads, text.splitlines())
        amounts = [Decimal(row["cost"]["usd"]) for row in rows]
    assert sum(amounts) * 10**9 == TOTAL
    assert list(tmp_path.iterdir()) == [file]


def test_a_cost_is_booked_once_however_often_it_is_sent(client: Client) -> None:
    again = client.record_llm(
        "openai", "gpt-4o", 1000, 100, at=AT, id="call-0", trace_id="a" * 32,
        labels={"team": "search", "session": "s 1?é", "execution": "run 1", "workspace": "acme"},
    )  # fmt: skip
    assert (again.created, again.cost.nano_usd, again.status) == (False, NANO, "priced")
    old = AT - timedelta(days=30)
    entry = {"kind": "tool", "name": "x", "usd": Decimal("0.1"), "id": "t1", "at": old.isoformat()}
    (first,) = client.record([entry])
    (second,) = client.record([entry])
    assert (first.created, second.created, first.key == second.key) == (True, False, True)
    assert first.cost.usd == Decimal("0.1")


def test_prices(client: Client) -> None:
    listed = client.prices(provider="openai", model="gpt-4o")
    (price,) = [one for one in listed.models if one.model == "gpt-4o"]
    assert {rate.unit: rate.usd_per_1m for rate in price.rates}["input_tokens"] == Decimal("2.5")
    assert client.price("openai", "gpt-4o", at="2026-10-01").context_window == price.context_window
    with pytest.raises(ApiNotFound):
        client.price("openai", "no-such-model")


def test_budgets_are_read_and_changed(client: Client) -> None:
    (budget,) = client.budgets.all()
    assert (budget.name, budget.amount.usd, budget.per) == ("team-month", Decimal(1000), ("team",))
    assert client.budgets.get("team-month") == budget
    (status,) = client.budgets.status("team-month", "search").statuses
    assert status.spent.nano_usd == 2 * NANO + 260_000_000
    assert client.budgets.check("1", labels={"team": "search"}).allowed
    (changed,) = client.budgets.set("team-month", "search", amount_usd=Decimal("0.3"), reason="test")
    assert changed.limit.nano_usd == 300_000_000
    refused = client.budgets.check(Decimal("0.2"), labels={"team": "search"})
    assert not refused.allowed
    assert refused.budget == "team-month"
    (paused,) = client.budgets.pause("team-month", "ads", reason="test")
    assert paused.paused
    client.budgets.resume("team-month", "ads", reason="test")
    (cleared,) = client.budgets.clear("team-month", "search", reason="test")
    assert cleared.limit.usd == Decimal(1000)
    (reset,) = client.budgets.reset("team-month", "search", reason="test")
    assert reset.spent.nano_usd == 0
    for alert in client.alerts(state="all"):
        assert client.acknowledge(alert.id).state == "acknowledged"
        assert client.resolve(alert.id).state == "resolved"


def test_errors_name_what_is_wrong(served: Served, client: Client) -> None:
    with pytest.raises(ApiInvalid) as caught:
        client.summary(days=1, where={"tema": "x"})
    assert caught.value.field == "tema"
    with pytest.raises(ApiInvalid) as caught:
        client.record_llm("openai", "gpt-4o", 10, 1, usage={"cache_read_tokens": 11})
    assert "cache_read_tokens (11) is larger than input_tokens (10)" in caught.value.detail
    with pytest.raises(ApiNotFound):
        client.budgets.get("no-such-budget")
    with Client(served.url) as stranger, pytest.raises(ApiDenied) as denied:
        stranger.summary()
    assert denied.value.status == 401
