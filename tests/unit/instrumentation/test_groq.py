"""What is read from Groq's answers and arguments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import groq as sdk

UNIT = semconv.UNIT_PREFIX
READ = sdk.PROVIDER.methods[0].read


def _request(path: str, body: dict[str, Any], base_url: str = "https://api.groq.com", **more: Any) -> Any:
    return READ(SimpleNamespace(base_url=base_url), (path,), {"body": body, **more})


def test_a_request() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 9, "n": 2}
    body |= {"temperature": 0.5, "service_tier": "flex"}
    request = _request("/openai/v1/chat/completions", body, stream=True)

    assert (request.provider, request.address, request.port) == ("groq", "api.groq.com", 443)
    assert (request.max_output_tokens, request.choices) == (9, 2)
    assert request.arguments["body"] is body
    assert request.parameters == {
        semconv.REQUEST_TEMPERATURE: 0.5,
        semconv.REQUEST_MAX_TOKENS: 9,
        semconv.REQUEST_CHOICE_COUNT: 2,
        semconv.REQUEST_STREAM: True,
        semconv.OPENAI_REQUEST_SERVICE_TIER: "flex",
    }


def test_another_host_is_not_groq() -> None:
    assert _request("/openai/v1/chat/completions", {"model": "m"}, "https://proxy.example").provider == ""


@pytest.mark.parametrize("path", ["/openai/v1/batches", "/openai/v1/batches/b/cancel", "/openai/v1/files"])
def test_what_is_free(path: str) -> None:
    assert _request(path, {"model": "m"}) is None


def test_what_is_new_is_seen() -> None:
    request = _request("/openai/v1/audio/speech", {"model": "m", "input": "x"})

    assert (request.operation, request.answer({})) == ("generate_content", {})


@pytest.mark.parametrize("duration", [None, "1", True, float("nan"), float("inf")])
def test_no_time_is_made_up(duration: object) -> None:
    assert sdk.sound({"text": "x", "duration": duration}) == {}


def test_time_is_rounded_up() -> None:
    assert sdk.sound({"duration": 10.01}) == {UNIT + "audio_seconds": 11, UNIT + "input_audio_seconds": 11}


def test_tools_by_their_kind() -> None:
    kinds = ("python", "search", "visit", "mcp", "function")
    message = {"content": "x", "executed_tools": [{"index": at, "type": kind} for at, kind in enumerate(kinds)]}

    found = sdk.completion({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})

    assert (found[UNIT + "web_searches"], found[UNIT + "code_executions"]) == (2, 1)


def test_reasoning_is_heard() -> None:
    heard = Text()
    sdk.CompletionReader(heard).read({"choices": [{"index": 0, "delta": {"reasoning": "so"}}]})

    assert not heard.empty
