"""The page about the import: its tour is what the commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_cost import semconv
from otel_cost.importing.formats import Format
from otel_cost.server.metrics import prometheus_name
from tests.integration.pages import budgets_page, import_page
from tests.support import tools


def test_the_tour_says_what_the_commands_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `python -m tests.integration.pages.import_page` where the output changed."""
    text = import_page.PAGE.read_text()
    monkeypatch.chdir(tmp_path)
    seen = 0
    for line, told, shown in import_page.told_and_shown(text):
        assert budgets_page.alike(told) == budgets_page.alike(shown), line
        seen += 1
    assert seen == 5


def test_every_format_and_every_metric_is_on_the_page() -> None:
    text = import_page.PAGE.read_text()
    for form in Format:
        assert f"| `{form}` |" in text, form
    for metric in (semconv.METRIC_BOOK_TOTAL_SPEND, semconv.METRIC_BOOK_TOTAL_OPERATIONS, semconv.METRIC_BOOK_SPEND):
        assert prometheus_name(metric) in text, metric


def test_the_readme_leads_to_it() -> None:
    assert "docs/import.md" in (tools.CHECKOUT / "README.md").read_text()
