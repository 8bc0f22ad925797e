"""The page about the client: every block of Python in it runs against a real server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import otel_cost.client
from otel_cost.client import Client
from tests.support import server, tools

PAGE = (tools.CHECKOUT / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
_CONFIG = "budgets: [{name: team-month, amount_usd: 500, period: month, per: [team]}]"
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """FEATURES A12."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "otel-cost.yaml").write_text(_CONFIG)
    first, *others = BLOCKS
    with server.running(tmp_path, {"OTEL_COST_CONFIG": "otel-cost.yaml"}) as url:
        names: dict[str, Any] = {}
        exec(compile(first.replace("http://127.0.0.1:4319", url).replace('key="..."', 'key=""'), "page", "exec"), names)
        client = names["client"]
        assert isinstance(client, Client)
        labels = {"team": "search", "environment": "production", "execution": "run-17", "session": "s-42"}
        client.record_llm("openai", "gpt-4o", 1000, 100, labels={**labels, "workspace": "acme"}, trace_id=_TRACE)
        client.record_llm("openai", "made-up", 1000, 100, labels=labels)
        for number, block in enumerate(others):
            exec(compile(block, f"block {number}", "exec", dont_inherit=True), names)
        client.close()
    printed = capsys.readouterr().out
    assert "search gpt-4o 0.003500000 USD" in printed
    assert "made-up unknown_model" in printed
    assert "tema 'tema' is not known" in printed
    assert (tmp_path / "calls.csv").read_text().startswith("at,")


def test_every_error_is_on_the_page() -> None:
    for name in otel_cost.client.__all__:
        if name.startswith("Api"):
            assert f"| `{name}` |" in PAGE, name


def test_the_readme_leads_to_it() -> None:
    assert "docs/client.md" in (tools.CHECKOUT / "README.md").read_text()
