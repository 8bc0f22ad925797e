"""Counting once, as properties of the matcher: any number of calls, each seen by up to three emitters, in any order."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_cost.matching import Matcher, Verdict
from otel_cost.model import Layer, Status
from otel_cost.sightings import Sighting

SCOPES = (
    ("opentelemetry.instrumentation.genai.openai", Layer.WIRE),
    ("opentelemetry.instrumentation.genai.langchain", Layer.FRAMEWORK),
    ("other.callback", Layer.FRAMEWORK),
)
SECOND = 10**9


@dataclass(frozen=True)
class Call:
    start: int
    length: int
    totals: tuple[int, int]
    emitters: tuple[int, ...]
    with_id: bool


calls = st.lists(
    st.builds(
        Call,
        start=st.integers(0, 20).map(lambda tenth: tenth * SECOND // 10),
        length=st.integers(1, 30).map(lambda tenth: tenth * SECOND // 10),
        totals=st.tuples(st.integers(0, 2), st.integers(0, 2)),
        emitters=st.sets(st.integers(0, len(SCOPES) - 1), min_size=1).map(lambda found: tuple(sorted(found))),
        with_id=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def sightings(call: Call, number: int) -> list[Sighting]:
    """The spans of one call: nested in time, the request's own span inside."""
    return [
        Sighting(
            key=f"{number}-{emitter}",
            trace_id=f"trace-{number}-{emitter}",
            span_id=f"{number}-{emitter}",
            parent_span_id="",
            process="p",
            tenant="",
            scope=SCOPES[emitter][0],
            layer=SCOPES[emitter][1],
            kind="CLIENT",
            response_id=f"id-{number}" if call.with_id else "",
            totals=call.totals,
            models=("gpt-4o",),
            start_ns=call.start - emitter * 1000,
            end_ns=call.start + call.length + emitter * 1000,
        )
        for emitter in call.emitters
    ]


def judge(matcher: Matcher, span: Sighting) -> Verdict:
    return matcher.judge(span, span.end_ns)


def one(emitter: int, *, start: int = 0, number: int = 0, with_id: bool = False) -> Sighting:
    return sightings(Call(start, SECOND, (1, 1), (emitter,), with_id), number)[0]


@settings(max_examples=300, deadline=None)
@given(calls, st.randoms(use_true_random=False))
def test_calls_with_ids_are_counted_exactly_once_in_any_order(made: list[Call], order: random.Random) -> None:
    spans = [span for number, call in enumerate(made) for span in sightings(replace(call, with_id=True), number)]
    order.shuffle(spans)
    matcher = Matcher()
    counted = [span for span in spans if judge(matcher, span).status is None]
    assert len(counted) == len(made)


@settings(max_examples=300, deadline=None)
@given(calls, st.randoms(use_true_random=False))
def test_calls_without_ids_are_never_lost(made: list[Call], order: random.Random) -> None:
    """Equal calls cannot be told apart, but their number can: at least one for each span of the busiest scope."""
    spans = [span for number, call in enumerate(made) for span in sightings(replace(call, with_id=False), number)]
    order.shuffle(spans)
    matcher = Matcher()
    counted = sum(judge(matcher, span).status is None for span in spans)
    for totals in {call.totals for call in made}:
        same = [call for call in made if call.totals == totals]
        busiest = max(sum(emitter in call.emitters for call in same) for emitter in range(len(SCOPES)))
        assert counted >= busiest


@settings(max_examples=300, deadline=None)
@given(calls)
def test_calls_without_ids_are_never_doubled_when_spans_end_as_they_do(made: list[Call]) -> None:
    """Request first, then the framework around it: what a process sees."""
    both = [replace(call, emitters=(0, 1), with_id=False) for call in made]
    spans = [span for number, call in enumerate(both) for span in sightings(call, number)]
    spans.sort(key=lambda span: span.end_ns)
    matcher = Matcher()
    assert sum(judge(matcher, span).status is None for span in spans) == len(both)


@given(calls)
def test_judging_again_changes_nothing(made: list[Call]) -> None:
    spans = [span for number, call in enumerate(made) for span in sightings(call, number)]
    matcher = Matcher()
    first = [judge(matcher, span) for span in spans]
    second = [judge(matcher, span) for span in spans]
    assert [verdict._replace(again=False) for verdict in second] == first
    assert all(verdict.again for verdict in second)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_one_emitter_is_never_matched_with_itself(starts: list[int]) -> None:
    matcher = Matcher()
    verdicts = [judge(matcher, one(0, start=start, number=number)) for number, start in enumerate(starts)]
    assert all(verdict.status is None for verdict in verdicts)


def test_memory_is_bounded_by_number_and_by_time() -> None:
    matcher = Matcher(capacity=10, window_ns=60 * SECOND)
    for number in range(100):
        judge(matcher, one(0, start=number, number=number, with_id=True))
    assert matcher.size == 10
    judge(matcher, one(0, start=10_000 * SECOND, number=1_000))
    assert matcher.size == 1


def test_the_book_lets_the_request_itself_win() -> None:
    wire, framework = one(0), one(1)
    matcher = Matcher(can_void=True)
    assert judge(matcher, framework).status is None
    verdict = judge(matcher, wire)
    assert verdict.status is None
    assert [void.key for void in verdict.voids] == [framework.key]


def test_what_was_the_same_call_as_a_replaced_span_stays_the_same_call() -> None:
    """A framework's span, a callback's twin of it, then the request itself: whose places are then both taken."""
    for emitter in (1, 2):
        matcher = Matcher(can_void=True)
        for span in (one(1), one(2), one(0)):
            judge(matcher, span)
        # another call, seen by the framework or by the callback alone
        assert judge(matcher, one(emitter, number=1)).status is None


def test_in_process_the_first_to_end_wins() -> None:
    wire, framework = one(0), one(1)
    matcher = Matcher()
    assert judge(matcher, framework).status is None
    assert judge(matcher, wire).status is Status.DUPLICATE


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("openai/gpt-4o", "gpt-4o", True),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet", True),
        ("gemini-1.5-pro", "gemini-1.5-pro-002", True),
        ("gpt-4-turbo", "gpt-4-turbo-preview", True),
        ("accounts/fireworks/models/llama-v3", "llama-v3", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4", "gpt-4.1", False),
        ("o3", "o3-mini", False),
        ("claude-sonnet-4", "claude-sonnet-4-5", False),
    ],
)
def test_a_dated_name_is_the_same_model_and_a_smaller_one_is_not(left: str, right: str, same: bool) -> None:
    for first, second in ((left, right), (right, left)):
        matcher = Matcher()
        judge(matcher, one(0)._replace(models=(first,)))
        assert (judge(matcher, one(1)._replace(models=(second,))).status is Status.DUPLICATE) is same


def test_a_twin_makes_room_for_another() -> None:
    """A short framework span fits one call only; the long one that took its place has to move to the other."""
    matcher = Matcher()
    short = one(0, number=1)._replace(start_ns=0, end_ns=SECOND)
    long = one(0, number=2)._replace(start_ns=0, end_ns=10 * SECOND)
    around_both = one(1, number=3)._replace(start_ns=-1000, end_ns=10 * SECOND + 1000)
    around_short = one(1, number=4)._replace(start_ns=-1000, end_ns=SECOND + 1000)
    for span in (short, long):
        assert judge(matcher, span).status is None
    assert judge(matcher, around_short).status is Status.DUPLICATE
    assert judge(matcher, around_both).status is Status.DUPLICATE
