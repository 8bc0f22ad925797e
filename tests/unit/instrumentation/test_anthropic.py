"""What the anthropic module reads from requests and answers, case by case."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import anthropic

SEARCHES = semconv.UNIT_PREFIX + "web_searches"


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.anthropic.com", "anthropic"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("127.0.0.1", "anthropic"),
        ("proxy.example", ""),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages?beta=true"])
def test_the_host_says_who_the_provider_is(host: str, provider: str, path: str) -> None:
    client = SimpleNamespace(base_url=f"https://{host}:8443")
    body = {"model": "claude", "max_tokens": 10, "messages": "12345678", "system": object(), "temperature": 0}

    read = anthropic.PROVIDER.methods[0].read(client, (path,), {"body": body, "stream": True})

    assert read is not None
    assert (read.provider, read.address, read.port, read.input_bytes) == (provider, host, 8443, 8)
    assert read.parameters == {
        semconv.REQUEST_MAX_TOKENS: 10,
        semconv.REQUEST_TEMPERATURE: 0.0,
        semconv.REQUEST_STREAM: True,
    }


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/messages/batches", "/v1/models"])
def test_other_paths_are_none_of_ours(path: str) -> None:
    client = SimpleNamespace(base_url="https://api.anthropic.com/v1")

    assert anthropic.PROVIDER.methods[0].read(client, (path,), {"body": {}}) is None


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/agents", "/v1/organizations/invites"])
def test_what_is_free_or_billed_elsewhere_has_no_call(path: str) -> None:
    client = SimpleNamespace(base_url="https://api.anthropic.com")

    assert anthropic.PROVIDER.methods[0].read(client, (path,), {"body": {"model": "claude"}}) is None


@pytest.mark.parametrize(
    ("path", "operation"), [("/v1/complete", "text_completion"), ("/v1/brand_new", "generate_content")]
)
def test_what_costs_and_is_not_read_is_a_call_without_usage(path: str, operation: str) -> None:
    client = SimpleNamespace(base_url="https://api.anthropic.com")
    read = anthropic.PROVIDER.methods[0].read(client, (path,), {"body": {"model": "claude", "prompt": "12345678"}})

    assert read is not None
    assert (read.operation, read.model, read.provider) == (operation, "claude", "anthropic")
    assert read.answer({"usage": {"input_tokens": 1}}) == {}


def test_input_includes_the_cache_and_parts_are_kept_apart() -> None:
    found = anthropic.message(
        {
            "id": "m1",
            "model": "claude",
            "stop_reason": "end_turn",
            "usage": {
                "input_tokens": 450,
                "cache_read_input_tokens": 400,
                "cache_creation_input_tokens": 150,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 50},
                "output_tokens": 200,
                "output_tokens_details": {"thinking_tokens": 30},
                "server_tool_use": {"web_search_requests": 2},
                "service_tier": "priority",
            },
        }
    )

    assert found == {
        semconv.RESPONSE_ID: "m1",
        semconv.RESPONSE_MODEL: "claude",
        semconv.RESPONSE_FINISH_REASONS: ["end_turn"],
        semconv.USAGE_INPUT_TOKENS: 1000,
        semconv.USAGE_OUTPUT_TOKENS: 200,
        semconv.USAGE_CACHE_READ: 400,
        semconv.USAGE_CACHE_WRITE: 150,
        semconv.ANTHROPIC_CACHE_5M: 100,
        semconv.ANTHROPIC_CACHE_1H: 50,
        semconv.USAGE_REASONING: 30,
        SEARCHES: 2,
        "anthropic.response.service_tier": "priority",
    }


@pytest.mark.parametrize(("speed", "tier"), [("fast", "fast"), ("standard", None), (None, None)])
def test_fast_mode_is_a_service_tier(speed: str | None, tier: str | None) -> None:
    """The answer's own service tier says "standard" all the same."""
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard", "speed": speed}
    found = anthropic.message({"usage": usage})
    reader = anthropic.MessageReader(Text())
    reader.read({"type": "message_start", "message": {"usage": usage}})
    reader.read({"type": "message_delta", "usage": {"output_tokens": 2}})

    assert found.get(semconv.SERVICE_TIER) == reader.attributes().get(semconv.SERVICE_TIER) == tier
    assert found[semconv.ANTHROPIC_RESPONSE_SERVICE_TIER] == "standard"


def test_all_iterations_are_billed() -> None:
    """A compaction is left out of the totals."""
    found = anthropic.message_usage(
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "iterations": [
                {"type": "compaction", "input_tokens": 5000, "output_tokens": 300, "cache_read_input_tokens": 7},
                {"type": "message", "input_tokens": 100, "output_tokens": 20},
            ],
        }
    )

    assert (found[semconv.USAGE_INPUT_TOKENS], found[semconv.USAGE_OUTPUT_TOKENS]) == (5107, 320)
    assert found[semconv.USAGE_CACHE_READ] == 7
    # Also where whoever else writes on the span does not put the smaller totals.
    ours = {unit: found[semconv.UNIT_PREFIX + unit] for unit in ("input_tokens", "output_tokens", "cache_read_tokens")}
    assert ours == {"input_tokens": 5107, "output_tokens": 320, "cache_read_tokens": 7}


def test_iterations_that_list_less_than_the_totals_are_not_believed() -> None:
    found = anthropic.message_usage(
        {"input_tokens": 100, "output_tokens": 20, "iterations": [{"input_tokens": 1, "output_tokens": 1}]}
    )

    assert (found[semconv.USAGE_INPUT_TOKENS], found[semconv.USAGE_OUTPUT_TOKENS]) == (100, 20)
    assert not [name for name in found if name.startswith(semconv.UNIT_PREFIX)]


def test_a_stream_takes_the_last_word_on_each_count() -> None:
    heard = Text(keep=100)
    reader = anthropic.MessageReader(heard)
    start = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1, "service_tier": "standard"}
    reader.read({"type": "message_start", "message": {"id": "m1", "model": "claude", "usage": start}})
    reader.read({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "12345678"}})
    assert not reader.final
    assert reader.attributes()[semconv.USAGE_INPUT_TOKENS] == 15
    assert heard.tokens(len, 100) == 8

    told = {"input_tokens": None, "output_tokens": 42, "server_tool_use": {"web_search_requests": 1}}
    reader.read({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": told})

    found = reader.attributes()
    assert reader.final
    assert (found[semconv.USAGE_INPUT_TOKENS], found[semconv.USAGE_OUTPUT_TOKENS]) == (15, 42)
    assert (found[semconv.USAGE_CACHE_READ], found[SEARCHES]) == (5, 1)
    assert found[semconv.RESPONSE_FINISH_REASONS] == ["end_turn"]


def test_counts_that_are_none_are_left_out() -> None:
    assert anthropic.message({"usage": {"input_tokens": "many", "output_tokens": True}}) == {}
