"""Runs emitters against the stand-in provider, and says what became of each case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from otel_cost.model import NANO, Status
from tests.emitters.cases import CASES, Case
from tests.emitters.cloud_provider import CloudProvider
from tests.emitters.emitters import Emitter
from tests.emitters.environments import SETS
from tests.support import processes, tools
from tests.support.expected import Call

Span = dict[str, Any]
_COUNTED: Final = (Status.PRICED, Status.ESTIMATED, Status.UNPRICED)


class Outcome(StrEnum):
    """What became of a case's calls, each at most once unless said otherwise."""

    EXACT = "exact"
    ESTIMATED = "estimated"  # at least one, saying so and naming the emitter; the amount may differ
    UNPRICED = "unpriced"  # seen, without usage: said, never a price of 0
    PART = "in part"  # counted, but less than it cost: the rest is on no span
    EXTRA = "exact, and an empty record"  # every dollar once; one call more, unpriced or failed, stands beside it
    UNSEEN = "not seen"  # fewer spans than calls
    WRONG = "wrong"


@dataclass(frozen=True)
class Run:
    """One emitter in one mode, and what its script told."""

    emitter: Emitter
    mode: str
    told: dict[str, list[Span]]
    spend_nano: int

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        return cases_of(self.emitter, self.mode)

    def outcome(self, case: Case) -> Outcome:
        spans = self.told[case.name]
        counted = [span for span in spans if span["attributes"].get(semconv.STATUS) in _COUNTED]
        statuses = [span["attributes"][semconv.STATUS] for span in counted]
        calls = case.calls + case.failed
        amount, expected = self.amount_nano(case), expected_nano(case)
        if len(counted) < calls:
            # Some of them only: never without a word.
            said = Status.ESTIMATED in statuses and all(map(_says_why, counted))
            return Outcome.PART if amount and said else Outcome.WRONG if amount else Outcome.UNSEEN
        if len(counted) > calls:
            return Outcome.EXTRA if amount == expected else Outcome.WRONG
        if Status.UNPRICED in statuses and not case.priceless:
            return Outcome.UNPRICED
        if Status.ESTIMATED in statuses:
            return Outcome.ESTIMATED if all(map(_says_why, counted)) else Outcome.WRONG
        if amount == expected:
            return Outcome.EXACT
        return Outcome.PART if amount == expected_nano(case, fees=False) else Outcome.WRONG

    def amount_nano(self, case: Case) -> int:
        """What the spans of a case say in sum."""
        return _amount_nano(self.told[case.name])

    @property
    def total_nano(self) -> int:
        """What all spans say in sum."""
        return sum(map(_amount_nano, self.told.values()))

    def scopes(self, case: Case) -> set[str]:
        return {span["scope"] for span in self.told[case.name]}

    def brief(self, case: Case) -> str:
        """For people: the spans of a case, without content."""
        head = f"{self.amount_nano(case)} nano-USD, expected {expected_nano(case)}\n"
        return head + "\n".join(
            f"{span['scope']} | {span['name']} | {span['span']} < {span['parent']} | "
            + ", ".join(
                f"{key}={str(value)[:200]}" for key, value in span["attributes"].items() if "message" not in key
            )
            for span in self.told[case.name]
        )


def _amount_nano(spans: list[Span]) -> int:
    amounts = [span["attributes"].get(semconv.COST_AMOUNT) for span in spans]
    return sum(round(Decimal(repr(amount)) * NANO) for amount in amounts if amount is not None)


def _says_why(span: Span) -> bool:
    attributes = span["attributes"]
    return attributes[semconv.STATUS] != Status.ESTIMATED or bool(attributes.get(semconv.DETAIL))


def cases_of(emitter: Emitter, mode: str) -> tuple[Case, ...]:
    """What ``emitter`` can be held to in ``mode``."""
    return tuple(
        case
        for case in CASES
        if case.via == emitter.via
        and case.provider in emitter.providers
        and (emitter.direct or mode == "ours" or "direct" not in case.name)
    )


def expected_nano(case: Case, *, fees: bool = True) -> int:
    """What a case costs; without ``fees`` its tokens only."""
    if case.priceless or not case.calls:
        return 0
    usage = {unit: count for unit, count in case.usage.items() if fees or unit != "web_searches"}
    return case.calls * Call("", case.model, provider=case.provider, **usage).nano_usd


def own_wheel(work: Path) -> Path:
    """A directory with the installed wheel and nothing else; what goes on PYTHONPATH before an environment."""
    wheel = os.environ.get("OTEL_COST_WHEEL")
    if not wheel:
        _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work), str(tools.CHECKOUT)])
        (built,) = work.glob("*.whl")
        wheel = str(built)
    target = work / "installed"
    install = ["install", "--quiet", "--no-deps", "--compile-bytecode", "--target", str(target), wheel]
    _run([sys.executable, "-m", "uv", "pip", *install])
    return target


def run(emitter: Emitter, mode: str, wheel: Path, work: Path) -> Run:
    """Run ``emitter`` in ``mode``; skips the test (fails it in CI) without an environment.

    Raises:
        AssertionError: its script failed.
    """
    home = next(found for found in SETS if found.name == emitter.home)
    answer = work / f"{emitter.name}-{mode}.json"
    environment = processes.clean_environment({"PYTHONPATH": str(wheel), **emitter.settings(mode)})
    with CloudProvider() if emitter.of_a_cloud else StandInProvider() as provider:
        script = Path(__file__).with_name("script.py")
        _run(
            [str(home.require()), "-X", "faulthandler", str(script), emitter.name, provider.base_url, str(answer)],
            environment,
        )
    told = json.loads(answer.read_text())
    return Run(emitter, mode, told["cases"], round(told["spend_usd"] * NANO))


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
