"""Other people's instrumentation around the real SDKs: alone, and together with ours, every dollar is counted once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from otel_cost.model import NANO, Status
from tests.emitters.cases import CASES, Case
from tests.emitters.environments import SETS, EmitterSet
from tests.support import processes, tools
from tests.support.expected import Call

pytestmark = pytest.mark.emitters

Span = dict[str, Any]


@pytest.fixture(scope="session")
def own_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the installed wheel and nothing else; what goes on PYTHONPATH before an environment."""
    work = tmp_path_factory.mktemp("wheel")
    wheel = os.environ.get("OTEL_COST_WHEEL")
    if not wheel:
        _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work), str(tools.CHECKOUT)])
        (built,) = work.glob("*.whl")
        wheel = str(built)
    target = work / "installed"
    _run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(target), wheel])
    return target


@pytest.fixture(
    scope="session",
    params=[(emitters, alone) for emitters in SETS for alone in (True, False)],
    ids=lambda param: f"{param[0].name}-{'alone' if param[1] else 'with-ours'}",
)
def observed(
    request: pytest.FixtureRequest, own_wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EmitterSet, bool, dict[str, Any]]:
    """The set, whether it was alone, and what the script told about the calls that it made."""
    emitters, alone = request.param
    answer = tmp_path_factory.mktemp(emitters.name) / "answer.json"
    environment = processes.clean_environment(
        {
            "PYTHONPATH": str(own_wheel),
            "OTEL_COST_INSTRUMENT": "false" if alone else "true",
            "OTEL_COST_STREAM_USAGE_HOSTS": "127.0.0.1",
        }
    )
    with StandInProvider() as provider:
        script = Path(__file__).with_name("script.py")
        _run([str(emitters.require()), str(script), provider.base_url, str(answer)], environment)
    return emitters, alone, json.loads(answer.read_text())


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"


def _expected_nano(case: Case, emitters: EmitterSet, *, alone: bool) -> int:
    if case.priceless or (alone and emitters.name in case.unseen_by):
        return 0
    return case.calls and case.calls * Call("", case.model, provider=case.provider, **case.usage).nano_usd


def _amount_nano(span: Span) -> int:
    amount = span["attributes"].get(semconv.COST_AMOUNT)
    return 0 if amount is None else round(Decimal(repr(amount)) * NANO)


def _statuses(spans: list[Span]) -> list[str]:
    return [span["attributes"].get(semconv.STATUS, "") for span in spans]


def _brief(spans: list[Span]) -> str:
    return "\n".join(
        f"{span['scope']} | {span['name']} | {span['span']} < {span['parent']} | "
        + ", ".join(f"{key}={value}" for key, value in span["attributes"].items() if "message" not in key)
        for span in spans
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_call_is_charged_once(observed: tuple[EmitterSet, bool, dict[str, Any]], case: Case) -> None:
    emitters, alone, answer = observed
    spans = answer["cases"][case.name]
    assert sum(map(_amount_nano, spans)) == _expected_nano(case, emitters, alone=alone), _brief(spans)
    counted = [status for status in _statuses(spans) if status in (Status.PRICED, Status.ESTIMATED, Status.UNPRICED)]
    assert len(counted) == case.calls + case.failed, _brief(spans)
    unpriced = case.priceless or (alone and emitters.name in case.unseen_by)
    assert (Status.UNPRICED in counted) == unpriced, _brief(spans)


def test_the_metric_adds_up_to_the_same(observed: tuple[EmitterSet, bool, dict[str, Any]]) -> None:
    emitters, alone, answer = observed
    expected = sum(_expected_nano(case, emitters, alone=alone) for case in CASES)
    assert round(answer["spend_usd"] * NANO) == expected


def test_the_emitters_did_observe(observed: tuple[EmitterSet, bool, dict[str, Any]]) -> None:
    """Guards the tests above: without the other instrumentation there would be nothing to count twice."""
    _, alone, answer = observed
    for case in CASES:
        scopes = {span["scope"] for span in answer["cases"][case.name]}
        theirs = {scope for scope in scopes if not scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX)}
        assert theirs, case.name
        assert not alone or theirs == scopes
