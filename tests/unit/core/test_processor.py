"""Spans priced while they end (FEATURES O3), and the app's own spans left as they were."""

from __future__ import annotations

import copy
import gc
import sys
import threading
from contextlib import ExitStack

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode

from otel_cost import runtime, semconv, shield
from otel_cost.config import Config
from otel_cost.labelling import labels
from otel_cost.processor import node_of
from otel_cost.sightings import Inside
from tests.support.world import FRAMEWORK, World, chat, make_world


def test_cost_stands_on_the_span(world: World) -> None:
    with world.call(id="r1"):
        pass
    (span,) = world.finished()
    attributes = span.attributes or {}
    assert attributes[semconv.STATUS] == "priced"
    # gpt-4o: 2.50 and 10.00 USD per million tokens
    assert attributes[semconv.COST_AMOUNT] == 0.0035
    assert attributes[semconv.COST_CURRENCY] == "USD"
    assert attributes[semconv.COST_PART_PREFIX + "input"] == 0.0025
    assert attributes[semconv.COST_PART_PREFIX + "output"] == 0.001
    assert attributes[semconv.PRICE_ID]
    assert attributes[semconv.PRICE_CATALOG]


def test_ancestors_show_what_was_spent_below_them(world: World) -> None:
    with world.tracer("app").start_as_current_span("request"):
        with world.tracer("app").start_as_current_span("step"), world.call(id="r1"):
            pass
        with world.call(id="r2"):
            pass
        with world.tracer("app").start_as_current_span("cheap"):
            pass
    costs = {span.name: (span.attributes or {}).get(semconv.SUBTREE_COST) for span in world.finished()}
    assert costs == {"request": 0.007, "step": 0.0035, "cheap": None, "chat": None}


def test_only_counted_spans_carry_an_amount(world: World) -> None:
    with world.call(scope=FRAMEWORK, kind=SpanKind.INTERNAL), world.call(id="r1"):
        pass
    with world.call(gen_ai__request__model="made-up-model-9"):
        pass
    carrying = [semconv.COST_AMOUNT in (span.attributes or {}) for span in world.finished()]
    assert world.statuses() == ["priced", "wrapper", "unpriced"]
    assert carrying == [True, False, False]


def test_unknown_model_is_unpriced_with_a_reason_and_is_counted(world: World) -> None:
    with world.call(gen_ai__request__model="made-up-model-9"):
        pass
    attributes = world.finished()[0].attributes or {}
    assert attributes[semconv.STATUS] == "unpriced"
    assert attributes[semconv.REASON] == "unknown_model"
    (point,) = world.points(semconv.METRIC_OPERATIONS)
    assert point[0][semconv.REASON] == "unknown_model"
    assert world.points(semconv.METRIC_SPEND) == []


def test_failed_call_without_usage_costs_nothing_and_says_so(world: World) -> None:
    with pytest.raises(ValueError, match="provider said no"), world.call(usage=None):
        raise ValueError("provider said no")
    attributes = world.finished()[0].attributes or {}
    assert (attributes[semconv.STATUS], attributes[semconv.REASON]) == ("priced", "failed")
    assert attributes[semconv.COST_AMOUNT] == 0.0


def test_no_usage_is_not_zero(world: World) -> None:
    with world.call(usage=None):
        pass
    attributes = world.finished()[0].attributes or {}
    assert (attributes[semconv.STATUS], attributes[semconv.REASON]) == ("unpriced", "no_usage")
    assert OFFICIAL_NAMED in str(attributes[semconv.DETAIL])


OFFICIAL_NAMED = "opentelemetry.instrumentation.genai.openai"


def test_contradictory_counts_are_unpriced_and_named(world: World) -> None:
    with world.call(usage=(100, 5), **{semconv.USAGE_CACHE_READ: 400}):
        pass
    attributes = world.finished()[0].attributes or {}
    assert (attributes[semconv.STATUS], attributes[semconv.REASON]) == ("unpriced", "invalid_usage")
    assert "400" in str(attributes[semconv.DETAIL])
    assert "100" in str(attributes[semconv.DETAIL])


@pytest.mark.parametrize("operation", ["create_agent", "execute_tool", "search_memory"])
def test_operations_that_cannot_cost_get_no_status(world: World, operation: str) -> None:
    with world.call(usage=None, gen_ai__operation__name=operation):
        pass
    assert world.statuses() == [""]


def test_the_end_time_is_taken_before_pricing(world: World) -> None:
    span = world.tracer().start_span("chat", attributes=chat(), start_time=1_000)
    span.end(5_000)
    (ended,) = world.finished()
    assert (ended.start_time, ended.end_time) == (1_000, 5_000)


def test_second_end_changes_nothing(world: World) -> None:
    with world.call(id="r1") as span:
        pass
    span.end()
    assert len(world.finished()) == 1
    assert world.spend() == 0.0035


def test_many_threads_end_one_span_once(world: World) -> None:
    span = world.tracer().start_span("chat", kind=SpanKind.CLIENT, attributes=chat())
    span.set_attribute(semconv.USAGE_INPUT_TOKENS, 1000)
    span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, 100)
    start = threading.Barrier(8)

    def end() -> None:
        start.wait()
        span.end()

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.finished()) == 1
    assert world.spend() == 0.0035


def test_a_copied_span_does_not_keep_the_original_from_ending(world: World) -> None:
    span = world.tracer().start_span("chat", kind=SpanKind.CLIENT, attributes=chat())
    twin = copy.copy(span)
    twin.end()
    span.end()
    assert len(world.finished()) == 2


