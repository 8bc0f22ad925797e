"""The page about budgets: its tour is what the commands say, and it has every key there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from otel_cost.budget_settings import BudgetSettings
from otel_cost.cli.budgets import command
from otel_cost.config import load_config
from tests.integration.pages import budgets_page
from tests.support import tools


def test_the_tour_says_what_the_commands_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FEATURES B10, B11, C7: run `python -m tests.integration.pages.budgets_page` where the output changed."""
    text = budgets_page.PAGE.read_text()
    monkeypatch.chdir(tmp_path)
    seen = 0
    for line, told, shown in budgets_page.told_and_shown(text):
        assert budgets_page.alike(told) == budgets_page.alike(shown), line
        seen += 1
    assert seen > 10


def test_every_key_and_every_command_is_on_the_page() -> None:
    text = budgets_page.PAGE.read_text()
    explained = {
        name for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    assert {item.name for item in dataclasses.fields(BudgetSettings)} <= explained
    for name in command.commands:
        assert f"budgets {name}" in text, name


def test_the_examples_of_the_page_are_right(tmp_path: Path) -> None:
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", budgets_page.PAGE.read_text(), re.DOTALL)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        assert load_config(path, env={}).budgets


def test_the_readme_leads_to_it() -> None:
    assert "docs/budgets.md" in (tools.CHECKOUT / "README.md").read_text()
