"""The page about coexistence, and the list of exceptions behind it. Needs no emitter."""

from __future__ import annotations

from itertools import product

from tests.emitters import matrix
from tests.emitters.known import KNOWN
from tests.emitters.running import Outcome, cases_of
from tests.support import tools

ALL = matrix.all_modes()


def test_the_page_is_what_the_cases_and_the_exceptions_make_it() -> None:
    """FEATURES A7: the matrix in the docs cannot say anything else than the tests of the real emitters."""
    assert matrix.PAGE.read_text() == matrix.render(), "run `python -m tests.emitters.matrix`"


def test_the_readme_leads_to_it() -> None:
    assert "docs/coexistence.md" in (tools.CHECKOUT / "README.md").read_text()


def test_no_exception_is_wrong_and_each_stands_for_cases() -> None:
    """A wrong amount is never excused, nor an entry that no run is held to."""
    there = {(emitter.name, mode, case.name) for emitter, mode in ALL for case in cases_of(emitter, mode)}
    for entry in KNOWN:
        assert entry.outcome not in (Outcome.WRONG, Outcome.EXACT)
        for emitter, case in product(entry.emitters, entry.cases):
            assert any((emitter, mode, case) in there for mode in entry.modes), (emitter, case)


def test_no_case_has_two_exceptions() -> None:
    listed = [held for entry in KNOWN for held in product(entry.emitters, entry.modes, entry.cases)]
    assert sorted(listed) == sorted(set(listed))
