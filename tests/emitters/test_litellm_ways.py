"""LiteLLM with our instrumentors on: every answer of a provider is counted once, whichever way LiteLLM asked for it.

Its own environment is the emitters': it pins the ``openai`` SDK to an older release than the contract suite has.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.emitters.environments import LITELLM
from tests.support import tools

pytestmark = pytest.mark.emitters

COST = {"openai": 0.004, "anthropic": 0.0082}
"""Of 1,000 tokens, 400 of them cached, and 200 back: gpt-4o, claude-opus-4-5 (genai-prices 0.2.3)."""
ONCE = (
    *("chat", "chat_async", "own_fallback", "stream", "stream_asked", "stream_async"),
    *("retried", "retried_later", "fell_back"),
    *("responded", "responded_later", "responded_in_a_stream", "responded_in_a_stream_later"),
)
KINDS = pytest.mark.parametrize("kind", COST)
Spans = list[dict[str, Any]]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What became of each way, from one process."""
    path = os.pathsep.join((str(tools.CHECKOUT), str(tools.CHECKOUT / "instrumentation")))
    environment = {**os.environ, "PYTHONPATH": path, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(LITELLM.require()), "-m", "tests.emitters.ways_litellm"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert not done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _counted(told: dict[str, Any], way: str) -> Spans:
    return [span for span in told[way]["spans"] if span["status"] in ("priced", "estimated", "unpriced")]


@KINDS
@pytest.mark.parametrize("way", ONCE)
def test_an_answer_is_charged_once_and_what_failed_is_free(told: dict[str, Any], way: str, kind: str) -> None:
    counted = _counted(told, f"{way}-{kind}")

    answered = [span for span in counted if span["reason"] != "failed"]
    assert told[f"{way}-{kind}"]["answered"] == len(answered) == 1
    assert [(span["status"], span["cost"]) for span in answered] == [("priced", COST[kind])]
    assert all(span["cost"] == 0 for span in counted if span not in answered)


@KINDS
def test_the_inner_of_two_counts(told: dict[str, Any], kind: str) -> None:
    spans = told[f"chat-{kind}"]["spans"]

    expected = {"openai": [("openai", "priced"), ("litellm", "wrapper")], "anthropic": [("litellm", "priced")]}
    assert [(span["scope"], span["status"]) for span in spans] == expected[kind]


@KINDS
def test_a_span_says_who_was_asked(told: dict[str, Any], kind: str) -> None:
    (span,) = (span for span in told[f"chat-{kind}"]["spans"] if span["scope"] == "litellm")

    model = {"openai": "gpt-4o", "anthropic": "claude-opus-4-5"}[kind]
    assert (span["provider"], span["model"], span["answered"], span["address"]) == (kind, model, model, "127.0.0.1")
    assert (span["input"], span["output"], span["cached"]) == (1000, 200, 400)


def test_a_stream_that_is_asked_for_its_usage_looks_the_same_to_the_app(told: dict[str, Any]) -> None:
    """LiteLLM itself does not ask this host; the stand-in's answer has one chunk more where the app asked."""
    assert told["stream-openai"]["returned"] == told["stream_asked-openai"]["returned"] - 1


@pytest.mark.parametrize("way", ["stream_at_an_unknown_host-openai", "left_early-openai", "left_early-anthropic"])
def test_a_stream_without_usage_is_estimated_once(told: dict[str, Any], way: str) -> None:
    assert [span["status"] for span in _counted(told, way)] == ["estimated"]


@KINDS
def test_a_failed_call_is_free_and_its_error_litellms(told: dict[str, Any], kind: str) -> None:
    assert told[f"failed-{kind}"]["returned"] == "InternalServerError"
    assert [(span["reason"], span["cost"]) for span in _counted(told, f"failed-{kind}")] == [("failed", 0)]


@KINDS
def test_a_budget_says_no_with_its_own_error(told: dict[str, Any], kind: str) -> None:
    assert told[f"within_a_budget-{kind}"]["returned"] == "BudgetExceeded"
    assert told[f"within_a_budget-{kind}"]["answered"] == 1


def test_vectors(told: dict[str, Any]) -> None:
    assert [(span["scope"], span["status"]) for span in _counted(told, "embedded-openai")] == [("openai", "priced")]


@pytest.mark.parametrize("way", ["drawn", "drawn_later"])
def test_pictures(told: dict[str, Any], way: str) -> None:
    """gpt-image-1: 5 and 40 USD per million tokens of text in and of images out."""
    assert [(span["status"], span["cost"]) for span in _counted(told, f"{way}-openai")] == [("priced", 0.013)]


def test_pictures_without_a_count_are_not_free(told: dict[str, Any]) -> None:
    assert [(span["status"], span["cost"]) for span in _counted(told, "drawn_untold-openai")] == [("unpriced", None)]


@KINDS
def test_an_answer_that_was_made_up_is_no_call(told: dict[str, Any], kind: str) -> None:
    assert told[f"mocked-{kind}"]["spans"] == []
