"""Costs of an app that is not Python: a real Node script sends spans and posts entries, and all of it is booked."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Final

import pytest

from tests.integration.server.serving import Server
from tests.integration.server.shop import dollars, get
from tests.support import processes, tools
from tests.support.expected import Call

SCRIPT: Final = tools.CHECKOUT / "examples" / "costs.mjs"
_OLDEST: Final = 18


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        tools.unavailable("node not found: install Node.js 18 or later (Debian: apt-get install nodejs)")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < _OLDEST:
        tools.unavailable(f"node is {version.strip()}: the script needs fetch, which Node.js has from {_OLDEST} on")
    return found


def test_a_node_script_books_spans_and_costs_by_hand(live_server: Server, node: str) -> None:
    """FEATURES A11: LLM, tool and infrastructure, by OTLP/JSON and by REST, priced and booked."""
    command = [node, str(SCRIPT), live_server.url]
    done = subprocess.run(command, env=processes.clean_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    chat = Call("chat", "gpt-4o", 1000, 100).nano_usd
    assert {call["kind"]: (call["status"], call["usd"]) for call in said["spans"]} == {
        "llm": ("priced", f"{chat / 10**9:.9f}"),
        "tool": ("priced", "0.005000000"),
        "infrastructure": ("priced", "0.750000000"),
    }
    by_hand = {entry["kind"]: (entry["status"], entry["usd"]) for entry in said["by_hand"]}
    assert by_hand["tool"] == ("priced", "0.002000000")
    assert by_hand["infrastructure"] == ("priced", "1.250000000")
    assert by_hand["llm"][0] == "priced"
    assert float(by_hand["llm"][1]) > 0
    summary = get(live_server, "/costs/summary", team="search", service="node-shop")
    figures = [float(entry["usd"]) for entry in (*said["spans"], *said["by_hand"])]
    assert (summary["total"]["calls"], dollars(summary["total"]["cost"])) == (6, pytest.approx(sum(figures), abs=1e-9))
    assert dollars(get(live_server, "/sessions/chat-4711/costs")["total"]["cost"]) == chat / 10**9


def test_what_is_wrong_is_told_to_it(live_server: Server, node: str) -> None:
    script = SCRIPT.read_text().replace('usd: "0.002"', 'usd: "two"')
    command = [node, "--input-type=module", "-", live_server.url]
    done = subprocess.run(
        command, input=script, env=processes.clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "400 entries.0.usd" in done.stderr
