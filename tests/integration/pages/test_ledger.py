"""The page on the book that an app writes: its commands run and its settings are what they are (FEATURES D1, D3)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_cost import semconv
from otel_cost.book_settings import LedgerSettings
from otel_cost.config import load_config
from otel_cost.demo.provider import StandInProvider
from otel_cost.ledger.jsonl import DEFAULT_PATH
from tests.integration.app_book.apps import environment
from tests.support import server, tools
from tests.support.otlp_sink import OtlpSink
from tests.unit.ledger.test_jsonl_rows import D1

PAGE = (tools.CHECKOUT / "docs" / "ledger.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SETTINGS, SDK_SETTINGS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
APP = """
import openai
with openai.OpenAI() as client:
    client.embeddings.create(model="text-embedding-3-small", input='usage:{"input":1000}')
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A directory with an app, and the environment it needs."""
    (tmp_path / "app.py").write_text(APP)
    with StandInProvider() as provider, OtlpSink() as sink:
        env = environment(provider.base_url, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        env["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
        env["PATH"] = f"{server.BIN}{os.pathsep}{env['PATH']}"
        yield tmp_path, env


def test_every_command_runs(place: tuple[Path, dict[str, str]]) -> None:
    directory, env = place
    said = []
    for command in COMMANDS:
        if "OTEL_TRACES_EXPORTER" in command:
            shutil.rmtree(directory / "logs")  # so that what it writes is its own
        done = subprocess.run(
            ["bash", "-c", command], cwd=directory, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        said.append(done.stdout)
    assert len(said) == 5
    assert "text-embedding-3-small" in said[1]
    assert said[2].splitlines()[1].split(",")[1] == "0.000020000"
    (line,) = (directory / DEFAULT_PATH).read_text().splitlines()
    assert json.loads(line)["input_tokens"] == 1000
    assert json.loads((directory / "costs.json").read_text())["total"]["usd"] == "0.000020000"


def test_the_settings_are_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "otel-cost.yaml"
    file.write_text(SETTINGS)
    assert load_config(file, env={}).ledger == LedgerSettings(url="jsonl:logs/costs.jsonl")
    assert "otel_cost: {}" in SDK_SETTINGS  # run in tests/integration/app_book


def test_every_field_and_every_metric_is_on_the_page() -> None:
    names = [value for name, value in vars(semconv).items() if name.startswith("METRIC_LEDGER_")]
    assert len(names) == 5
    for name in (*names, *D1):
        assert f"`{name}`" in PAGE, name


def test_the_readme_leads_to_it() -> None:
    assert "docs/ledger.md" in (tools.CHECKOUT / "README.md").read_text()
