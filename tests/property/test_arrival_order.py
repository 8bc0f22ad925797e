"""The book says the same whatever the order in which the spans of a trace arrive.

Trees of spans as apps make them: agents (perhaps of another process) and frameworks around calls, with steps between
them that are no calls. Each call has totals of its own, so that sums tell which calls are inside.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_cost.lineage import Lineage
from otel_cost.matching import Matcher
from otel_cost.model import Layer, record_key
from otel_cost.sightings import Sighting

TRACE = "t"


@dataclass(frozen=True)
class Tree:
    kind: str  # wire, framework, agent, step
    process: str = "a"
    inside: tuple[Tree, ...] = ()

    def wires(self) -> int:
        return 1 if self.kind == "wire" else sum(child.wires() for child in self.inside)


processes = st.sampled_from(("a", "b"))
trees = st.recursive(
    st.builds(Tree, st.just("wire"), processes),
    lambda children: st.builds(
        Tree,
        st.sampled_from(("framework", "agent", "step")),
        processes,
        st.lists(children, min_size=1, max_size=3).map(tuple),
    ),
    max_leaves=6,
)


class Spans:
    """The spans of a tree; ``sightings`` leaves out the steps, which are no GenAI spans."""

    def __init__(self, tree: Tree) -> None:
        self.parents: dict[str, str] = {}
        self.sightings: dict[str, Sighting] = {}
        self._wires = 0
        self._clock = 0
        self._add(tree, "")

    def _tick(self) -> int:
        self._clock += 10**9
        return self._clock

    def _add(self, tree: Tree, parent: str) -> tuple[int, int]:
        span_id = f"{tree.kind}{len(self.parents)}"
        self.parents[span_id] = parent
        started = self._tick()
        if tree.kind == "wire":
            totals = (1000 << self._wires, 100 << self._wires)
            self._wires += 1
        else:
            sums = [self._add(child, span_id) for child in tree.inside]
            totals = (sum(into for into, _ in sums), sum(out for _, out in sums))
        if tree.kind != "step":
            self.sightings[span_id] = Sighting(
                key=record_key(TRACE, span_id),
                trace_id=TRACE,
                span_id=span_id,
                parent_span_id=parent,
                process=tree.process,
                tenant="",
                scope=f"scope.{tree.kind}",
                layer=Layer(tree.kind),
                kind="CLIENT",
                response_id="",
                totals=totals,
                models=("gpt-4o",),
                start_ns=started,
                end_ns=self._tick(),
            )
        return totals


def booked(spans: Spans, order: list[str]) -> set[str]:
    """The ids of the spans that carry money once all have arrived."""
    matcher = Matcher(can_void=True)
    book: set[str] = set()
    for now, span_id in enumerate(order):
        voids = matcher.pass_by(TRACE, span_id, spans.parents[span_id])
        if span_id in spans.sightings:
            verdict = matcher.judge(spans.sightings[span_id], now)
            voids += verdict.voids
            if verdict.status is None:
                book.add(record_key(TRACE, span_id))
        book -= {void.key for void in voids}
    return book


@settings(max_examples=400, deadline=None)
@given(trees, st.randoms(use_true_random=False))
def test_calls_carry_the_money_and_nothing_around_them_does(tree: Tree, order: random.Random) -> None:
    spans = Spans(tree)
    arriving = list(spans.parents)
    order.shuffle(arriving)
    wires = {sighting.key for sighting in spans.sightings.values() if sighting.layer is Layer.WIRE}
    assert booked(spans, arriving) == wires


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30))
def test_lineage_ends_whatever_parents_are_told(pairs: list[tuple[int, int]]) -> None:
    """Loops, spans that are their own parents, parents told twice: nothing goes on for ever or comes twice."""
    lineage = Lineage(100)
    for span, parent in pairs:
        lineage.add(TRACE, str(span), str(parent))
    for span in range(7):
        for found in (list(lineage.above(TRACE, str(span))), list(lineage.below(TRACE, str(span)))):
            assert len(found) == len(set(found))
            assert str(span) not in found


def _spans_of(traces: int, each: int) -> Iterator[tuple[str, str, str]]:
    for trace in range(traces):
        for span in range(each):
            yield f"trace{trace}", f"s{span}", f"s{span - 1}" if span else ""


def test_lineage_is_bounded_and_forgets_whole_traces() -> None:
    lineage = Lineage(25)
    for trace_id, span_id, parent in _spans_of(10, 10):
        lineage.add(trace_id, span_id, parent)
    kept = [trace for trace in range(10) if list(lineage.below(f"trace{trace}", "s0"))]
    assert kept == [8, 9]
    assert list(lineage.above("trace9", "s3")) == ["s2", "s1", "s0"]
