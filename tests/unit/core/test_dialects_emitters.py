"""Each emitter's spans, as its source writes them (releases in the dialect modules), are read to inclusive counts."""

from __future__ import annotations

import pytest

from otel_cost import dialects, semconv
from otel_cost.dialects.scopes import EXACT, PREFIXES
from tests.unit.core.written import ALL
from tests.unit.core.written.spans import OTEL, Written, called, usage


@pytest.mark.parametrize("written", ALL, ids=lambda written: f"{written.scope}: {written.name}")
def test_counts_are_read_inclusive(written: Written) -> None:
    reading = written.read()
    assert reading.problem == ""
    assert reading.usage is not None
    named = {unit.removesuffix("_tokens"): count for unit, count in reading.usage.counts.items()}
    assert named == written.counts


@pytest.mark.parametrize("written", ALL, ids=lambda written: f"{written.scope}: {written.name}")
def test_what_a_span_stands_for(written: Written) -> None:
    reading = written.read()
    assert (reading.layer, reading.operation, reading.provider) == (written.layer, written.operation, written.provider)
    assert written.model in ("", reading.model_answered or reading.model_requested)
    assert written.response_id in ("", reading.response_id)
    assert reading.service_tier == written.tier
    assert reading.streaming == written.streaming
    assert not reading.follows


@pytest.mark.parametrize("written", ALL, ids=lambda written: f"{written.scope}: {written.name}")
def test_counts_that_are_not_the_providers_say_so_and_name_the_emitter(written: Written) -> None:
    """Issue: an emitter known to estimate, or to miscount, makes the charge estimated."""
    assert bool(written.read().estimated) == bool(written.doubted)
    assert written.doubted in written.read().estimated


def test_every_emitter_in_the_table_is_tried_above() -> None:
    tried = {id(dialects.emitter_of(written.scope)) for written in ALL}
    missing = {scope for scope, emitter in [*EXACT.items(), *PREFIXES] if id(emitter) not in tried}
    # Spans of ours and of these differ from a tried emitter's in their layer only.
    assert missing <= {semconv.INSTRUMENTATION_SCOPE_PREFIX, "traceloop.", "logfire.openai_agents"}


def test_spans_that_stand_for_no_call_are_not_read() -> None:
    """The mistralai SDK writes a chat span for each message of an agent's answer; they have no tokens of their own."""
    message = {**called("mistral_ai", ""), "gen_ai.response.id": "msg_1"}
    assert dialects.read("mistralai_sdk_tracer", "INTERNAL", message) is None


def test_a_span_that_only_opens_a_stream_says_so() -> None:
    """Logfire: the span of a streamed request ends before the stream is read."""
    opening = called("openai", "gpt-4o")
    reading = dialects.read("logfire.openai", "CLIENT", opening)
    assert reading is not None
    assert reading.follows
    answered = dialects.read("logfire.openai", "CLIENT", {**opening, "gen_ai.response.model": "gpt-4o", **usage(1, 1)})
    assert answered is not None
    assert not answered.follows


@pytest.mark.parametrize(
    "json_text",
    ["{", "[1]", "null", '"x"', "[" * 100_000, "{" * 200_000, '{"input": "many"}', '{"input": -1}', '{"input": NaN}'],
    ids=lambda text: text[:20],
)
def test_json_that_is_no_usage_does_no_harm(json_text: str) -> None:
    attributes = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": json_text}
    reading = dialects.read("langfuse-sdk", "INTERNAL", attributes)
    assert reading is not None
    assert reading.usage is None


@pytest.mark.parametrize(
    "text",
    ["{'a': __import__('os')}", "{'a': " + "(" * 4000, "{'a': " + "[" * 60, "{'" + "a" * 6000, "{'prompt_tokens': 1"],
    ids=lambda text: text[:20],
)
def test_a_dict_s_text_is_data_and_bounded(text: str) -> None:
    """LiteLLM writes ``str(dict)``; what is none says nothing, and the counts beside it are taken for what they are."""
    attributes = {**called("openai", "gpt-4o"), "llm.request.type": "completion", **usage(100, 10)}
    reading = dialects.read("litellm", "INTERNAL", {**attributes, "metadata.usage_object": text})
    assert reading is not None
    assert reading.usage is not None
    assert (reading.usage.input_tokens, bool(reading.estimated)) == (100, True)


def test_a_bad_part_is_named_and_not_hidden_in_a_sum() -> None:
    for scope, bad in ((OTEL + "genai.bedrock", "cache_read"), ("com.anthropic.sdk.python", "input_tokens")):
        attributes = {
            **called("aws.bedrock", "claude"),
            **usage(100, 50, cache_read__input_tokens=-7),
            "anthropic.usage.compaction.input_tokens": -7,
        }
        reading = dialects.read(scope, "CLIENT", attributes)
        assert reading is not None
        assert reading.usage is None
        assert bad in reading.problem
        assert "-7" in reading.problem
