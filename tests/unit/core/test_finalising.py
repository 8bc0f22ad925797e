"""A span that ends inside a garbage collection is settled without waiting for a lock that its thread may hold."""

from __future__ import annotations

import gc

from opentelemetry.trace import Span

from otel_cost import semconv, shield
from otel_cost.finalising import Finaliser, inside_collection
from tests.support.waiting import until
from tests.support.world import World


class DroppedStream:
    """Ends its span when it is collected, as SDKs that trace themselves do. The cycle leaves that to the collector."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.cycle = self

    def __del__(self) -> None:
        assert inside_collection()
        self.span.end()


def test_no_lock_is_waited_for_inside_a_collection(world: World) -> None:
    span = world.tracer().start_span("chat", attributes={semconv.OPERATION_NAME: "chat"})
    DroppedStream(span)
    del span
    with world.runtime.pipeline._matcher._lock:  # the thread holds what settling needs, as in mid-settlement
        gc.collect()
    until(lambda: world.finished(), "the span")
    assert world.statuses() == ["unpriced"]


def test_flush_settles_what_was_put_off(world: World) -> None:
    span = world.tracer().start_span("chat", attributes={semconv.OPERATION_NAME: "chat"})
    DroppedStream(span)
    del span
    gc.collect()
    until(lambda: world.provider.force_flush() and world.finished(), "the span")


def test_spans_of_the_app_end_at_once(world: World) -> None:
    DroppedStream(world.tracer("app").start_span("work"))
    gc.collect()
    assert [span.name for span in world.finished()] == ["work"]


def test_what_is_put_off_runs_once_and_in_order() -> None:
    finaliser, done = Finaliser(), list[int]()
    for number in range(3):
        finaliser.put(lambda number=number: done.append(number))
    finaliser.drain()
    finaliser.drain()
    assert done == [0, 1, 2]


def test_work_that_fails_does_not_end_the_thread() -> None:
    shield.set_strict(False)
    finaliser, done = Finaliser(), list[int]()

    def broken() -> None:
        raise RuntimeError("boom")

    finaliser.prepare()
    finaliser.put(broken)
    finaliser.put(lambda: done.append(1))
    until(lambda: done, "the work behind it")
