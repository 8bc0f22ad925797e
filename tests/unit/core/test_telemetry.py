"""Metrics and events through the SDK (FEATURES O4): exact, bounded, right after a fork and under both temporalities."""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable

import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.trace.span import format_trace_id

from otel_cost import semconv
from otel_cost.config import Config, LabelSettings
from otel_cost.labelling import labels
from tests.support.world import World, make_world


def spend_by(world: World, attribute: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for attributes, value in world.points(semconv.METRIC_SPEND):
        key = str(attributes.get(attribute, ""))
        found[key] = found.get(key, 0) + value
    return found


def test_spend_by_team_and_model(world: World) -> None:
    for team, calls in (("search", 2), ("support", 1)):
        with labels(team=team):
            for _ in range(calls):
                with world.call():
                    pass
    assert spend_by(world, semconv.label_attribute("team")) == {"search": 0.007, "support": 0.0035}
    assert spend_by(world, semconv.RESPONSE_MODEL) == {"gpt-4o": pytest.approx(0.0105, abs=1e-12)}


def test_sums_do_not_drift(world: World) -> None:
    """0.1 + 0.2 problems do not add up over many calls: the counter holds integers."""
    for number in range(1000):
        with world.call(usage=(1, 0), id=f"r{number}"):
            pass
    # 2.50 USD per million: 2,500 nano-USD a token
    assert world.spend() == 0.0025


def test_tokens_are_disjoint_types(world: World) -> None:
    with world.call(
        usage=(1000, 100),
        **{semconv.USAGE_CACHE_READ: 400, semconv.USAGE_REASONING: 30},
    ):
        pass
    by_type = {str(a[semconv.TOKEN_TYPE]): v for a, v in world.points(semconv.METRIC_TOKENS)}
    assert by_type == {"input": 600, "cache_read": 400, "output": 70, "reasoning": 30}


def test_users_and_sessions_never_become_metric_labels(world: World) -> None:
    with labels(user="u1", session="s1", team="search"), world.call():
        pass
    ((attributes, _),) = world.points(semconv.METRIC_SPEND)
    assert not {semconv.USER_ID, semconv.SESSION_ID} & set(attributes)


def test_label_values_are_bounded_and_the_rest_is_other() -> None:
    world = make_world(Config(labels=LabelSettings(max_values=3)))
    for number in range(10):
        with labels(team=f"t{number}"), world.call():
            pass
    by_team = spend_by(world, semconv.label_attribute("team"))
    assert set(by_team) == {"t0", "t1", "t2", "other"}
    assert by_team["other"] == pytest.approx(7 * 0.0035, abs=1e-12)
    assert sum(v for _, v in world.points(semconv.METRIC_LABEL_OVERFLOW)) == 7


def test_cost_histogram_has_an_exemplar_on_the_call_itself(world: World) -> None:
    with world.tracer("app").start_as_current_span("request"), world.call(id="r1"):
        pass
    data = world.metrics.get_metrics_data()
    assert data is not None
    points = [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == semconv.METRIC_OPERATION_COST
        for point in metric.data.data_points
    ]
    (exemplar,) = points[0].exemplars  # type: ignore[union-attr]
    call = world.finished("chat")[0]
    assert exemplar.span_id == call.context.span_id
    assert tuple(points[0].explicit_bounds) == semconv.COST_BUCKETS_USD  # type: ignore[union-attr]


def test_no_call_no_instruments(world: World) -> None:
    with world.tracer("app").start_as_current_span("work"):
        pass
    assert world.metrics.get_metrics_data() is None


@pytest.mark.parametrize("temporality", [AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE])
def test_a_forked_child_counts_its_own_calls_only(temporality: AggregationTemporality) -> None:
    world = make_world(temporality=temporality)
    with world.call():
        pass
    assert world.spend() == 0.0035  # collected once: the SDK now remembers it

    def child() -> None:
        with world.call():
            pass
        with world.call():
            pass
        assert world.spend() == 0.007
        assert len(world.points(semconv.METRIC_SPEND)) == 1

    in_child(child)
    with world.call():
        pass
    assert world.spend() == (0.0035 if temporality is AggregationTemporality.DELTA else 0.007)


def in_child(check: Callable[[], None]) -> None:
    """Run ``check`` in a forked child; its failure fails the test."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            check()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_one_debug_line_a_charge(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """FEATURES B21."""
    with caplog.at_level(logging.DEBUG, semconv.LOGGER_CHARGES), world.call(id="r1"):
        pass
    lines = [record.getMessage() for record in caplog.records if record.name == semconv.LOGGER_CHARGES]
    assert len(lines) == 1
    assert "priced openai/gpt-4o chat usd=0.0035" in lines[0]


def test_the_advice_to_add_a_price_is_given_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, semconv.LOGGER):
        for _ in range(3):
            with world.call(gen_ai__request__model="made-up-9"):
                pass
    lines = [record.getMessage() for record in caplog.records if "made-up-9" in record.getMessage()]
    assert len(lines) == 1
    assert "OTEL_COST_PRICES" in lines[0]
    assert "model: made-up-9" in lines[0]


def test_all_charges_as_events_when_asked() -> None:
    world = make_world(Config(charge_events="all"))
    with world.call(id="r1"):
        pass
    (event,) = world.events(semconv.EVENT_CHARGE)
    span = world.finished()[0]
    assert str(event[semconv.CHARGE_KEY]).startswith(format_trace_id(span.context.trace_id))


def test_our_own_spans_get_the_conventional_histograms(world: World) -> None:
    with world.call(scope=semconv.INSTRUMENTATION_SCOPE_PREFIX + "openai", id="r1"):
        pass
    with world.call(id="r2"):
        pass
    data = world.metrics.get_metrics_data()
    assert data is not None
    counts = {
        metric.name: sum(point.count for point in metric.data.data_points)  # type: ignore[union-attr]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name in (semconv.METRIC_OPERATION_DURATION, semconv.METRIC_TOKEN_USAGE)
    }
    # input and output of the one call that is ours; the other emitter has its own histograms
    assert counts == {semconv.METRIC_OPERATION_DURATION: 1, semconv.METRIC_TOKEN_USAGE: 2}


def test_the_first_charges_of_many_threads_are_all_counted() -> None:
    world, start = make_world(), threading.Barrier(8)

    def one() -> None:
        start.wait()
        with world.call():
            pass

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.statuses() == ["priced"] * 8
    assert world.spend() == pytest.approx(8 * 0.0035, abs=1e-12)


def test_series_stay_below_what_the_sdk_can_hold() -> None:
    world = make_world(Config(labels=LabelSettings(metrics=("a", "b"), max_values=100)))
    parts = {semconv.USAGE_CACHE_READ: 10, semconv.USAGE_CACHE_WRITE: 10, semconv.USAGE_REASONING: 10}
    for number in range(600):
        with labels(a=f"a{number % 100}", b=f"b{number // 100}"), world.call(**parts):
            pass
    points = world.points(semconv.METRIC_TOKENS)
    assert len(points) < 2000
    assert not any("otel.metric.overflow" in attributes for attributes, _ in points)
    assert sum(value for _, value in points) == 600 * 1100


def test_tokens_of_wrappers_and_duplicates_are_not_counted_again(world: World) -> None:
    with world.call(scope="opentelemetry.instrumentation.openai.v1", id="r1"), world.call(id="r1"):
        pass
    assert sum(value for _, value in world.points(semconv.METRIC_TOKENS)) == 1100
