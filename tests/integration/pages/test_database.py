"""The page about the book's database: what its commands say is what it tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otel_cost.cli.db import command
from tests.integration.pages import database_page
from tests.support import tools


def _alike(text: str) -> str:
    """Without sizes of files, which compression decides."""
    return re.sub(r"[\d.]+ MiB", "<size>", text)


def test_the_commands_say_what_the_page_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FEATURES B12, C14: run `python -m tests.integration.pages.database_page` where the output changed."""
    monkeypatch.chdir(tmp_path)
    seen = 0
    for line, told, shown in database_page.told_and_shown(database_page.PAGE.read_text()):
        assert _alike(told) == _alike(shown), line
        seen += 1
    assert seen > 8
    manifest = json.loads((tmp_path / "cold" / "manifest.json").read_text())
    assert len(manifest["files"]) == 1


def test_every_command_is_on_the_page() -> None:
    text = database_page.PAGE.read_text()
    for name in {*command.commands} - {"current"}:
        assert f"otel-cost db {name}" in text, name
    for setting in ("server.retention", "server.archive"):
        assert setting in text


def test_the_readme_leads_to_it() -> None:
    assert "docs/database.md" in (tools.CHECKOUT / "README.md").read_text()
