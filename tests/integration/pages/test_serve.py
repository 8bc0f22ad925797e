"""The page about running the server: its commands run, its tables are what the code does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from otel_cost.book_settings import ServerSettings
from otel_cost.budgets.stores import MemoryStore
from otel_cost.config import Config
from otel_cost.ledger.sql import open_ledger
from otel_cost.matching import Matcher
from otel_cost.pipeline import Pipeline
from otel_cost.pricing import Catalog, Pricer
from otel_cost.server import running
from otel_cost.server.budgets import BudgetKeeping
from otel_cost.server.health import KEPT_NS
from otel_cost.server.keeping import Keeping
from otel_cost.server.logs import SLOW_S
from otel_cost.server.metrics import BookMetrics
from otel_cost.server.taking_back import TakingBack
from otel_cost.used_before import UsedBefore
from tests.integration.server.replicas import listening_url
from tests.support import processes, server, tools
from tests.support.postgres import postgres_server

PAGE = (tools.CHECKOUT / "docs" / "serve.md").read_text()


def _command(part: str) -> str:
    (line,) = re.findall(rf"^otel-cost serve .*{re.escape(part)}.*$", PAGE, re.MULTILINE)
    return str(line)


def _start(tmp_path: Path, line: str, environment: dict[str, str]) -> tuple[str, dict[str, object]]:
    """What a command of the page prints, and what the server that it starts says of itself, as the page asks it."""
    whole = processes.clean_environment({**environment, "OTEL_COST_SERVER_PORT": "0"})
    whole["PATH"] = f"{server.BIN}:{whole['PATH']}"
    with processes.running(["bash", "-c", f"exec {line}"], name="s", directory=tmp_path, environment=whole) as child:
        url = listening_url(child)
        (asked,) = re.findall(r"```sh\n(curl.*?)```", PAGE, re.DOTALL)
        script = asked.replace("\ncurl", "; echo; curl")
        whole = {**whole, "SERVER": url, "no_proxy": "*"}
        done = subprocess.run(["bash", "-c", script], env=whole, capture_output=True, text=True, check=True, timeout=60)
        ready, health = map(json.loads, done.stdout.splitlines())
        assert ready["status"] == "ok"
        assert child.stop() == 0
        return child.output(), health


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the page asks with curl: apt-get install curl")


@needs_curl
def test_its_command_for_one_machine_prints_what_it_says(tmp_path: Path) -> None:
    output, health = _start(tmp_path, _command("sqlite"), {})
    (shown,) = re.findall(r"```\n(otel-cost listens.*?)```", PAGE, re.DOTALL)
    printed = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:4319", output).splitlines()
    assert printed[:3] == shown.splitlines()
    assert health["status"] == "ok"


@needs_curl
@pytest.mark.postgres
def test_its_command_for_many_runs(tmp_path: Path) -> None:
    with postgres_server() as postgres:
        command = _command("$DATABASE").replace("--drain 10", "--drain 0")
        output, health = _start(tmp_path, command, {"DATABASE": postgres.url()})
    assert "budgets: in postgresql://" in output
    assert health["status"] == "ok"


def test_its_table_has_every_job_and_how_often_it_runs(tmp_path: Path) -> None:
    config = Config()
    pricer = Pricer(Catalog.load)
    pipeline = Pipeline(config=config, pricer=pricer, takers=(), matcher=Matcher(can_void=True))
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as ledger:
        budgets = BudgetKeeping(config, MemoryStore(), lambda: 0)
        used = UsedBefore(ledger.used, pricer)
        take_back = TakingBack(ledger, None, BookMetrics((), 1), budgets, used, lambda: 0)
        keeping = Keeping.of(ledger, pipeline, take_back, budgets, used, ServerSettings(retention="400d"), lambda: 0)
        jobs = {job.name: job.every_s for scheduler in keeping.schedulers for job in scheduler.jobs}
    units = {"s": 1, "min": 60, "h": 3600, "day": 86_400}
    rows = re.findall(r"^\| `(\w+)` \| (\d+) (\w+) \|", PAGE, re.MULTILINE)
    assert {name: int(number) * units[unit] for name, number, unit in rows} == jobs


def test_its_figures_are_those_of_the_code() -> None:
    assert f"{running.GRACE_S:g} s at most" in PAGE
    assert f"kept for {KEPT_NS // 10**9} s" in PAGE
    assert f"above {SLOW_S:g} s" in PAGE


def test_the_readme_leads_to_it() -> None:
    assert "docs/serve.md" in (tools.CHECKOUT / "README.md").read_text()
