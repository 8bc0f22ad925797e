"""Whatever becomes of calls, and whatever is asked: roll-ups answer what entries answer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_cost.ledger.covering import by_rollups
from otel_cost.ledger.schema import DAY_NS, QUARTER_NS
from otel_cost.ledger.sql import open_ledger
from tests.contract.ledger.crowd import END, LATER, MIDNIGHT, instants, live, questions


@settings(max_examples=25, deadline=None)
@given(random=st.randoms(use_true_random=False), calls=st.integers(1, 12))
def test_any_book_answers_any_question_alike(random: Random, calls: int) -> None:
    with open_ledger("sqlite://") as ledger:
        live(ledger, random, calls=calls, rounds=3)
        for _ in range(5):
            query = questions(random)
            earlier = replace(query, as_of_ns=LATER)
            summary, expected = ledger.summary(query), ledger.summary(earlier)
            assert (summary.total, summary.rows) == (expected.total, expected.rows)
            assert ledger.unpriced(query) == ledger.unpriced(earlier)
            edges = sorted((query.from_ns, (query.from_ns + query.to_ns) // 2, query.to_ns))
            assert ledger.series(query, edges) == ledger.series(earlier, edges)


instant = st.one_of(
    st.integers(MIDNIGHT - DAY_NS, END + DAY_NS),
    st.integers(-100, 500).map(lambda number: MIDNIGHT + number * QUARTER_NS),
    st.integers(-2, 6).map(lambda number: MIDNIGHT + number * DAY_NS),
    st.sampled_from([0, 2**62, 2**64, -(2**64)]),
)


@given(edges=st.lists(instant, min_size=2, max_size=5).map(sorted), random=st.randoms(use_true_random=False))
def test_every_instant_is_covered_once_by_its_own_part_alone(edges: list[int], random: Random) -> None:
    cover = by_rollups(edges)
    assert all(span.start_ns % DAY_NS == 0 == span.end_ns % DAY_NS for span in cover.days)
    assert all(span.start_ns % QUARTER_NS == 0 == span.end_ns % QUARTER_NS for span in cover.quarters)
    assert all(span.sign == 1 and span.end_ns - span.start_ns < 2 * QUARTER_NS for span in cover.entries)
    asked = [edge + step for edge in edges for step in (-1, 0, 1)] + [next(instants(random)) for _ in range(10)]
    for at in (at for at in asked if abs(at) < 2**63 - DAY_NS):
        for part, (start, end) in enumerate(pairwise(edges)):
            covered = sum(
                span.sign
                for span in (*cover.days, *cover.quarters, *cover.entries)
                if span.part == part and span.start_ns <= at < span.end_ns
            )
            assert covered == (start <= at < end), (at, part)
