"""Ways of calling Groq beside chat: sound, and tools that Groq runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import groq
import pytest

from otel_cost import semconv
from tests.contract.providers.answering import answering
from tests.contract.providers.seen import attributes_of, only_span
from tests.support.world import World

MODEL = "openai/gpt-oss-120b"
MESSAGES: Any = [{"role": "user", "content": "x"}]
SPENT = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}


def _ask(answer: Any, call: Callable[[groq.Groq], Any], *, kind: str = "application/json") -> Any:
    with answering(answer) as server, groq.Groq(base_url=server.url, api_key="none", max_retries=0) as client:
        server.headers["content-type"] = kind
        return call(client)


@pytest.mark.parametrize(
    ("told", "usd"), [({"duration": 3600.0}, 0.111), ({"duration": 0.4}, 0.111 / 360), ({"duration": 9.9}, 0.111 / 360)]
)
@pytest.mark.parametrize("part", ["transcriptions", "translations"])
def test_sound_is_priced_by_the_hour_and_at_least_ten_seconds_of_it(
    part: str, told: dict[str, Any], usd: float, world: World
) -> None:
    """whisper-large-v3: 0.111 USD for an hour (genai-prices 0.2.3)."""
    heard = {"task": "transcribe", "language": "english", "text": "x", "segments": [], **told}

    _ask(
        heard,
        lambda client: getattr(client.audio, part).create(
            model="whisper-large-v3", file=("a.wav", b"RIFF"), response_format="verbose_json"
        ),
    )

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.PROVIDER_NAME]) == ("priced", "groq")
    assert found[semconv.COST_AMOUNT] == pytest.approx(usd, abs=1e-9)


def test_sound_without_its_time_is_never_silently_free(world: World) -> None:
    _ask(
        {"text": "x", "x_groq": {"id": "req_1"}},
        lambda client: client.audio.transcriptions.create(model="whisper-large-v3", file=("a.wav", b"RIFF")),
    )

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "no_usage")


def _chunk(delta: dict[str, Any], **more: Any) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if more else None}
    return "data: " + json.dumps({"id": "c", "model": MODEL, "created": 1, "choices": [choice], **more}) + "\n\n"


SEARCHED = {"index": 0, "type": "browser_search", "arguments": "{}"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_groq_ran_is_never_free(stream: bool, world: World) -> None:
    """genai-prices 0.2.3 has no fee for it: what the tokens cost would be too little."""
    answer: Any = {"id": "c", "model": MODEL, "created": 1, "object": "chat.completion", "usage": SPENT}
    answer["choices"] = [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "executed_tools": [SEARCHED]}}
    ]
    started, ended = (_chunk({"executed_tools": [{**SEARCHED, **more}]}) for more in ({}, {"output": "y"}))
    chunks = started + ended + _chunk({}, x_groq={"id": "req_1", "usage": SPENT}) + "data: [DONE]\n\n"

    def call(client: groq.Groq) -> None:
        told = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=stream)
        assert not stream or len(list(told)) == 3

    _ask(chunks.encode() if stream else answer, call, kind="text/event-stream" if stream else "application/json")

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "no_rate")
    assert found[semconv.UNIT_PREFIX + "web_searches"] == 1


def test_files_and_batches_are_not_calls(world: World) -> None:
    batch = {"id": "b", "object": "batch", "endpoint": "/v1/chat/completions", "status": "validating"}

    _ask(
        batch,
        lambda client: client.batches.create(
            completion_window="24h", endpoint="/v1/chat/completions", input_file_id="f"
        ),
    )

    assert not world.finished()
