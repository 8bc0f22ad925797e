"""What is read from LiteLLM's answers and arguments."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import litellm as sdk
from otel_cost_instrumentation._request import Request

READ = {method.name: method.read for method in sdk.PROVIDER.methods}


def _named(model: str, custom_llm_provider: str | None, api_base: str | None) -> tuple[str, str, None, str | None]:
    prefix, _, name = model.rpartition("/")
    return name, custom_llm_provider or prefix or "openai", None, api_base


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", SimpleNamespace(get_llm_provider=_named))


def _request(name: str, *args: Any, **kwargs: Any) -> Request | None:
    return READ[name](None, args, kwargs)


@pytest.mark.parametrize(
    ("model", "base", "expected"),
    [
        ("anthropic/claude", None, ("anthropic", "")),
        ("gemini/g", None, ("gcp.gemini", "")),
        ("bedrock/b", None, ("aws.bedrock", "")),
        ("openai/m", "http://vllm.example/v1", ("", "vllm.example")),
        ("openai/m", "https://api.groq.com/openai/v1", ("groq", "api.groq.com")),
        ("gpt-4o", None, ("openai", "")),
    ],
)
def test_who_is_asked(model: str, base: str | None, expected: tuple[str, str]) -> None:
    request = _request("completion", model, [{"role": "user", "content": "hi"}], api_base=base, max_tokens=9)

    assert request is not None
    assert (request.provider, request.address) == expected
    assert (request.model, request.max_output_tokens) == (model.rpartition("/")[2], 9)
    assert "model" not in request.arguments
    assert (semconv.SERVER_ADDRESS in request.attributes()) == bool(expected[1])


@pytest.mark.parametrize("more", [{"acompletion": True}, {"mock_response": "x"}, {"mock_tool_calls": [{}]}])
def test_what_is_no_call(more: dict[str, Any]) -> None:
    assert _request("completion", model="gpt-4o", messages=[], **more) is None


def test_an_answer_from_its_cache_cost_nothing() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 6}
    zero = {semconv.USAGE_INPUT_TOKENS: 0, semconv.USAGE_OUTPUT_TOKENS: 0}

    assert sdk.completion({"usage": usage, "_hidden_params": {"cache_hit": True}}) == zero
    assert sdk.embedding({"usage": usage, "_hidden_params": {"cache_hit": True}}) == zero
    reader = sdk.CompletionReader(Text())
    reader.read({"choices": [], "_hidden_params": {"custom_llm_provider": "cached_response", "usage": usage}})
    assert (reader.final, reader.attributes()) == (True, zero)


def test_caches_and_tools() -> None:
    details = {"cached_tokens": 4, "cache_creation_tokens": 3}
    details["cache_creation_token_details"] = {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}  # type: ignore[assignment]
    usage = {"prompt_tokens": 9, "completion_tokens": 6, "prompt_tokens_details": details}
    usage["server_tool_use"] = {"web_search_requests": 2}

    found = sdk.completion({"usage": usage, "_hidden_params": {"api_base": "https://a.example/v1"}})

    assert found == {
        semconv.USAGE_INPUT_TOKENS: 9,
        semconv.USAGE_OUTPUT_TOKENS: 6,
        semconv.USAGE_CACHE_READ: 4,
        semconv.USAGE_CACHE_WRITE: 3,
        semconv.ANTHROPIC_CACHE_5M: 1,
        semconv.ANTHROPIC_CACHE_1H: 2,
        semconv.UNIT_PREFIX + "web_searches": 2,
        semconv.SERVER_ADDRESS: "a.example",
        semconv.SERVER_PORT: 443,
    }


def test_zeros_that_are_hidden_in_a_chunk_are_no_usage() -> None:
    reader = sdk.CompletionReader(Text())
    reader.read({"choices": [], "_hidden_params": {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}})
    assert not reader.final

    reader.read({"choices": [], "_hidden_params": {"usage": {"prompt_tokens": 5, "completion_tokens": 0}}})
    assert (reader.final, reader.attributes()[semconv.USAGE_INPUT_TOKENS]) == (True, 5)
