"""Servers that speak OpenAI's format and count in their own way: all that they bill is in the charge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
import httpx2
import openai
import pytest

from otel_cost import semconv
from tests.contract.providers.seen import attributes_of, only_span, totals
from tests.support.world import World

HELLO: Any = [{"role": "user", "content": "x"}]
XAI: Final = ("https://api.x.ai/v1", "grok-3-mini")
GEMINI: Final = ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash")
KIMI: Final = ("https://api.moonshot.ai/v1", "kimi-k2-0905-preview")


def _client(base_url: str, kind: str, content: bytes) -> openai.OpenAI:
    """A client of whichever HTTP library this release of the SDK is built on, whose server answers ``content``."""
    library: Any = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
    transport = library.MockTransport(
        lambda request: library.Response(200, headers={"content-type": kind}, content=content)
    )
    http = openai.DefaultHttpxClient(transport=transport)
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=http)


def _chat(where: tuple[str, str], usage: Mapping[str, Any]) -> None:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}
    answer = {"id": "c", "object": "chat.completion", "model": where[1], "choices": [choice], "usage": usage}
    with _client(where[0], "application/json", json.dumps(answer).encode()) as client:
        client.chat.completions.create(model=where[1], messages=HELLO)


def _chunk(content: str, finish: str | None = None, *, choices: Any = None, **more: Any) -> dict[str, Any]:
    told = [{"index": 0, "delta": {"content": content}, "finish_reason": finish}] if choices is None else choices
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "any", "choices": told, **more}


def _stream(where: tuple[str, str], chunks: list[dict[str, Any]], *, read: int | None = None) -> list[Any]:
    """The chunks that the app sees; it closes the stream after ``read`` of them."""
    wire = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    seen: list[Any] = []
    with _client(where[0], "text/event-stream", wire) as client:
        stream = client.chat.completions.create(model=where[1], messages=HELLO, stream=True)
        for chunk in stream:
            seen.append(chunk)
            if len(seen) == read:
                break
        stream.close()
    return seen


def _usage(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


# --- thoughts ---------------------------------------------------------------------------------------------------------


def test_reasoning_that_is_counted_beside_the_completion_is_output(world: World) -> None:
    """xAI's total is prompt, completion and reasoning (https://docs.x.ai, models: 32 + 9 + 94 = 135)."""
    _chat(XAI, _usage(32, 9, total_tokens=135, completion_tokens_details={"reasoning_tokens": 94}))

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], totals(only_span(world))) == ("priced", (32, 103))
    assert found[semconv.USAGE_REASONING] == 94


def test_reasoning_smaller_than_the_completion_is_not_lost(world: World) -> None:
    """Nothing about such an answer is impossible: only its total tells."""
    _chat(XAI, _usage(10120, 1499, total_tokens=12427, completion_tokens_details={"reasoning_tokens": 808}))

    assert totals(only_span(world)) == (10120, 2307)


def test_reasoning_within_the_completion_is_counted_once(world: World) -> None:
    _chat(XAI, _usage(100, 50, completion_tokens_details={"reasoning_tokens": 30}))

    assert totals(only_span(world)) == (100, 50)


def test_thoughts_of_gemini_are_in_its_total_alone(world: World) -> None:
    _chat(GEMINI, _usage(9, 1, total_tokens=103))

    assert totals(only_span(world)) == (9, 94)


def test_streamed_thoughts_of_gemini(world: World) -> None:
    _stream(GEMINI, [_chunk("a", usage=_usage(9, 1, total_tokens=103)), _chunk("", "stop", usage=_usage(9, 3))])
    _stream(GEMINI, [_chunk("a"), _chunk("", "stop", usage=_usage(9, 3, total_tokens=105))])

    assert [totals(span) for span in world.finished()] == [(9, 3), (9, 96)]


@pytest.mark.parametrize("total", [None, "many", 0, -5])
def test_a_total_that_makes_no_sense_changes_nothing(total: Any, world: World) -> None:
    _chat(GEMINI, _usage(32, 9, total_tokens=total))

    assert totals(only_span(world)) == (32, 9)


# --- what was cached --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cached_tokens", "prompt_cache_hit_tokens"])
@pytest.mark.parametrize("details", [{}, {"prompt_tokens_details": {"cached_tokens": 0}}])
def test_cached_tokens_that_are_told_beside_the_prompts(name: str, details: dict[str, Any], world: World) -> None:
    """Moonshot (https://platform.kimi.ai/docs/api/chat) and DeepSeek: they cost a fraction."""
    _chat(KIMI, _usage(1000, 10, **{name: 600}, **details))

    assert attributes_of(only_span(world))[semconv.USAGE_CACHE_READ] == 600


def test_cached_tokens_that_are_told_twice_are_counted_once(world: World) -> None:
    _chat(KIMI, _usage(1000, 10, cached_tokens=600, prompt_tokens_details={"cached_tokens": 600}))

    assert attributes_of(only_span(world))[semconv.USAGE_CACHE_READ] == 600


# --- where a stream tells it ------------------------------------------------------------------------------------------


def test_usage_in_the_last_choice_is_read(world: World) -> None:
    """As Moonshot tells it."""
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": _usage(1000, 200)}
    seen = _stream(KIMI, [_chunk("a"), _chunk("", choices=[choice])])

    assert (len(seen), totals(only_span(world))) == (2, (1000, 200))
    assert attributes_of(only_span(world))[semconv.STATUS] == "priced"


CUMULATIVE: Final = [
    _chunk("Hello ", usage=_usage(1000, 1)),
    _chunk("hello ", usage=_usage(1000, 2)),
    _chunk("hello", usage=_usage(1000, 3)),
    _chunk("", "stop", usage=_usage(1000, 4)),
]
"""Counts so far, in each chunk: vLLM's ``continuous_usage_stats``, Perplexity, Gemini."""


def test_counts_in_every_chunk_are_not_summed(world: World) -> None:
    _stream(XAI, CUMULATIVE)

    assert totals(only_span(world)) == (1000, 4)
    assert semconv.USAGE_ESTIMATED not in attributes_of(only_span(world))


def test_counts_so_far_of_a_stream_that_was_closed_early_are_not_the_last_word(world: World) -> None:
    """The provider goes on generating for a while: the same as with a stream that told nothing yet."""
    _stream(XAI, CUMULATIVE, read=2)

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.USAGE_INPUT_TOKENS]) == ("estimated", 1000)
    assert found[semconv.USAGE_OUTPUT_TOKENS] >= 2


def test_counts_in_a_middle_chunk_count(world: World) -> None:
    _stream(XAI, [_chunk("a"), _chunk("b", usage=_usage(1000, 200)), _chunk("c"), _chunk("", "stop")])

    assert (attributes_of(only_span(world))[semconv.STATUS], totals(only_span(world))) == ("priced", (1000, 200))


@pytest.mark.parametrize("head", [{"id": ""}, {"service_tier": "default"}])
def test_a_last_chunk_without_a_model_does_not_take_it_away(head: dict[str, Any], world: World) -> None:
    last = _chunk("", choices=[], usage=_usage(1000, 200)) | head
    del last["model"]
    _stream(XAI, [_chunk("a") | head, _chunk("", "stop") | head, last])

    assert attributes_of(only_span(world))[semconv.RESPONSE_MODEL] == "any"
