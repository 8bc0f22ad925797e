"""What is read from Google's answers, in the shapes that they come in."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.dialects import read
from otel_cost.estimating import Text
from otel_cost_instrumentation.google_genai import PROVIDER, ContentReader, content, embeddings, images

REQUEST = PROVIDER.methods[0].read


def answer(**document: Any) -> Any:
    return SimpleNamespace(headers={}, body=json.dumps(document))


def usage(**metadata: Any) -> dict[str, Any]:
    return {"usageMetadata": metadata}


def detail(modality: str, tokens: int) -> dict[str, Any]:
    return {"modality": modality, "tokenCount": tokens}


USED: tuple[tuple[str, dict[str, Any], dict[str, int]], ...] = (
    (
        "thoughts and tools are part of the totals",
        {
            "promptTokenCount": 75,
            "candidatesTokenCount": 414,
            "toolUsePromptTokenCount": 573,
            "thoughtsTokenCount": 117,
        },
        {"input_tokens": 648, "output_tokens": 531, "output_reasoning_tokens": 117, "input_tool_tokens": 573},
    ),
    (
        "thoughts alone are output",
        {"promptTokenCount": 7, "thoughtsTokenCount": 9},
        {"input_tokens": 7, "output_tokens": 9, "output_reasoning_tokens": 9},
    ),
    ("a blocked prompt has no output", {"promptTokenCount": 7}, {"input_tokens": 7}),
    (
        "what was read from a cache, by modality",
        {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 800,
            "promptTokensDetails": [detail("TEXT", 700), detail("AUDIO", 300)],
            "cacheTokensDetails": [detail("TEXT", 600), detail("AUDIO", 200)],
        },
        {"input_tokens": 1000, "cache_read_tokens": 800, "input_audio_tokens": 300, "cache_audio_read_tokens": 200},
    ),
    (
        "documents are images, and modalities add up",
        {
            "promptTokenCount": 900,
            "promptTokensDetails": [detail("IMAGE", 258), detail("DOCUMENT", 516), detail("VIDEO", 100)],
            "toolUsePromptTokensDetails": [detail("IMAGE", 2)],
        },
        {"input_tokens": 900, "input_image_tokens": 776, "input_video_tokens": 100},
    ),
    (
        "pictures and speech that were made",
        {"candidatesTokenCount": 1400, "candidatesTokensDetails": [detail("IMAGE", 1290), detail("AUDIO", 10)]},
        {"output_tokens": 1400, "output_image_tokens": 1290, "output_audio_tokens": 10},
    ),
)


@pytest.mark.parametrize(("metadata", "expected"), [case[1:] for case in USED], ids=[case[0] for case in USED])
def test_usage_reaches_the_price_as_it_was_told(metadata: dict[str, Any], expected: dict[str, int]) -> None:
    found = content(answer(**usage(**metadata)))

    reading = read("otel_cost_instrumentation.google_genai", "CLIENT", found)
    assert reading is not None
    assert reading.usage is not None
    assert dict(reading.usage.counts) == expected


@pytest.mark.parametrize(
    ("metadata", "tier"),
    [
        ({"serviceTier": "FLEX"}, "flex"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"trafficType": "ON_DEMAND"}, None),
        ({}, None),
    ],
)
def test_the_answers_tier(metadata: dict[str, Any], tier: str | None) -> None:
    assert content(answer(**usage(promptTokenCount=1, **metadata))).get(semconv.SERVICE_TIER) == tier


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-flash", 1), ("gemini-3-pro-preview", 2)])
def test_searches_are_billed_by_prompt_or_by_query(model: str, searches: int) -> None:
    candidate = {"groundingMetadata": {"webSearchQueries": ["a", "b"]}, "finishReason": "STOP"}

    found = content(answer(modelVersion=model, candidates=[candidate], **usage(promptTokenCount=1)))

    assert found[semconv.UNIT_PREFIX + "web_searches"] == searches


def test_a_stream_is_final_when_it_says_why_it_ended() -> None:
    heard = Text()
    reader = ContentReader(heard)
    part = {"content": {"parts": [{"text": "four"}, {"functionCall": {"name": "f", "args": {"x": "ab"}}}]}}
    reader.read(answer(candidates=[part], **usage(promptTokenCount=10)))
    assert not reader.final
    assert not heard.empty

    reader.read(answer(candidates=[{"finishReason": "STOP"}], **usage(promptTokenCount=10, candidatesTokenCount=3)))

    assert reader.final
    assert reader.attributes()[semconv.USAGE_OUTPUT_TOKENS] == 3


def test_a_blocked_prompt_is_an_end() -> None:
    reader = ContentReader(Text())
    reader.read(answer(promptFeedback={"blockReason": "SAFETY"}, **usage(promptTokenCount=10)))

    assert reader.final
    assert reader.attributes()[semconv.RESPONSE_FINISH_REASONS] == ["SAFETY"]


def test_embeddings_of_both_kinds() -> None:
    counted = [{"embeddings": {"statistics": {"token_count": number}}} for number in (3, 4)]

    assert embeddings(answer(embeddings=[], **usage(promptTokenCount=5))) == {semconv.USAGE_INPUT_TOKENS: 5}
    assert embeddings(answer(predictions=counted)) == {semconv.USAGE_INPUT_TOKENS: 7}
    assert embeddings(answer(embeddings=[])) == {}


def test_pictures_of_older_models_are_counted() -> None:
    made = [{"bytesBase64Encoded": "xx"}, {"raiFilteredReason": "no"}]

    assert images(answer(predictions=made)) == {semconv.UNIT_PREFIX + "requests": 1}


@pytest.mark.parametrize("body", ["", "[]", '"x"', '{"usageMetadata": [], "candidates": {}}', '{"candidates": [7]}'])
def test_odd_answers_tell_nothing(body: str) -> None:
    assert content(SimpleNamespace(body=body)) == {}
    assert embeddings(SimpleNamespace(body=body)) == {}
    assert images(SimpleNamespace(body=body)) == {}


CLIENT = SimpleNamespace(vertexai=True, _http_options=SimpleNamespace(base_url="https://eu-aiplatform.googleapis.com/"))


@pytest.mark.parametrize(
    ("path", "body", "operation", "model"),
    [
        ("models/gemini-2.5-pro:generateContent", {}, "generate_content", "gemini-2.5-pro"),
        ("publishers/google/models/imagen-4:predict", {"instances": [{"prompt": "x"}]}, "generate_content", "imagen-4"),
        ("models/text-embedding-005:predict", {"instances": [{"content": "x"}]}, "embeddings", "text-embedding-005"),
        ("models/veo-3:predictLongRunning", {"instances": [{"prompt": "x"}]}, "generate_content", "veo-3"),
        ("cachedContents", {"model": "models/gemini-2.5-pro"}, "generate_content", "gemini-2.5-pro"),
        ("tunedModels/mine:generateContent?alt=sse", {}, "generate_content", "mine"),
    ],
)
def test_what_costs_is_seen(path: str, body: dict[str, Any], operation: str, model: str) -> None:
    request = REQUEST(CLIENT, ("post", path, body, None), {})

    assert request is not None
    assert (request.operation, request.model, request.provider) == (operation, model, "gcp.vertex_ai")
    assert (request.address, request.port) == ("eu-aiplatform.googleapis.com", 443)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "models/gemini-2.5-pro"),
        ("post", "models/gemini-2.5-pro:countTokens"),
        ("post", "models/gemini-2.5-pro:batchGenerateContent"),
        ("post", "models/veo-3:fetchPredictOperation"),
        ("post", "tuningJobs"),
    ],
)
def test_what_is_free_is_left_alone(method: str, path: str) -> None:
    assert REQUEST(CLIENT, (), {"http_method": method, "path": path, "request_dict": {"model": "models/x"}}) is None


def test_limits_and_files_count_for_the_budget() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "A" * 1_000_000}}
    config = {"maxOutputTokens": 50, "candidateCount": 2, "temperature": 0}
    body = {"contents": [{"parts": [image, {"thoughtSignature": "A" * 1000}]}], "generationConfig": config}

    request = REQUEST(CLIENT, ("post", "models/gemini-2.5-pro:generateContent", body), {})

    assert request is not None
    assert (request.max_output_tokens, request.choices) == (50, 2)
    assert 6_000 <= request.input_bytes < 6_200
