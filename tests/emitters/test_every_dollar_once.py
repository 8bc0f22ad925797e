"""Other people's instrumentation around the real SDKs: alone, and together with ours, every dollar is counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeGuard, cast

import pytest

from otel_cost import semconv
from tests.emitters import matrix, running
from tests.emitters.cases import Case
from tests.emitters.emitters import Emitter
from tests.emitters.known import KNOWN, known_of
from tests.emitters.running import Outcome, Run, cases_of

pytestmark = pytest.mark.emitters

MODES = matrix.all_modes()
CASES = [(emitter, mode, case) for emitter, mode in MODES for case in cases_of(emitter, mode)]
Runs = Callable[[Emitter, str], Run]
_AT_A_TIME: Final = 2


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Every emitter in every mode that the session's tests ask for, two at a time, in the order of the tests."""
    asked = dict(_asked(test) for test in request.session.items if _needs_a_run(test))
    work = tmp_path_factory.mktemp("emitters")
    wheel = running.own_wheel(work)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        done = {key: pool.submit(running.run, emitter, key[1], wheel, work) for key, emitter in asked.items()}
        yield lambda emitter, mode: done[emitter.name, mode].result()
        pool.shutdown(cancel_futures=True)


def _needs_a_run(test: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(test, pytest.Function) and "runs" in test.fixturenames


def _asked(test: pytest.Function) -> tuple[tuple[str, str], Emitter]:
    emitter, mode = cast("tuple[Emitter, str]", (test.callspec.params["emitter"], test.callspec.params["mode"]))
    return (emitter.name, mode), emitter


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


@pytest.mark.parametrize(("emitter", "mode"), MODES, ids=[f"{emitter.name}-{mode}" for emitter, mode in MODES])
def test_the_emitters_did_observe(runs: Runs, emitter: Emitter, mode: str) -> None:
    """Guards the tests above: without the other instrumentation there would be nothing to count twice."""
    run = runs(emitter, mode)
    silent = {case for entry in KNOWN if emitter.name in entry.emitters and entry.silent for case in entry.cases}
    if (emitter.name, mode) == ("litellm_otel", "ours"):
        silent.add("chat_failed")  # it says so on the span that it finds open, which is ours
    for case in run.cases:
        theirs = {scope for scope in run.scopes(case) if not scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX)}
        assert theirs or case.name in silent, case.name
