"""The page about access keys: its tour is what the commands say, its requests work, its tables are what the code does.

FEATURES B15, C13, E11.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from otel_cost.budgets.stores import wire
from otel_cost.cli.keys import command
from otel_cost.config import Config
from otel_cost.ledger.keys import SCOPE_LABELS
from otel_cost.ledger.sql import open_ledger
from otel_cost.pricing import Catalog, Pricer
from otel_cost.server.access import FAILURES_A_MINUTE
from otel_cost.server.app import create_app
from otel_cost.server.roles import Role
from otel_cost.server.security import SECURITY_HEADERS
from tests.integration.pages import keys_page
from tests.integration.server.keyed import key
from tests.integration.server.serving import serving
from tests.support import processes, tools


def test_the_tour_says_what_the_commands_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `python -m tests.integration.pages.keys_page` where the output changed."""
    monkeypatch.chdir(tmp_path)
    seen = 0
    for line, told, shown in keys_page.told_and_shown(keys_page.PAGE.read_text()):
        assert keys_page.alike(told) == keys_page.alike(shown), line
        seen += 1
    assert seen >= 6


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's requests are made with curl: apt-get install curl")
def test_its_requests_work(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(curl.*?)```", keys_page.PAGE.read_text(), re.DOTALL)
    catalog = Catalog.load()
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as ledger:
        admin = key(ledger, Role.ADMIN)
        with serving(create_app(Config(), ledger=ledger, pricer=Pricer(lambda: catalog))) as server:
            environment = processes.clean_environment({"SERVER": server.url, "KEY": admin, "no_proxy": "*"})
            script = block.replace("\ncurl", "; echo; curl")
            done = subprocess.run(
                ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
            )
    made, listed = map(json.loads, done.stdout.splitlines())
    assert made["scope"] == {"team": "search"}
    assert re.fullmatch(r"otc_[0-9a-f]{12}_[0-9a-f]{64}", made["key"])
    assert listed["keys"][0]["id"] == made["id"]


def test_everything_is_on_the_page() -> None:
    text = keys_page.PAGE.read_text()
    for name in (*command.commands, *SECURITY_HEADERS, *map(str, Role), *SCOPE_LABELS, *wire.METHODS):
        assert name in text, name
    assert f"{FAILURES_A_MINUTE} wrong keys" in text


def test_the_readme_leads_to_it() -> None:
    assert "docs/keys.md" in (tools.CHECKOUT / "README.md").read_text()
