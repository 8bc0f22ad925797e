"""The page of all settings says what the code reads."""

from __future__ import annotations

import pytest

from otel_cost.config import ENV_CONFIG, ENV_LIMITS, ENV_OF_LIMITS, ENV_SHORT
from otel_cost.config_sources import setting_paths
from tests.integration.pages import settings_page
from tests.support import tools


def test_the_page_is_what_the_code_makes_it() -> None:
    """FEATURES B2: one documented table."""
    rendered = settings_page.render()
    assert settings_page.PAGE.read_text() == rendered, "run `python -m tests.integration.pages.settings_page`"


def test_every_variable_is_there_once() -> None:
    known = [ENV_CONFIG, *ENV_LIMITS, *ENV_OF_LIMITS, *ENV_SHORT, *setting_paths()]
    assert sorted(settings_page.variables()) == sorted(known)


@pytest.mark.parametrize("line", [line for line in settings_page.render().splitlines() if line.startswith("| `")])
def test_every_variable_is_explained(line: str) -> None:
    assert len(line.split("|")[-2].strip()) > 5, "no docstring under this field"


def test_the_readme_leads_to_it() -> None:
    assert "docs/settings.md" in (tools.CHECKOUT / "README.md").read_text()