def test_a_call_deep_inside_other_spans_is_priced(world: World) -> None:
    """Tasks that wait for tasks: their spans are nested deeper than Python's stack may ever be."""
    with ExitStack() as open_spans:
        for _ in range(sys.getrecursionlimit() + 100):
            open_spans.enter_context(world.tracer("app").start_as_current_span("step"))
        with world.call():
            pass
    assert world.spend() == 0.0035


def test_model_set_at_start_survives_attribute_eviction(world: World) -> None:
    with world.call(id="r1") as span:
        for number in range(200):
            span.set_attribute(f"noise.{number}", number)
    attributes = world.finished()[0].attributes or {}
    assert "noise.0" not in attributes
    assert attributes[semconv.STATUS] == "priced"
    # It is written again: the book gets the span as it is exported.
    assert (attributes[semconv.PROVIDER_NAME], attributes[semconv.REQUEST_MODEL]) == ("openai", "gpt-4o")


def test_a_fault_of_ours_leaves_the_span_and_says_unpriced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    shield.set_strict(False)
    monkeypatch.setattr(world.runtime.pipeline, "process", broken)
    with world.call(id="r1"):
        pass
    attributes = world.finished()[0].attributes or {}
    assert (attributes[semconv.STATUS], attributes[semconv.REASON]) == ("unpriced", "fault")
    assert shield.faults()["span end"] >= 1


def test_spans_of_the_app_are_left_alone(world: World) -> None:
    with world.tracer("app").start_as_current_span("work", attributes={"a": 1}) as span:
        span.set_status(StatusCode.OK)
    (ended,) = world.finished()
    assert dict(ended.attributes or {}) == {"a": 1}
    assert type(span).__name__ == "_Span"
    assert isinstance(span, trace.Span)


def test_compatible_names_are_written_when_asked() -> None:
    world = make_world(Config(compat=("openlit", "logfire", "openinference")))
    with world.call(id="r1"):
        pass
    attributes = world.finished()[0].attributes or {}
    assert attributes[semconv.COMPAT_OPENLIT_COST] == 0.0035
    assert attributes[semconv.COMPAT_LOGFIRE_COST] == 0.0035
    assert attributes[semconv.COMPAT_OPENINFERENCE_PREFIX + "total"] == 0.0035
    assert attributes[semconv.COMPAT_OPENINFERENCE_PREFIX + "prompt"] == 0.0025
    assert attributes[semconv.COMPAT_OPENINFERENCE_PREFIX + "completion"] == 0.001


def test_install_twice_is_one_install(world: World) -> None:
    assert runtime.install(world.provider) is world.runtime
    with world.call(id="r1"):
        pass
    assert world.spend() == 0.0035


def test_disabled_installs_nothing() -> None:
    runtime.uninstall()
    assert runtime.install(config=Config(enabled=False)) is None
    assert runtime.current() is None


def test_old_attribute_names_alone_are_not_a_silent_zero(world: World) -> None:
    attributes = {
        semconv.SYSTEM: "openai",
        semconv.REQUEST_MODEL: "gpt-4o",
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 100,
    }
    world.tracer("opentelemetry.instrumentation.openai.v1").start_span("chat", attributes=attributes).end()
    assert world.spend() == 0.0035


def test_jobs_that_start_each_other_do_not_keep_all_spans_alive(world: World) -> None:
    from opentelemetry import context as context_api

    def alive() -> int:
        gc.collect()
        return sum(isinstance(found, trace.Span) for found in gc.get_objects())

    def run(rounds: int) -> None:
        where = context_api.get_current()
        for _ in range(rounds):
            span = world.tracer("job").start_span("job", context=where)
            where = trace.set_span_in_context(span, where)
            span.end()
            world.spans.clear()

    run(10)
    before = alive()
    run(200)
    assert alive() - before < 50


def test_an_interrupt_while_settling_still_ends_the_span(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.runtime.pipeline, "process", interrupted)
    span = world.tracer().start_span("chat", attributes=chat())
    with pytest.raises(KeyboardInterrupt):
        span.end()
    assert len(world.finished()) == 1


def test_one_failing_taker_does_not_starve_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_record: object) -> None:
        raise RuntimeError("boom")

    shield.set_strict(False)
    monkeypatch.setattr(world.runtime.budgets, "take", broken)
    with world.call(id="r1"):
        pass
    assert world.statuses() == ["priced"]
    assert world.spend() == 0.0035


def test_labels_with_a_verdicts_name_do_not_look_like_one(world: World) -> None:
    with labels(reason="nightly", status="x"), world.call(id="r1"):
        pass
    attributes = world.finished()[0].attributes or {}
    assert attributes[semconv.STATUS] == "priced"
    assert semconv.REASON not in attributes
    assert attributes[semconv.label_attribute("reason")] == "nightly"


def test_calls_that_run_side_by_side_all_add_to_the_span_around_them(world: World) -> None:
    """A lost update would leave the outer span with tokens beyond its calls', and count them twice."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with world.tracer("app").start_as_current_span("request") as request:
            where = trace.set_span_in_context(request)

            def calls() -> None:
                token = context.attach(where)
                for _ in range(25):
                    with world.call():
                        pass
                context.detach(token)

            threads = [threading.Thread(target=calls) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert (world.finished("request")[0].attributes or {})[semconv.SUBTREE_COST] == pytest.approx(
        200 * 0.0035, abs=1e-12
    )
    assert node_of(request).inside == Inside(200, 0, 200_000, 20_000)  # type: ignore[union-attr]
