"""The table of SDKs in the docs says what this suite runs."""

from __future__ import annotations

from tests.contract.providers import matrix
from tests.contract.providers.cases import CASES
from tests.support import tools


def test_the_page_is_what_the_cases_make_it() -> None:
    assert matrix.PAGE.read_text() == matrix.render(), "run `python -m tests.contract.providers.matrix`"


def test_every_case_says_from_which_version_on() -> None:
    for row in matrix.rows():
        assert row.split("|")[2].strip(), f"no version of this package in pyproject.toml: {row}"


def test_the_readme_leads_to_it() -> None:
    assert "docs/sdks.md" in (tools.CHECKOUT / "README.md").read_text()
    assert CASES
