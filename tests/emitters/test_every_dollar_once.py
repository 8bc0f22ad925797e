"""Other people's instrumentation around the real SDKs: alone, and together with ours, every dollar is counted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from otel_cost import semconv
from tests.emitters import matrix, running
from tests.emitters.cases import Case
from tests.emitters.emitters import EMITTERS, Emitter
from tests.emitters.known import KNOWN, known_of
from tests.emitters.running import Outcome, Run, cases_of

pytestmark = pytest.mark.emitters

MODES = matrix.all_modes()
CASES = [(emitter, mode, case) for emitter, mode in MODES for case in cases_of(emitter, mode)]
Runs = Callable[[Emitter, str], Run]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Runs an emitter in a mode once, when it is first asked for."""
    work = tmp_path_factory.mktemp("emitters")
    done: dict[tuple[str, str], Run] = {}
    wheel: list[Path] = []

    def run(emitter: Emitter, mode: str) -> Run:
        key = (emitter.name, mode)
        if key not in done:
            if not wheel:
                wheel.append(running.own_wheel(work))
            done[key] = running.run(emitter, mode, wheel[0], work)
        return done[key]

    return run


@pytest.mark.parametrize(
    ("emitter", "mode", "case"), CASES, ids=[f"{emitter.name}-{mode}-{case.name}" for emitter, mode, case in CASES]
)
def test_a_call_is_charged_once(runs: Runs, emitter: Emitter, mode: str, case: Case) -> None:
    """Exact, or what the table of exceptions says; an entry that is not needed fails here as well."""
    run = runs(emitter, mode)
    known = known_of(emitter.name, mode, case.name)
    assert run.outcome(case) is (known.outcome if known else Outcome.EXACT), run.brief(case)


@pytest.mark.parametrize(("emitter", "mode"), MODES, ids=[f"{emitter.name}-{mode}" for emitter, mode in MODES])
def test_the_metric_adds_up_to_the_same(runs: Runs, emitter: Emitter, mode: str) -> None:
    run = runs(emitter, mode)
    assert run.spend_nano == run.total_nano


@pytest.mark.parametrize("emitter", EMITTERS, ids=lambda emitter: emitter.name)
def test_the_emitters_did_observe(runs: Runs, emitter: Emitter) -> None:
    """Guards the tests above: without the other instrumentation there would be nothing to count twice."""
    run = runs(emitter, "ours")
    silent = {entry.cases for entry in KNOWN if emitter.name in entry.emitters and entry.outcome is Outcome.UNSEEN}
    for case in run.cases:
        theirs = {scope for scope in run.scopes(case) if not scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX)}
        assert theirs or case.name in {name for names in silent for name in names}, case.name


def test_no_exception_is_wrong_and_each_stands_for_a_case() -> None:
    """A wrong amount under status priced is never excused."""
    there = {(emitter.name, mode, case.name) for emitter, mode, case in CASES}
    for entry in KNOWN:
        assert entry.outcome not in (Outcome.WRONG, Outcome.EXACT)
        for emitter in entry.emitters:
            for case in entry.cases:
                assert any((emitter, mode, case) in there for mode in entry.modes), (emitter, case)


def test_the_docs_say_what_happened(runs: Runs) -> None:
    page = matrix.render(runs(emitter, mode) for emitter, mode in MODES)
    assert matrix.PAGE.read_text() == page, "run `python -m tests.emitters.matrix`"
