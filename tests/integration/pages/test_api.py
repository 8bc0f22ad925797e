"""The page about the REST API: its commands do what they say, and it has every route."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from otel_cost import semconv
from otel_cost.pricing import Catalog
from tests.integration.server.serving import Server
from tests.integration.server.shop import shop
from tests.support import processes, tools

PAGE: Final = tools.CHECKOUT / "docs" / "api.md"
_SHELL: Final = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_HERE: Final = "http://127.0.0.1:4319"
_OURS: Final = ("/api/v1/keys", "/api/v1/budget-store")
"""Described elsewhere."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with shop(tmp_path_factory.mktemp("api"), Catalog.load()) as running:
        yield running


def test_every_command_of_the_page_succeeds(server: Server, tmp_path: Path) -> None:
    """FEATURES A11: with curl alone."""
    if shutil.which("curl") is None:
        tools.unavailable("curl not found: install it (Debian: apt-get install curl)")
    blocks = _SHELL.findall(PAGE.read_text())
    script = "set -euo pipefail\n" + "".join(blocks).replace(_HERE, server.url).replace("curl -s", "curl -sS -f")
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=processes.clean_environment(), capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    assert script.count("curl ") > 30
    assert (tmp_path / "costs.csv").read_text().startswith("at,")
    assert '"created":true' in done.stdout


def test_every_route_is_on_the_page(server: Server) -> None:
    text = PAGE.read_text()
    paths: dict[str, Any] = server.http.get("/openapi.json").json()["paths"]
    for path in paths:
        if path.startswith("/api/v1/") and not path.startswith(_OURS):
            said = re.escape(path.removeprefix("/api/v1")).replace(r"\{", "{").replace(r"\}", "}")
            assert re.search(re.sub(r"{\w+}", r"[^/`?\\s\"]+", said), text), path


def test_every_attribute_of_the_page_is_one() -> None:
    text = PAGE.read_text()
    known = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    known |= {semconv.label_attribute(label) for label in (*semconv.LABEL_ATTRIBUTES, *semconv.OWN_LABELS)}
    table = text[text.index("| a span for") : text.index("## Budgets")]
    for name in re.findall(r"`((?:gen_ai|otel_cost|error|user|session|service|deployment)\.[a-z_.]+)`", table):
        assert name in known, name


def test_the_readme_leads_to_it() -> None:
    assert "docs/api.md" in (tools.CHECKOUT / "README.md").read_text()
