"""What is filled in where a provider left counts out, and what stands."""

from __future__ import annotations

from typing import Any

from otel_cost import semconv
from otel_cost.estimating import Estimator
from otel_cost_instrumentation._estimates import Estimates, Prompt

INPUT, OUTPUT = semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS
A_HUNDRED_AND_FIVE = "a" * 500


def _heard(known: dict[str, Any], *, final: bool) -> dict[str, Any]:
    estimates = Estimates(Estimator(), Prompt.of(A_HUNDRED_AND_FIVE, conversation=False), "gpt-4o")
    estimates.heard.add(A_HUNDRED_AND_FIVE)
    found: dict[str, Any] = dict(estimates.of_stream(known, final=final, roughly=False))
    return found


def test_a_placeholder_gives_way_to_what_was_seen() -> None:
    found = _heard({INPUT: 1000, OUTPUT: 1}, final=False)

    assert (INPUT in found, found[OUTPUT], found[semconv.USAGE_ESTIMATED]) == (False, 105, True)


def test_what_was_told_on_the_way_is_the_least() -> None:
    assert _heard({INPUT: 1000, OUTPUT: 400}, final=False)[OUTPUT] == 400


def test_the_last_word_stands() -> None:
    """An explicit zero too."""
    assert _heard({INPUT: 0, OUTPUT: 0}, final=True) == {}
    assert OUTPUT not in _heard({OUTPUT: 3}, final=True)
    assert _heard({OUTPUT: 3}, final=True)[INPUT] == 105


def test_what_is_added_to_a_list_later_was_not_sent() -> None:
    messages: list[object] = [A_HUNDRED_AND_FIVE]
    estimates = Estimates(Estimator(), Prompt.of(messages, conversation=False), "gpt-4o")
    messages.append(A_HUNDRED_AND_FIVE)

    assert estimates.of_stream({}, final=False, roughly=True)[INPUT] == 105


def test_a_call_of_which_too_little_is_known_is_left_alone() -> None:
    estimates = Estimates(Estimator(), None, "gpt-4o")

    assert estimates.of_stream({}, final=True, roughly=False) == {}
    assert estimates.of_answer({}, {}, lambda answer: ["text"]) == {}
