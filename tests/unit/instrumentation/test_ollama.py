"""What is read from Ollama's answers and arguments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import ollama as sdk

READ = sdk.PROVIDER.methods[0].read
CLIENT = SimpleNamespace(
    _client=SimpleNamespace(base_url=SimpleNamespace(host="gpu.example", port=None, scheme="https"))
)


def _request(path: str, body: object, **more: Any) -> Any:
    return READ(CLIENT, (object, "POST", path), {"json": body, **more})


def test_a_request() -> None:
    options = {"num_predict": 9, "temperature": 0.5, "top_p": 1}
    request = _request("/api/chat", {"model": "m", "messages": [], "options": options}, stream=True)

    assert (request.provider, request.address, request.port) == ("ollama", "gpu.example", 443)
    assert (request.operation, request.max_output_tokens, request.lazy) == ("chat", 9, True)
    assert request.parameters == {
        semconv.REQUEST_TEMPERATURE: 0.5,
        semconv.REQUEST_TOP_P: 1.0,
        semconv.REQUEST_MAX_TOKENS: 9,
        semconv.REQUEST_STREAM: True,
    }


def test_no_end_is_no_limit() -> None:
    assert _request("/api/generate", {"model": "m", "options": {"num_predict": -1}}).max_output_tokens is None


@pytest.mark.parametrize("path", ["/api/pull", "/api/show", None])
def test_other_paths(path: Any) -> None:
    assert _request(path, {"model": "m"}) is None


def test_a_body_that_is_none() -> None:
    assert _request("/api/chat", None) is None


def test_images_are_not_read_as_text() -> None:
    message = {"role": "user", "content": "x", "images": ["A" * 1_000_000]}
    body = {"model": "m", "messages": [message]}

    assert _request("/api/chat", body).input_bytes < 20_000
    assert _request("/api/generate", {"model": "m", "prompt": "x", "images": ["A" * 1_000_000]}).input_bytes < 20_000
    assert message["images"] == ["A" * 1_000_000]


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ({"done": True, "prompt_eval_count": 5, "eval_count": 7}, (5, 7)),
        ({"done": True, "eval_count": 7}, (0, 7)),
        ({"done": True, "prompt_eval_count": 5}, (5, 0)),
        ({"done": True, "done_reason": "load"}, (0, 0)),
        ({"done": True, "done_reason": "stop"}, (None, None)),
        ({"done": False}, (None, None)),
    ],
)
def test_counts(answer: dict[str, Any], counts: tuple[int | None, int | None]) -> None:
    found = sdk.generated(answer)

    assert (found.get(semconv.USAGE_INPUT_TOKENS), found.get(semconv.USAGE_OUTPUT_TOKENS)) == counts


def test_lines() -> None:
    heard = Text()
    reader = sdk.LinesReader(heard)
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    assert reader.read({"message": {"thinking": "hm", "tool_calls": [call]}, "done": False})
    assert not reader.final
    assert not heard.empty

    reader.read({"model": "m", "done": True, "done_reason": "length", "eval_count": 3})

    assert reader.final
    assert reader.attributes()[semconv.RESPONSE_FINISH_REASONS] == ["length"]


def test_vectors_and_scores() -> None:
    assert sdk.embedded({"model": "m", "prompt_eval_count": 5}) == {
        semconv.RESPONSE_MODEL: "m",
        semconv.USAGE_INPUT_TOKENS: 5,
    }
    scores = sdk.scored({"model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}})
    assert (scores[semconv.USAGE_INPUT_TOKENS], scores[semconv.USAGE_OUTPUT_TOKENS]) == (5, 1)
