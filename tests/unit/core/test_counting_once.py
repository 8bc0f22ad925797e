"""One charge a call, whoever else writes spans about it; and two charges for two calls."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from otel_cost import semconv
from tests.support.world import FRAMEWORK, World, chat

OTHER_WIRE = "opentelemetry.instrumentation.openai.v1"
OURS_OUTER = semconv.INSTRUMENTATION_SCOPE_PREFIX + "litellm"
OURS = semconv.INSTRUMENTATION_SCOPE_PREFIX + "openai"
ONE = 0.0035
"""1,000 input and 100 output tokens of gpt-4o."""


def counted(world: World) -> int:
    return Counter(world.statuses())["priced"]


def test_framework_around_the_request_nested(world: World) -> None:
    with world.call(scope=FRAMEWORK, kind=SpanKind.INTERNAL), world.call(id="r1"):
        pass
    assert world.statuses() == ["priced", "wrapper"]
    assert world.spend() == ONE


def test_framework_beside_the_request_as_siblings(world: World) -> None:
    with world.tracer("app").start_as_current_span("request"):
        _overlapping(world, FRAMEWORK, OTHER_WIRE)
    assert counted(world) == 1
    assert world.spend() == ONE


def test_framework_and_request_in_separate_traces(world: World) -> None:
    _overlapping(world, FRAMEWORK, OTHER_WIRE)
    assert len({span.context.trace_id for span in world.finished()}) == 2
    assert counted(world) == 1
    assert world.spend() == ONE


def _overlapping(world: World, outer_scope: str, inner_scope: str, at_ns: int = 0) -> None:
    """Two spans of one call that do not know each other; the outer one's interval contains the inner one's."""
    from tests.support.world import chat

    start = 1_790_000_000 * 10**9 + at_ns
    outer = world.tracer(outer_scope).start_span("chat", attributes=chat(), start_time=start)
    inner = world.tracer(inner_scope).start_span("chat", attributes=chat(), start_time=start + 10**6)
    for span, end in ((inner, start + 10**9), (outer, start + 10**9 + 10**6)):
        span.set_attribute(semconv.USAGE_INPUT_TOKENS, 1000)
        span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, 100)
        span.end(end)


def test_two_identical_calls_one_after_the_other_count_twice(world: World) -> None:
    for at in (0, 2 * 10**9):
        _overlapping(world, FRAMEWORK, OTHER_WIRE, at)
    assert counted(world) == 2
    assert world.spend() == 2 * ONE


def test_two_identical_calls_of_one_emitter_count_twice(world: World) -> None:
    with world.tracer("app").start_as_current_span("request"):
        for _ in range(2):
            with world.call():
                pass
    assert counted(world) == 2


def test_different_response_ids_are_different_calls(world: World) -> None:
    with world.call(scope=OTHER_WIRE, id="a"), world.call(id="b"):
        pass
    assert counted(world) == 2


def test_same_response_id_in_another_trace_is_the_same_call(world: World) -> None:
    with world.call(id="a"):
        pass
    with world.call(scope=OTHER_WIRE, id="a"):
        pass
    assert world.statuses() == ["priced", "duplicate"]


def test_same_response_id_with_other_totals_is_another_call(world: World) -> None:
    """Some servers number their answers with small random numbers."""
    with world.call(id="7"):
        pass
    with world.call(id="7", usage=(5, 5)):
        pass
    assert counted(world) == 2


def test_same_response_id_with_a_miscounted_total_side_by_side_is_the_same_call(world: World) -> None:
    """An emitter that counts one output token too many in streams."""
    with world.call(scope=OTHER_WIRE, id="a", usage=(1000, 101)), world.call(id="a"):
        pass
    assert world.statuses() == ["priced", "duplicate"]
    assert world.spend() == ONE


def test_same_response_id_of_another_tenant_is_another_call(world: World) -> None:
    for tenant in ("a", "b"):
        with world.call(id="7", otel_cost__tenant=tenant):
            pass
    assert counted(world) == 2


def test_official_instrumentor_around_ours_without_usage_of_its_own(world: World) -> None:
    """A stream whose usage the outer instrumentation never asked for."""
    with world.call(usage=None), world.call(scope=OURS, id="r1"):
        pass
    assert world.statuses() == ["priced", "duplicate"]


def test_ours_inside_ours_counts_the_inner_ones(world: World) -> None:
    """Retries and fallbacks inside a router are billed attempts; the outer span sums or shows the last one."""
    with world.call(scope=OURS_OUTER, id="outer"):
        for number in range(2):
            with world.call(scope=OURS, id=f"attempt{number}"):
                pass
    assert world.statuses() == ["priced", "priced", "wrapper"]


def test_ours_side_by_side_are_different_calls(world: World) -> None:
    _overlapping(world, OURS_OUTER, OURS)
    assert counted(world) == 2


def test_agent_with_aggregated_tokens_is_a_wrapper(world: World) -> None:
    with world.call(gen_ai__operation__name="invoke_agent", usage=(2000, 200)):
        for number in range(2):
            with world.call(id=f"r{number}"):
                pass
    assert world.statuses() == ["priced", "priced", "wrapper"]


def test_remote_agent_with_tokens_is_priced(world: World) -> None:
    with world.call(gen_ai__operation__name="invoke_agent"):
        pass
    assert world.statuses() == ["priced"]


def test_remote_agent_without_tokens_says_so(world: World) -> None:
    with world.call(gen_ai__operation__name="invoke_agent", usage=None):
        pass
    assert (world.finished()[0].attributes or {})[semconv.REASON] == "remote_agent"


def test_a_remote_agent_is_charged_when_the_only_call_inside_it_failed(world: World) -> None:
    agent = world.call(scope=FRAMEWORK, gen_ai__operation__name="invoke_agent")
    with agent, suppress(RuntimeError), world.call(usage=None):
        raise RuntimeError
    assert world.statuses() == ["priced", "priced"]
    assert world.spend() == 0.0035


def test_agent_of_this_process_never_costs(world: World) -> None:
    with world.call(gen_ai__operation__name="invoke_agent", kind=SpanKind.INTERNAL):
        pass
    assert world.statuses() == ["wrapper"]


def test_a_chain_around_two_calls_is_a_wrapper(world: World) -> None:
    with world.call(scope=FRAMEWORK, kind=SpanKind.INTERNAL, usage=(2000, 200)):
        for number in range(2):
            with world.call(id=f"r{number}"):
                pass
    assert world.statuses() == ["priced", "priced", "wrapper"]


def test_an_unpriced_call_inside_still_makes_the_outer_a_wrapper(world: World) -> None:
    with (
        world.call(scope=FRAMEWORK, kind=SpanKind.INTERNAL, gen_ai__request__model="made-up-9"),
        world.call(id="r1", gen_ai__request__model="made-up-9"),
    ):
        pass
    assert world.statuses() == ["unpriced", "wrapper"]


def test_streaming_wrapper_that_ends_first_is_matched_too(world: World) -> None:
    """A wire span that outlives the span around it: the first to end is the one that is counted."""
    from tests.support.world import chat

    start = 1_790_000_000 * 10**9
    outer = world.tracer(FRAMEWORK).start_span("chat", attributes=chat(), start_time=start)
    inner = world.tracer(OTHER_WIRE).start_span("chat", attributes=chat(), start_time=start + 1000)
    for span in (outer, inner):
        span.set_attribute(semconv.USAGE_INPUT_TOKENS, 1000)
        span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, 100)
    outer.end(start + 10**9)
    inner.end(start + 10**9 + 2 * 10**6)
    assert world.statuses() == ["priced", "duplicate"]


@pytest.mark.parametrize("count", [8])
async def test_parallel_identical_async_calls(world: World, count: int) -> None:
    """Without an enclosing span, framework and request share nothing but their interval and totals."""

    async def one() -> None:
        with world.call(scope=FRAMEWORK, kind=SpanKind.INTERNAL):
            await asyncio.sleep(0)
            with world.call(scope=OTHER_WIRE):
                await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(count)))
    assert counted(world) == count
    assert world.spend() == pytest.approx(count * ONE, abs=1e-12)


def test_parallel_identical_calls_whose_spans_do_not_nest(world: World) -> None:
    """Eight at once, each with a framework span that is no parent: one to one, none lost, none doubled."""
    from tests.support.world import chat

    start = 1_790_000_000 * 10**9
    pairs = []
    for number in range(8):
        outer = world.tracer(FRAMEWORK).start_span("chat", attributes=chat(), start_time=start + number)
        inner = world.tracer(OTHER_WIRE).start_span("chat", attributes=chat(), start_time=start + 10**6 + number)
        pairs.append((outer, inner, start + 10**9 + number * 10**8))
    for outer, inner, end in pairs:
        for span in (inner, outer):
            span.set_attribute(semconv.USAGE_INPUT_TOKENS, 1000)
            span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, 100)
            span.end(end)
    assert counted(world) == 8


def test_threads_with_identical_calls(world: World) -> None:
    start = threading.Barrier(16)

    def one() -> None:
        start.wait()
        with world.call(scope=FRAMEWORK, kind=SpanKind.INTERNAL), world.call(scope=OTHER_WIRE):
            pass

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(world) == 16
    assert world.spend() == pytest.approx(16 * ONE, abs=1e-12)


def test_one_id_for_all_answers_of_a_server_does_not_lose_calls(world: World) -> None:
    for model in ("gpt-4o", "gpt-4.1", "gpt-4o-mini"):
        with world.call(id="chatcmpl-0", gen_ai__request__model=model):
            pass
    for _ in range(2):
        with world.call(scope=OURS, id="chatcmpl-1"):
            pass
    assert counted(world) == 5


@pytest.mark.parametrize("error", ["APITimeoutError", "CancelledError"])
def test_a_call_that_the_app_gave_up_on_is_not_known_to_be_free(world: World, error: str) -> None:
    with world.call(usage=None, error__type=error):
        pass
    attributes = world.finished()[0].attributes or {}
    assert (attributes[semconv.STATUS], attributes[semconv.REASON]) == ("unpriced", "aborted")


def test_a_span_with_tokens_beyond_those_of_the_calls_inside_made_a_call_of_its_own(world: World) -> None:
    """A hand-written span around one large call, with a small instrumented embedding inside it."""
    embedding = {"gen_ai__operation__name": "embeddings", "gen_ai__request__model": "text-embedding-3-small"}
    with (
        world.call(scope="my.own", kind=SpanKind.INTERNAL, usage=(100_000, 1000)),
        world.call(usage=(10, 0), **embedding),
    ):
        pass
    assert counted(world) == 2


def test_a_small_call_around_one_that_failed_is_counted(world: World) -> None:
    """A fallback to a provider that nobody instruments: there is no count to be off by a little."""
    with world.call(scope=FRAMEWORK, kind=SpanKind.INTERNAL, usage=(12, 8)), world.call(usage=None, error__type="E429"):
        pass
    assert world.statuses() == ["priced", "priced"]
    assert world.spend() > 0


def test_a_burst_of_equal_calls_is_matched_one_to_one_and_in_time(world: World) -> None:
    """Every one of them overlaps every other one; the search for places is bounded and does not recurse."""
    from tests.support.world import chat

    start, count, jitter = 1_790_000_000 * 10**9, 300, 3_000_000
    pairs = [
        [
            world.tracer(scope).start_span("chat", attributes=chat(), start_time=start + factor * number % jitter)
            for scope, factor in ((FRAMEWORK, 7919), (OTHER_WIRE, 104729))
        ]
        for number in range(count)
    ]
    for which in (1, 0):
        for number, pair in enumerate(pairs):
            span = pair[which]
            span.set_attribute(semconv.USAGE_INPUT_TOKENS, 1000)
            span.set_attribute(semconv.USAGE_OUTPUT_TOKENS, 100)
            span.end(start + 10**9 + 15485863 * number % jitter)
    assert counted(world) == count


@pytest.mark.parametrize("other", [{"otel_cost__tenant": "b"}, {"gen_ai__request__model": "gpt-4.1"}])
def test_another_tenant_or_model_is_another_call(world: World, other: dict[str, str]) -> None:
    with world.call(scope=OTHER_WIRE, otel_cost__tenant="a"), world.call(**{"otel_cost__tenant": "a", **other}):
        pass
    assert counted(world) == 2


BOTOCORE = "opentelemetry.instrumentation.botocore.bedrock-runtime"
INVOKE = {"gen_ai__request__model": "anthropic.claude-sonnet-4-6-v1:0", "gen_ai__provider__name": "aws.bedrock"}


def test_a_miscounting_emitter_right_inside_others_is_the_same_call(world: World) -> None:
    """Three instrumentations of one InvokeModel: the innermost leaves the cache out of its total. FEATURES A7."""
    with (
        world.call(scope="openinference.instrumentation.bedrock", usage=(5000, 100), **INVOKE),
        world.call(scope="opentelemetry.instrumentation.genai.vertex", usage=(5000, 100), **INVOKE),
        world.call(scope=BOTOCORE, usage=(1000, 100), rpc__method="InvokeModel", **INVOKE),
    ):
        pass
    assert world.statuses() == ["estimated", "duplicate", "duplicate"]


def test_a_miscounting_emitter_right_around_another_is_the_same_call(world: World) -> None:
    with (
        world.call(scope=BOTOCORE, usage=(1000, 100), rpc__method="InvokeModel", **INVOKE),
        world.call(usage=(5000, 100), **INVOKE),
    ):
        pass
    assert world.statuses() == ["priced", "duplicate"]


def test_the_one_inside_that_ends_last_is_the_same_call(world: World) -> None:
    """A stream's inner span may outlive the one around it."""
    start = {**{name.replace("__", "."): value for name, value in INVOKE.items()}, semconv.OPERATION_NAME: "chat"}
    outer = world.tracer(BOTOCORE).start_span("chat", attributes={**start, "rpc.method": "InvokeModel"})
    inner = world.tracer().start_span("chat", context=trace.set_span_in_context(outer), attributes=start)
    for span, into in ((outer, 1000), (inner, 5000)):
        span.set_attributes({semconv.USAGE_INPUT_TOKENS: into, semconv.USAGE_OUTPUT_TOKENS: 100})
        span.end()
    assert world.statuses() == ["estimated", "duplicate"]


