"""What is read from Mistral's answers and arguments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import mistralai as sdk

UNIT = semconv.UNIT_PREFIX
RESOURCE = SimpleNamespace(
    sdk_configuration=SimpleNamespace(get_server_details=lambda: ("https://api.eu.mistral.ai", {}))
)
READ = {method.name: method.read for method in sdk.PROVIDER.methods if method.module.startswith("mistralai.client")}


def usage(into: int, out: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out, **more}


def test_a_completion_with_cache_sound_and_tier() -> None:
    told = usage(100, 20, prompt_audio_seconds=7, service_tier="priority", prompt_tokens_details={"cached_tokens": 60})

    assert sdk.completion({"id": "c", "model": "m", "usage": told}) == {
        semconv.RESPONSE_ID: "c",
        semconv.RESPONSE_MODEL: "m",
        semconv.USAGE_INPUT_TOKENS: 100,
        semconv.USAGE_OUTPUT_TOKENS: 20,
        semconv.USAGE_CACHE_READ: 60,
        UNIT + "audio_seconds": 7,
        UNIT + "input_audio_seconds": 7,
        semconv.SERVICE_TIER: "priority",
    }


def test_a_stream_of_thoughts_and_text() -> None:
    heard = Text()
    reader = sdk.CompletionReader(heard)
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]
    reader.read({"data": {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": content}}]}})
    assert not heard.empty
    assert not reader.final

    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    reader.read({"data": {"id": "c", "model": "m", "choices": [last], "usage": usage(5, 6, service_tier="flex")}})

    assert reader.final
    found = reader.attributes()
    assert (found[semconv.USAGE_OUTPUT_TOKENS], found[semconv.SERVICE_TIER]) == (6, "flex")


@pytest.mark.parametrize("annotated", [False, True])
def test_pages(annotated: bool) -> None:
    arguments: dict[str, Any] = {"model": "mistral-ocr-latest", "document": {}}
    if annotated:
        arguments["bbox_annotation_format"] = {"type": "json_schema"}
    request = READ["Ocr.process"](RESOURCE, (), arguments)
    assert request is not None

    found = request.answer({"model": "mistral-ocr-4-0", "usage_info": {"pages_processed": 3, "doc_size_bytes": 9}})

    expected = {semconv.RESPONSE_MODEL: "mistral-ocr-4-0", UNIT + "input_document_pages": 3}
    assert found == expected | ({UNIT + "input_annotated_document_pages": 3} if annotated else {})


def test_sound_is_billed_by_the_second() -> None:
    heard = {"model": "voxtral-mini-2602", "usage": usage(4, 30, prompt_audio_seconds=61)}

    assert sdk.transcription(heard)[UNIT + "input_audio_seconds"] == 61
    assert semconv.USAGE_INPUT_TOKENS not in sdk.transcription(heard)
    assert sdk.transcription({"model": "m", "usage": usage(4, 30)})[semconv.USAGE_INPUT_TOKENS] == 4


CONNECTED = usage(100, 20, connector_tokens=900, connectors={"web_search": 2, "code_interpreter": 1, "document": 3})


def test_a_conversation_with_connectors() -> None:
    outputs = [{"type": "tool.execution", "name": "web_search"}, {"type": "message.output", "model": "m-large"}]

    found = sdk.conversation({"conversation_id": "k", "outputs": outputs, "usage": CONNECTED})

    assert found == {
        semconv.CONVERSATION_ID: "k",
        semconv.RESPONSE_MODEL: "m-large",
        semconv.USAGE_INPUT_TOKENS: 1000,
        semconv.USAGE_OUTPUT_TOKENS: 20,
        UNIT + "web_searches": 2,
        UNIT + "code_executions": 1,
    }


def test_a_streamed_conversation() -> None:
    heard = Text()
    reader = sdk.ConversationReader(heard)
    reader.read({"event": "x", "data": {"type": "conversation.response.started", "conversation_id": "k"}})
    reader.read({"event": "x", "data": {"type": "message.output.delta", "model": "m-large", "content": "four"}})
    assert (heard.empty, reader.final) == (False, False)

    reader.read({"event": "x", "data": {"type": "conversation.response.done", "usage": CONNECTED}})

    assert reader.final
    assert reader.attributes()[semconv.USAGE_INPUT_TOKENS] == 1000
    assert reader.attributes()[semconv.RESPONSE_MODEL] == "m-large"


def test_an_agents_model_is_not_known_before_it_answers() -> None:
    request = READ["Agents.complete"](RESOURCE, (), {"agent_id": "ag-1", "messages": []})

    assert request is not None
    known = request.attributes()
    assert semconv.REQUEST_MODEL not in known
    assert (known[semconv.AGENT_ID], known[semconv.OPERATION_NAME]) == ("ag-1", "chat")


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        (None, "mistral_ai"),
        ("https://europe-west4-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("http://127.0.0.1:8000", "mistral_ai"),
        ("https://llm.example", ""),
    ],
)
def test_the_provider_is_told_by_the_host(url: str | None, provider: str) -> None:
    request = READ["Chat.complete"](RESOURCE, (), {"model": "m", "messages": [], "server_url": url, "n": 2})

    assert request is not None
    assert (request.provider, request.choices) == (provider, 2)
    assert request.address


@pytest.mark.parametrize("answer", [None, {}, [], "x", {"usage": 3, "outputs": {}, "choices": 1, "usage_info": []}])
def test_odd_answers_tell_nothing(answer: Any) -> None:
    for read in (sdk.completion, sdk.conversation, sdk.pages, sdk.transcription):
        assert read(answer) == {}
    for kind in (sdk.CompletionReader, sdk.ConversationReader, sdk.TranscriptionReader):
        heard = Text()
        reader = kind(heard)
        reader.read({"data": answer})
        assert (reader.attributes(), heard.empty) == ({}, True)


def test_a_conversations_settings_are_looked_for_where_they_are() -> None:
    settings = {"temperature": 0.5, "max_tokens": 9}
    request = READ["Conversations.start"](RESOURCE, (), {"model": "m", "inputs": "x", "completion_args": settings})

    assert request is not None
    assert request.max_output_tokens == 9
    assert (request.parameters[semconv.REQUEST_TEMPERATURE], request.parameters[semconv.REQUEST_MAX_TOKENS]) == (0.5, 9)
