"""Ways of calling Mistral beside chat: agents, conversations, pages, sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from mistralai.client import Mistral

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.answering import answering
from tests.contract.providers.seen import TOTALS, USAGE, attributes_of, only_span, status, totals
from tests.support.wires.mistral import PREFIX
from tests.support.world import World

TELLS: dict[str, int] = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}


def _ask(answer: Any, call: Callable[[Mistral], Any], *, kind: str = "application/json") -> Any:
    with answering(answer) as server, Mistral(api_key="none", server_url=server.url) as client:
        server.headers["content-type"] = kind
        return call(client)


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_is_priced_by_the_model_that_answered(stream: bool, server: StandInProvider, world: World) -> None:
    messages: Any = [{"role": "user", "content": f"model:mistral-large-latest {USAGE}"}]
    with Mistral(api_key="none", server_url=server.base_url + PREFIX) as client:
        if stream:
            with client.agents.stream(agent_id="ag-1", messages=messages) as chunks:
                assert len(list(chunks)) > 3
        else:
            client.agents.complete(agent_id="ag-1", messages=messages)

    span = only_span(world)
    assert (status(span), totals(span)) == ("priced", TOTALS)
    assert attributes_of(span)[semconv.AGENT_ID] == "ag-1"


PAGES = {"pages": [], "model": "mistral-ocr-latest", "usage_info": {"pages_processed": 1000, "doc_size_bytes": 1}}
DOCUMENT: Any = {"type": "document_url", "document_url": "https://papers.example/1"}


@pytest.mark.parametrize(("extra", "usd"), [({}, 4.0), ({"bbox_annotation_format": {"type": "json_object"}}, 5.0)])
def test_pages_are_priced_by_the_thousand(extra: dict[str, Any], usd: float, world: World) -> None:
    """mistral-ocr-latest: 4 USD for 1,000 pages, 5 with annotations (genai-prices 0.2.3)."""
    _ask(PAGES, lambda client: client.ocr.process(model="mistral-ocr-latest", document=DOCUMENT, **extra))

    assert attributes_of(only_span(world))[semconv.COST_AMOUNT] == usd


def test_an_hour_of_sound(world: World) -> None:
    """voxtral-mini-2602: 0.18 USD for an hour (genai-prices 0.2.3)."""
    model = "voxtral-mini-2602"
    heard = {"model": model, "text": "x", "segments": [], "language": "en"}
    heard["usage"] = {**TELLS, "prompt_audio_seconds": 3600}

    _ask(heard, lambda client: client.audio.transcriptions.complete(model=model, file_url="https://a.example/1.mp3"))

    assert attributes_of(only_span(world))[semconv.COST_AMOUNT] == pytest.approx(0.18, abs=1e-12)


MADE = "2026-01-01T00:00:00Z"
ENTRY = {"type": "message.output", "content": "hi", "model": "mistral-large-latest", "role": "assistant", "id": "m"}


def test_a_conversation(world: World) -> None:
    answer = {"object": "conversation.response", "conversation_id": "k", "outputs": [ENTRY], "usage": TELLS}

    _ask(answer, lambda client: client.beta.conversations.start(inputs="x", model="mistral-large-latest"))

    assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)
    assert attributes_of(only_span(world))[semconv.CONVERSATION_ID] == "k"


def test_a_streamed_conversation(world: World) -> None:
    started = {"type": "conversation.response.started", "conversation_id": "k", "created_at": MADE}
    delta = {**ENTRY, "type": "message.output.delta", "created_at": MADE, "output_index": 0, "content_index": 0}
    done = {"type": "conversation.response.done", "usage": TELLS, "created_at": MADE}
    events = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in (started, delta, done)]

    def read(client: Mistral) -> int:
        with client.beta.conversations.start_stream(inputs="x", model="mistral-large-latest") as stream:
            return len(list(stream))

    assert _ask("".join(events).encode(), read, kind="text/event-stream") == 3
    assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)


def test_moderation_is_never_silently_free(world: World) -> None:
    model = "mistral-moderation-latest"

    _ask(
        {"id": "m", "model": model, "results": []}, lambda client: client.classifiers.moderate(model=model, inputs="x")
    )

    assert (status(only_span(world)), attributes_of(only_span(world))[semconv.REASON]) == ("unpriced", "no_usage")
