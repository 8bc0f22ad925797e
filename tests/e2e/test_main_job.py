"""The main job on real parts (FEATURES O1, O3, O4): an unmodified app under opentelemetry-instrument → Collector →
Prometheus, a tracing backend, and the book. Only the provider is a stand-in; genai-prices says the dollars."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from otel_cost.model import NANO, Status
from tests.support import collector, http, processes, prometheus, server, waiting
from tests.support.expected import Call, total_nano
from tests.support.otlp_sink import OtlpSink, SinkSpan

pytestmark = [pytest.mark.e2e, pytest.mark.collector, pytest.mark.prometheus]

UNKNOWN = Call("chat", "no-such-model", 10, 10)
TEAMS: Mapping[str, tuple[Call, ...]] = {
    "search": (
        Call("chat", "gpt-4o-mini", 1200, 345, cached=1024),
        Call("stream", "gpt-4o", 777, 88),
        Call("responses", "o3-mini", 4096, 2048),
        Call("embeddings", "text-embedding-3-small", 9999),
    ),
    "support": (Call("chat", "gpt-4o", 1, 1), Call("chat", "gpt-4o", 1, 1), Call("chat", "gpt-4o-mini", 333, 4444)),
    # This team's tracing samples nothing: no span leaves its process, its money has to be complete all the same.
    "dark": (Call("chat", "gpt-4o", 5000, 500), Call("stream", "gpt-4o-mini", 31, 17)),
}
# The blocking budget is far away; that it needs a price before the first call makes every span of the app a priced one.
SETTINGS = """
stream_usage_hosts: [127.0.0.1]
budgets:
  - {name: tiny, amount_usd: 0.001, period: month, per: [team], action: alert}
  - {name: far-away, amount_usd: 1000, period: month, action: block}
"""


@dataclass(frozen=True)
class Chain:
    """Everything running, after the apps of all teams have run to their end."""

    traces: OtlpSink
    prometheus: prometheus.Prometheus
    book: str

    def inference_spans(self, team: str) -> list[SinkSpan]:
        return [
            span
            for span in self.traces.spans
            if span.resource.get("otel_cost.team") == team and semconv.OPERATION_NAME in span.attributes
        ]

    def spend_nano(self) -> dict[str, int]:
        """What Prometheus says each team has spent."""
        by_team = self.prometheus.by("otel_cost_team", "sum by (otel_cost_team) (otel_cost_spend_usd_total)")
        return {team: round(usd * NANO) for team, usd in by_team.items()}

    def booked_nano(self) -> dict[str, int]:
        """What the book says each team has spent."""
        summary = cast(dict[str, Any], http.get_json(f"{self.book}/api/v1/costs/summary", group_by="team", days="2"))
        return {group["key"]["team"]: group["cost"]["nano_usd"] for group in summary["groups"]}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("chain")
    with ExitStack() as started:
        traces = started.enter_context(OtlpSink())
        provider = started.enter_context(StandInProvider())
        book = started.enter_context(server.running(directory))
        otelcol = started.enter_context(collector.running(directory, traces=traces.endpoint, book=book))
        prom = started.enter_context(prometheus.running(directory, {"otel-apps": otelcol.metrics}))
        for team, calls in TEAMS.items():
            _run_app(directory, team, (*calls, UNKNOWN), provider.base_url, otelcol.otlp_http)
        yield Chain(traces, prom, book)


def _run_app(directory: Path, team: str, calls: tuple[Call, ...], provider: str, otlp: str) -> None:
    """The app, started as its owner would: only the environment says where telemetry goes and whose it is."""
    script = directory / f"{team}.json"
    script.write_text(json.dumps([(call.kind, call.model, call.prompt) for call in calls]))
    settings = directory / "otel-cost.yaml"
    settings.write_text(SETTINGS)
    environment = processes.clean_environment(
        {
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_API_KEY": "none",
            "OTEL_COST_CONFIG": str(settings),
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_RESOURCE_ATTRIBUTES": f"otel_cost.team={team}",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_TRACES_SAMPLER": "always_off" if team == "dark" else "parentbased_always_on",
        }
    )
    app = Path(__file__).parent / "apps" / "shop.py"
    command = [server.BIN / "opentelemetry-instrument", sys.executable, app, script]
    done = subprocess.run(
        [str(part) for part in command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    assert "Traceback" not in done.stderr, done.stderr


EXPECTED = {team: total_nano(calls) for team, calls in TEAMS.items()}


def test_prometheus_has_the_dollars_of_each_team(chain: Chain) -> None:
    waiting.until(lambda: chain.spend_nano().keys() >= EXPECTED.keys(), "spend of all teams in Prometheus")
    assert chain.spend_nano() == EXPECTED


def test_the_book_has_the_same_dollars(chain: Chain) -> None:
    waiting.until(lambda: chain.booked_nano() == EXPECTED, "spend of all teams in the book")


@pytest.mark.parametrize("team", ["search", "support"])
def test_every_span_carries_its_cost(chain: Chain, team: str) -> None:
    calls = (*TEAMS[team], UNKNOWN)
    waiting.until(lambda: len(chain.inference_spans(team)) >= len(calls), "the spans at the tracing backend")
    spans = chain.inference_spans(team)
    assert len(spans) == len(calls)
    priced = [span for span in spans if span.attributes[semconv.STATUS] == Status.PRICED]
    amounts = [round(cast(float, span.attributes[semconv.COST_AMOUNT]) * NANO) for span in priced]
    assert sorted(amounts) == sorted(call.nano_usd for call in TEAMS[team])
    assert {span.attributes[semconv.COST_CURRENCY] for span in priced} == {"USD"}
    tokens = {(span.attributes[semconv.REQUEST_MODEL], span.attributes[semconv.USAGE_INPUT_TOKENS]) for span in spans}
    assert tokens == {(call.model, call.input) for call in calls}


def test_an_unknown_model_is_unpriced_and_says_so(chain: Chain) -> None:
    def unknown() -> list[SinkSpan]:
        found = [*chain.inference_spans("search"), *chain.inference_spans("support")]
        return [span for span in found if span.attributes[semconv.REQUEST_MODEL] == UNKNOWN.model]

    waiting.until(lambda: len(unknown()) == 2, "the spans of the unknown model")
    for span in unknown():
        assert span.attributes[semconv.STATUS] == Status.UNPRICED
        assert span.attributes[semconv.REASON] == "unknown_model"
        assert semconv.COST_AMOUNT not in span.attributes
    unpriced = 'sum(otel_cost_operations_total{otel_cost_status="unpriced",otel_cost_reason="unknown_model"})'
    waiting.until(lambda: [s.value for s in chain.prometheus.query(unpriced)] == [len(TEAMS)], "the status counter")


def test_nothing_of_the_unsampled_team_reached_the_tracing_backend(chain: Chain) -> None:
    # Its money has arrived, so its telemetry has been through the chain.
    waiting.until(lambda: chain.booked_nano().get("dark") == EXPECTED["dark"], "the unsampled team in the book")
    assert chain.inference_spans("dark") == []


def test_a_spent_budget_fires_the_shipped_alert(chain: Chain) -> None:
    spent = {team for team, nano in EXPECTED.items() if nano >= 0.001 * NANO}
    assert spent
    firing = 'ALERTS{alertname="OtelCostBudgetBreached",alertstate="firing",otel_cost_budget_name="tiny"}'
    waiting.until(
        lambda: chain.prometheus.by("otel_cost_team", firing).keys() == spent, "the alert of each spent budget"
    )