def test_a_miscounted_call_beside_another_is_a_call_of_its_own(world: World) -> None:
    """Siblings with other totals: nothing says that they are one call."""
    with world.tracer("app").start_as_current_span("request"):
        with world.call(scope=BOTOCORE, usage=(1000, 100), rpc__method="InvokeModel", **INVOKE):
            pass
        with world.call(usage=(5000, 100), **INVOKE):
            pass
    assert world.statuses()[:2] == ["estimated", "priced"]


def test_counts_that_come_after_a_span_without_any_are_priced_all_the_same(world: World) -> None:
    """In process nothing is taken back: better a second record without money than none with it."""
    with (
        world.call(scope="openinference.instrumentation.bedrock", usage=(5000, 100), **INVOKE),
        world.call(scope=BOTOCORE, usage=None, **INVOKE),
    ):
        pass
    assert world.statuses() == ["unpriced", "estimated"]


def _failing(world: World, scope: str, *, attached: bool = True, error: str = "InternalServerError") -> Span:
    where = None if attached else Context()
    return world.tracer(scope).start_span("chat", context=where, attributes={**chat(), semconv.ERROR_TYPE: error})


def test_a_call_that_failed_is_one_in_separate_traces_too(world: World) -> None:
    """LiteLLM's callback writes in a trace of its own; there is neither an id nor counts to know the call by."""
    for counts in ({}, {semconv.USAGE_INPUT_TOKENS: 0, semconv.USAGE_OUTPUT_TOKENS: 0}):
        outer, inner = _failing(world, FRAMEWORK, attached=False), _failing(world, OURS, attached=False)
        inner.end()
        outer.set_attributes(counts)
        outer.end()
    assert world.statuses() == ["priced", "duplicate"] * 2


