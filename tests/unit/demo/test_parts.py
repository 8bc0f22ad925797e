"""The demo's parts by themselves: what the app is told, its settings, its prompts, and the command's refusals."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from otel_cost.cli import demo, main
from otel_cost.config import load_config
from otel_cost.demo import directives
from otel_cost.demo.processes import DemoFailed, app_environment, until, without
from otel_cost.demo.script import script
from otel_cost.demo.settings import REAL_LIMITS, SESSION_BUDGET, STAND_IN_LIMITS, TEAM_BUDGET, Limits

HOSTILE = {
    "PATH": "/bin",
    "HTTP_PROXY": "http://proxy.example",
    "NO_PROXY": "intranet.example",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_COST_ENABLED": "false",
    "OPENAI_API_KEY": "secret",
    "OPENAI_BASE_URL": "https://gateway.example",
    "ANTHROPIC_AUTH_TOKEN": "secret",
}


class TestEnvironment:
    def test_the_stand_in_gets_nothing_of_the_user(self) -> None:
        told = app_environment(HOSTILE, sink_url="http://s", config=Path("/c"), stand_in_url="http://p")
        assert "secret" not in told.values()
        assert (told["OPENAI_BASE_URL"], told["ANTHROPIC_BASE_URL"]) == ("http://p/v1", "http://p")
        assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://s"
        assert told["OTEL_COST_CONFIG"] == "/c"
        assert told["OTEL_COST_STREAM_USAGE_HOSTS"] == "127.0.0.1"
        assert not {"OTEL_SDK_DISABLED", "OTEL_COST_ENABLED", "ANTHROPIC_AUTH_TOKEN", "MAX_TOKENS"} & set(told)
        assert told["NO_PROXY"] == "intranet.example,127.0.0.1"

    def test_real_providers_keep_keys_and_gateways_and_answer_briefly(self) -> None:
        told = app_environment(HOSTILE, sink_url="http://s", config=Path("/c"), stand_in_url=None)
        assert (told["OPENAI_API_KEY"], told["OPENAI_BASE_URL"]) == ("secret", "https://gateway.example")
        assert int(told["MAX_TOKENS"]) <= 100
        assert "OTEL_SDK_DISABLED" not in told

    def test_loopback_needs_no_proxy(self) -> None:
        assert without({}, ())["no_proxy"] == "127.0.0.1"


@pytest.mark.parametrize("limits", [STAND_IN_LIMITS, REAL_LIMITS])
def test_settings_are_valid(limits: Limits, tmp_path: Path) -> None:
    file = tmp_path / "otel-cost.yaml"
    file.write_text(limits.yaml())
    session, team = load_config(file, env={}).budgets
    assert (session.name, session.amount_usd, session.action) == (SESSION_BUDGET, limits.session, "block")
    assert (team.name, team.amount_usd, team.per) == (TEAM_BUDGET, limits.team, ("team",))
    assert team.overrides["support"].amount_usd == limits.support


def test_script_knows_prompts_by_their_opening() -> None:
    prompt = {"messages": [{"role": "user", "content": "Write a letter of apology."}]}
    assert directives.read(script("/v1/messages", prompt), messages=1).usage == directives.Counts(480, 390)
    failing = {"input": "Write a letter of apology."}
    assert directives.read(script("/v1/responses", failing), messages=1).status == 503
    assert script("/v1/messages", {"messages": [{"role": "user", "content": "What is new?"}]}) == ""


def test_until_gives_the_value_or_complains() -> None:
    values = iter(["", "there"])
    assert until(lambda: next(values), 60, lambda: "") == "there"
    with pytest.raises(DemoFailed, match="log says why"):
        until(lambda: None, 0, lambda: "log says why")


class TestCommand:
    def test_real_without_a_key_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
            monkeypatch.delenv(key, raising=False)
        result = CliRunner().invoke(main, ["demo", "--real"])
        assert result.exit_code == 2
        assert "OPENAI_API_KEY or ANTHROPIC_API_KEY" in result.output

    def test_missing_packages_are_named_with_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def without_openai(package: str) -> object:
            return None if package == "openai" else find_spec(package)

        monkeypatch.setattr(demo, "find_spec", without_openai)
        result = CliRunner().invoke(main, ["demo"])
        assert result.exit_code == 2
        assert "needs openai" in result.output
        assert "pip install 'otel-cost[demo]'" in result.output
