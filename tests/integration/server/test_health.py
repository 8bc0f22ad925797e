"""What a server says of itself: to probes, to people (FEATURES D5), and in its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.pricing import Catalog, Pricer
from otel_cost.server.app import create_app, stopping
from tests.integration.server.replicas import Replica
from tests.integration.server.serving import MINUTE, NOW, Server, chat, serving, span, traces
from tests.support import waiting
from tests.support.expected import Call

DAY = 24 * 60 * MINUTE


class Clock:
    def __init__(self) -> None:
        self.now_ns = NOW

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as opened:
        yield opened


@pytest.fixture
def server(config: Config, ledger: SqlLedger, pricer: Pricer, clock: Clock) -> Iterator[Server]:
    with serving(create_app(config, ledger=ledger, pricer=pricer, clock=clock)) as running:
        yield running


def _health(server: Server) -> dict[str, Any]:
    response = server.http.get("/health")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_health_has_the_costs_of_the_last_day(server: Server, clock: Clock) -> None:
    """FEATURES D5."""
    small = {**chat(), semconv.REQUEST_MODEL: "gpt-4o-mini"}
    server.send(
        traces(
            *(span(chat()) for _ in range(3)),
            span(small),
            span({**chat(), semconv.REQUEST_MODEL: "no-such-model"}),
            span({**chat(0, 0), semconv.ERROR_TYPE: "Timeout"}),
            span(chat(), start_ns=NOW - DAY - MINUTE),
        )
    )
    clock.now_ns += 60 * 10**9
    health = _health(server)
    last_day = health["last_24h"]
    large, mini = Call("chat", "gpt-4o", 1000, 100).nano_usd, Call("chat", "gpt-4o-mini", 1000, 100).nano_usd
    assert (health["status"], health["uptime_seconds"], health["pending"]) == ("ok", 60, 0)
    assert last_day["cost"]["nano_usd"] == 3 * large + mini
    assert (last_day["calls"], last_day["unpriced"], last_day["errors"]) == (6, 1, 1)
    assert [(one["model"], one["cost"]["nano_usd"]) for one in last_day["top_models"]][:2] == [
        ("gpt-4o", 3 * large),
        ("gpt-4o-mini", mini),
    ]
    assert {job["name"] for job in health["jobs"]} >= {"sharing", "budgets", "compaction"}


def test_its_figures_are_kept_for_some_seconds(server: Server, clock: Clock) -> None:
    before = _health(server)["last_24h"]["calls"]
    server.send(traces(span(chat())))
    assert _health(server)["last_24h"]["calls"] == before
    clock.now_ns += 11 * 10**9
    assert _health(server)["last_24h"]["calls"] == before + 1


def test_a_server_that_stops_is_not_ready_and_lives(
    config: Config, ledger: SqlLedger, pricer: Pricer, clock: Clock
) -> None:
    app = create_app(config, ledger=ledger, pricer=pricer, clock=clock)
    with serving(app) as server:
        assert server.http.get("/readyz").status_code == 200
        stopping(app)
        assert server.http.get("/readyz").json()["detail"] == "the server is stopping"
        assert server.http.get("/healthz").status_code == 200


def test_without_prices_it_is_not_ready(config: Config, ledger: SqlLedger, clock: Clock) -> None:
    def nothing() -> Catalog:
        raise AssertionError("nobody waits for prices here")

    with serving(create_app(config, ledger=ledger, pricer=Pricer(nothing), clock=clock), lifespan="off") as server:
        response = server.http.get("/readyz")
        assert (response.status_code, response.json()["detail"]) == (503, "the prices are not loaded yet")


def test_jobs_are_in_the_metrics(server: Server) -> None:
    """FEATURES E8."""
    waiting.until(lambda: server.metric("otel_cost_jobs_runs_total", 'job="compaction"'), "the first run of the jobs")
    assert server.metric("otel_cost_jobs_failures_total") == 0
    assert server.metric("otel_cost_jobs_last_run_timestamp_seconds", 'job="compaction"') == NOW / 10**9


def test_its_log_is_one_object_a_line_and_says_nothing_of_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "settings.yaml"
    settings.write_text("server: {log_format: json}\n")
    replica = Replica(tmp_path, f"sqlite:///{tmp_path / 'book.db'}", "server", ["--config", str(settings)])
    with replica.running() as child, replica.client() as client:
        assert client.http.get("/api/v1/costs/summary", params={"user": "who-it-was", "days": "x"}).status_code == 400
        assert client.http.get("/api/v1/costs/summary").status_code == 200
        lines = waiting.until(lambda: _objects(child.output()), "a line about the request that failed")
    assert "who-it-was" not in child.output()
    (failed,) = [line for line in lines if line.get("status") == 400]
    assert (failed["method"], failed["route"], failed["status"]) == ("GET", "/api/v1/costs/summary", 400)
    assert failed["level"] == "INFO"
    assert failed["time"].endswith("Z")


def _objects(output: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return found if any(line.get("status") for line in found) else []