def test_calls_that_failed_side_by_side_stay_as_many_as_they_are(world: World) -> None:
    spans = [_failing(world, scope, attached=False) for scope in (FRAMEWORK, FRAMEWORK, OURS, OURS)]
    for span in reversed(spans):
        span.end()
    assert Counter(world.statuses()) == {"priced": 2, "duplicate": 2}


def test_a_failed_call_is_not_one_without_counts_that_went_well(world: World) -> None:
    outer = world.tracer(FRAMEWORK).start_span("chat", context=Context(), attributes=chat())
    _failing(world, OURS, attached=False).end()
    outer.end()
    assert world.statuses() == ["priced", "unpriced"]


@pytest.mark.parametrize(("later_ms", "charges"), [(20, 1), (60, 2)])
def test_spans_that_nearly_coincide_are_one_call(world: World, later_ms: int, charges: int) -> None:
    """A stream's outer span may end first; two calls that overlap by half are two."""
    for scope, at in ((FRAMEWORK, 0), (OTHER_WIRE, later_ms * 10**6)):
        tracer = world.tracer(scope)
        span = tracer.start_span("chat", context=Context(), attributes=chat(), start_time=10**18 + at)
        span.set_attributes({semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100})
        span.end(10**18 + at + 100 * 10**6)
    assert counted(world) == charges
