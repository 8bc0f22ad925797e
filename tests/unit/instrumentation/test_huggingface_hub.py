"""What is read from Hugging Face's answers and requests."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _huggingface_answers as answers
from otel_cost_instrumentation import huggingface_hub as sdk

NOTE, READ = sdk.PROVIDER.methods[0].read, sdk.PROVIDER.methods[1].read
ROUTER = "https://router.huggingface.co/"


def _request(url: str, body: object, task: str = "conversational", *, asked: str = "", stream: bool = False) -> Any:
    NOTE(None, (), {"model": asked})
    told = SimpleNamespace(url=url, json=body, task=task, model=None)
    return READ(None, (told,), {"stream": stream})


def test_a_request() -> None:
    request = _request("http://tgi.local:8080/v1/chat/completions", {"model": "m", "max_tokens": 9, "temperature": 0.5})

    assert (request.provider, request.address, request.port) == ("", "tgi.local", 8080)
    assert (request.operation, request.model, request.max_output_tokens) == ("chat", "m", 9)
    assert request.parameters[semconv.REQUEST_TEMPERATURE] == 0.5


def test_limits_of_generated_text_are_among_its_parameters() -> None:
    body = {"inputs": "hello", "parameters": {"max_new_tokens": 9, "temperature": 0.5}}
    request = _request("https://x.example/models/org/name", body, "text-generation")

    assert (request.model, request.max_output_tokens, request.input_bytes) == ("org/name", 9, 5)


@pytest.mark.parametrize(
    ("path", "sent", "asked", "provider", "model"),
    [
        ("v1/chat/completions", "org/name", "org/name", "huggingface", "org/name"),
        ("v1/chat/completions", "org/name:groq", "org/name:groq", "huggingface_groq", "org/name"),
        ("v1/chat/completions", "org/name:cheapest", "org/name:cheapest", "huggingface", "org/name"),
        ("groq/openai/v1/chat/completions", "name", "org/name", "huggingface_groq", "org/name"),
        ("fireworks-ai/inference/v1/chat/completions", "a/b", "org/name", "huggingface_fireworks-ai", "org/name"),
        ("hf-inference/models/org/name/v1/chat/completions", "org/name", "", "huggingface_hf-inference", "org/name"),
        ("hf-inference/models/org/name", "tgi", "https://x/", "huggingface_hf-inference", "org/name"),
    ],
)
def test_whom_the_router_asks(path: str, sent: str, asked: str, provider: str, model: str) -> None:
    request = _request(ROUTER + path, {"model": sent}, asked=asked)

    assert (request.provider, request.model) == (provider, model)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/models/org/name", "org/name"),
        ("/hf-inference/models/org/name/pipeline/feature-extraction", "org/name"),
        ("/models/org/name/v1/chat/completions", "org/name"),
        ("/generate", ""),
    ],
)
def test_the_model_of_a_path(path: str, model: str) -> None:
    assert _request("https://x.example" + path, {"inputs": "x"}, "feature-extraction").model == model


def test_a_request_that_says_nothing() -> None:
    assert READ(None, (), {}) is None
    assert _request("not a URL", {}) is None
    assert _request("https://x.example/", None).model == ""


def test_a_task_that_is_not_read_and_names_no_model() -> None:
    assert _request("https://x.example/", {"inputs": "x"}, "text-to-image") is None


def _counts(found: Any) -> tuple[object, object]:
    return found.get(semconv.USAGE_INPUT_TOKENS), found.get(semconv.USAGE_OUTPUT_TOKENS)


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ([{"generated_text": "x", "details": {"generated_tokens": 7, "prefill": [{}, {}]}}], (2, 7)),
        ({"generated_text": "x", "details": {"generated_tokens": 0, "prefill": []}}, (None, 0)),
        ({"generated_text": "x"}, (None, None)),
        ({"choices": [{"text": "x"}], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}, (5, 7)),
        ([], (None, None)),
    ],
)
def test_generated_text(answer: object, counts: tuple[int | None, int | None]) -> None:
    assert _counts(answers.generated(json.dumps(answer).encode())) == counts


def test_what_was_generated() -> None:
    assert answers.generated_text(b'[{"generated_text": "words"}]') == ["words"]
    assert "words" in (answers.generated_text(b'{"choices": [{"text": "words"}]}') or ())
    assert answers.generated_text(b"no JSON") is None


def test_vectors() -> None:
    assert _counts(answers.vectors(b'{"model": "m", "data": [], "usage": {"prompt_tokens": 5}}')) == (5, None)
    assert answers.vectors(b"[[0.5]]") == {}


def test_lines_of_generated_text() -> None:
    heard = Text()
    reader = answers.TextLines(heard)
    assert reader.read('data:{"token": {"text": "word"}, "details": null}')
    assert not reader.final
    assert not heard.empty

    reader.read("")
    reader.read('data:{"token": {"text": "."}, "details": {"generated_tokens": 2, "input_length": 5}}')

    assert reader.final
    assert _counts(reader.attributes()) == (5, 2)


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ('data: {"error": "out of memory", "error_type": "generation"}', "generation"),
        ('data: {"error": {"message": "x", "type": "server_error", "code": null}}', "server_error"),
        ('data: {"error": "x"}', "error"),
    ],
)
def test_an_error_ends_a_stream(line: str, failure: str) -> None:
    reader = answers.ChatLines(Text())
    reader.read(line)

    assert reader.attributes()[semconv.ERROR_TYPE] == failure
