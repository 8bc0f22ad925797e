"""Frameworks call SDKs, so each of their calls is charged once without anything of ours that knows the framework.

Every way of working with a framework is run with the real packages under our instrumentors, against a stand-in whose
models use tools. What the spans say in sum is what the provider's bill says, and nothing but this machine was reached.
"""

from __future__ import annotations

import json
import os
import subprocess
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from otel_cost.model import NANO
from tests.emitters.frameworks.ways import FRAMEWORKS, Framework
from tests.support import processes, tools
from tests.support.expected import Call, total_nano

pytestmark = pytest.mark.emitters

WAYS = [pytest.param(one, way, id=f"{one.name}-{way}") for one in FRAMEWORKS for way in one.ways]
EACH = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda one: one.name)


@cache
def _told(framework: Framework) -> dict[str, Any]:
    """What became of each way, from one process."""
    path = os.pathsep.join((str(tools.CHECKOUT), str(tools.CHECKOUT / "instrumentation")))
    done = subprocess.run(
        [str(framework.home.require()), "-m", framework.script],
        env=processes.clean_environment({"PYTHONPATH": path}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _nano(spans: list[dict[str, Any]]) -> int:
    return sum(round(Decimal(repr(span["cost"])) * NANO) for span in spans if span["cost"] is not None)


@pytest.mark.parametrize(("framework", "way"), WAYS)
def test_the_spans_say_what_the_bill_says(framework: Framework, way: str) -> None:
    told = _told(framework)["ways"][way]
    bills = [Call("", **bill) for bill in told["bills"]]

    assert len(bills) == framework.ways[way]
    assert _nano(told["spans"]) == total_nano(bills) == round(told["spend_usd"] * NANO)
    assert [span["status"] for span in told["spans"]] == ["priced"] * len(bills), told["spans"]


@pytest.mark.parametrize(("framework", "way"), WAYS)
def test_labels_reach_every_call(framework: Framework, way: str) -> None:
    """Through the framework's threads and tasks (FEATURES A9)."""
    assert {span["team"] for span in _told(framework)["ways"][way]["spans"]} == {way}


@EACH
def test_every_way_is_asked_for(framework: Framework) -> None:
    assert _told(framework)["ways"].keys() == framework.ways.keys()


@EACH
def test_nothing_but_this_machine_is_reached(framework: Framework) -> None:
    assert _told(framework)["elsewhere"] == []


@EACH
def test_versions_are_those_that_are_said(framework: Framework) -> None:
    versions = _told(framework)["versions"]

    assert framework.versions.items() <= versions.items()
