"""Every file in ``examples/`` is loaded or run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import httpx
import pytest
import yaml

import otel_cost
from otel_cost import runtime
from otel_cost.config import Config, PriceSettings, load_config
from otel_cost.demo.provider import StandInProvider
from otel_cost.demo.script import script
from otel_cost.model import Reason
from otel_cost.pricing import Catalog, Pricer
from tests.support import processes, tools
from tests.support.ports import free_ports
from tests.support.waiting import until
from tests.support.world import make_world

EXAMPLES = tools.CHECKOUT / "examples"
INSTRUMENT = [sys.executable, "-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()"]


def environment(provider: StandInProvider, extra: Mapping[str, str]) -> dict[str, str]:
    return processes.clean_environment(
        {
            "OPENAI_API_KEY": "a-key",
            "OPENAI_BASE_URL": provider.base_url + "/v1",
            "ANTHROPIC_API_KEY": "a-key",
            "ANTHROPIC_BASE_URL": provider.base_url,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **extra,
        }
    )


def run(program: str, tmp_path: Path, provider: StandInProvider, extra: Mapping[str, str]) -> str:
    command = [*INSTRUMENT, sys.executable, str(EXAMPLES / program)]
    told = environment(provider, extra)
    with processes.running(command, name="example", directory=tmp_path, environment=told) as example:
        code = example.process.wait(120)
        output = example.output()
    assert code == 0, output
    return output


def test_every_example_is_tested() -> None:
    here = Path(__file__).read_text()
    assert all(f'"{path.name}"' in here for path in EXAMPLES.iterdir() if path.suffix in (".py", ".yaml"))
    assert all(f"`{path.name}`" in (EXAMPLES / "README.md").read_text() for path in EXAMPLES.glob("*.*[!d]"))


def test_quickstart_prices_its_call(tmp_path: Path) -> None:
    with StandInProvider() as provider:
        output = run("quickstart.py", tmp_path, provider, {"OTEL_TRACES_EXPORTER": "console"})
    assert '"gen_ai.usage.cost.amount": 0.00012' in output  # 100 in, 50 out of gpt-4.1-mini at 0.40 and 1.60 a million
    assert '"otel_cost.team": "search"' in output


def test_newsroom_runs_all_its_sessions(tmp_path: Path) -> None:
    with StandInProvider(script) as provider:
        output = run("newsroom.py", tmp_path, provider, {"OTEL_TRACES_EXPORTER": "none"})
    for session in ("tomato-report", "tomato-brief", "endless-review", "blue-tomatoes", "apology"):
        assert f"{session}: done" in output


def test_the_web_app_says_who_asked(tmp_path: Path) -> None:
    """FEATURES D8: the team from an allowed header, the route, and a hash of the token."""
    (port,) = free_ports(1)
    with StandInProvider() as provider:
        told = environment(
            provider,
            {
                "OTEL_TRACES_EXPORTER": "console",
                "OTEL_COST_CONFIG": str(EXAMPLES / "otel-cost.yaml"),
                "OTEL_COST_CALLER_HASH_KEY": "0123456789abcdef",
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            },
        )
        app = EXAMPLES / "web.py"
        options = [f"{app.stem}:app", "--port", str(port), "--app-dir", str(app.parent)]
        command = [*INSTRUMENT, sys.executable, "-m", "uvicorn", *options]
        with processes.running(command, name="web", directory=tmp_path, environment=told) as web:
            until(lambda: "startup complete" in web.output(), "the app to start")
            headers = {"x-team": "search", "authorization": "Bearer a-token"}
            answer = httpx.get(f"http://127.0.0.1:{port}/questions/7", headers=headers, trust_env=False)
            assert answer.json()["search_usd"] == 0.002
            until(lambda: '"chat gpt-4.1-mini"' in web.output(), "the span to be exported")
            output = web.output()
    assert '"otel_cost.team": "search"' in output
    assert '"otel_cost.caller.route": "/questions/{number}"' in output
    assert '"otel_cost.caller.token_hash"' in output
    assert "a-token" not in output


def test_the_web_app_with_a_budget_answers_429(tmp_path: Path) -> None:
    """FEATURES E5, E16, C9: a team that has spent its limit is told so, before anything is asked of the model."""
    (port,) = free_ports(1)
    settings = tmp_path / "small.yaml"
    # 100 tokens in and 50 out cost 0.00012 USD, and a call may cost 0.0003 and some.
    settings.write_text((EXAMPLES / "fastapi_budget.yaml").read_text().replace("0.50", "0.0006"))
    with StandInProvider() as provider:
        told = environment(provider, {"OTEL_TRACES_EXPORTER": "none", "OTEL_COST_CONFIG": str(settings)})
        app = EXAMPLES / "fastapi_budget.py"
        options = [f"{app.stem}:app", "--port", str(port), "--app-dir", str(app.parent)]
        command = [*INSTRUMENT, sys.executable, "-m", "uvicorn", *options]
        with (
            processes.running(command, name="web", directory=tmp_path, environment=told) as web,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, headers={"x-team": "search"}) as client,
        ):
            until(lambda: "startup complete" in web.output(), "the app to start")
            answers = [client.get("/summaries/7") for _ in range(6)]
            asked = len(provider.requests)
            last = client.get("/summaries/7")
            assert len(provider.requests) == asked, "nothing is asked of the model"
            assert client.get("/healthz").status_code == 200
            assert client.get("/summaries/7", headers={"x-team": "other"}).status_code == 200
            until(lambda: "to search-leads: budget 'team-day' (team='search')" in web.output(), "who is told")
    assert answers[0].status_code == 200
    assert last.status_code == 429
    assert last.headers["content-type"] == "application/problem+json"
    assert (last.json()["budget"], last.json()["scope"]) == ("team-day", {"team": "search"})
    assert int(last.headers["retry-after"]) >= 1


def test_the_settings_of_that_app_are_right() -> None:
    (budget,) = load_config(EXAMPLES / "fastapi_budget.yaml", env={}).budgets
    assert (budget.amount_usd, budget.action, budget.per) == (Decimal("0.50"), "block", ("team",))


class TestSettings:
    FILE = EXAMPLES / "otel-cost.yaml"

    def test_it_loads_with_its_prices(self) -> None:
        config = load_config(self.FILE, env={})
        assert len(config.budgets) == 3
        assert Catalog.load(config.prices.files, config.prices.overlay).version

    def test_it_has_every_setting(self) -> None:
        document = yaml.safe_load(self.FILE.read_text())
        assert sorted(missing(Config, [document], "")) == []

    def test_a_setting_that_is_left_out_is_noticed(self) -> None:
        document = yaml.safe_load(self.FILE.read_text())
        del document["server"]["port"]
        for budget in document["budgets"]:
            budget.pop("grace", None)
        assert sorted(missing(Config, [document], "")) == ["budgets.grace", "server.port"]

    @pytest.mark.parametrize("key", ["enabled", "charge_events", "labels.max_values", "server.port"])
    def test_what_it_calls_a_default_is_one(self, key: str) -> None:
        found: Any = load_config(self.FILE, env={})
        default: Any = Config()
        for name in key.split("."):
            found, default = getattr(found, name), getattr(default, name)
        assert found == default


def missing(shape: type, documents: list[dict[str, Any]], path: str) -> Iterator[str]:
    """Paths of the settings of ``shape`` that none of ``documents`` has."""
    hints = get_type_hints(shape)
    for setting in fields(shape):
        where = f"{path}.{setting.name}".lstrip(".")
        values = [document[setting.name] for document in documents if setting.name in document]
        if not values:
            yield where
        for inner in (kind for kind in (hints[setting.name], *get_args(hints[setting.name])) if is_dataclass(kind)):
            assert isinstance(inner, type)
            yield from missing(inner, [item for value in values for item in _flat(value)], where)


def _flat(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return value
    nested = isinstance(value, dict) and value and all(isinstance(item, dict) for item in value.values())
    return list(value.values()) if nested else [value]


def test_the_page_about_costs_by_hand_is_right() -> None:
    """Its block of costs by hand, run as it stands."""
    page = (tools.CHECKOUT / "docs" / "by-hand.md").read_text()
    (block,) = (text for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "record_llm" in text)
    overlay = ({"tools": {"search_api": 1}, "resources": {"cpu_core_hour": 0.05}},)
    world = make_world(Config(prices=PriceSettings(overlay=overlay)), pricer=Pricer(lambda: Catalog.load((), overlay)))
    names: dict[str, Any] = {"otel_cost": otel_cost}
    exec(compile(block, "by-hand.md", "exec"), names)
    runtime.uninstall()
    # gpt-4o: 2.50 USD per million of input, 1.25 of cached input, 10 of output
    assert names["charge"].usd == Decimal("0.0025")
    assert names["call"].charge.usd == Decimal("0.002")
    assert Reason.NO_RATE in {charge.reason for charge in names["used"].charges}, "two have no price here"
    assert world.spend() == pytest.approx(0.0025 + 0.005 + 0.002 + 1.25 + 0.125, abs=1e-6)
