"""Calls whose provider does not count: estimated from what was sent and what came back, and never without saying so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from otel_cost.estimating import Estimator, installed_tokenizer
from tests.contract.providers.answering import answering
from tests.contract.providers.cases import Case
from tests.contract.providers.cases.anthropic import CLAUDE
from tests.contract.providers.cases.openai import MODEL
from tests.contract.providers.conftest import ClientMaker
from tests.contract.providers.seen import USAGE, attributes_of, only_span, status, totals
from tests.support.waiting import until
from tests.support.world import World

QUESTION = "How many roads must a man walk down?"
"""9 tokens of o200k_base."""
ANSWER = "The answer, my friend, is blowing in the wind."
SAID = 12
SENT = 9 + 3 + 5
"""The question, the words of its message's fields, and what is around any conversation."""
MESSAGES: Any = [{"role": "user", "content": QUESTION}]

CHAT = {
    "id": "c",
    "object": "chat.completion",
    "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
}
RESPONSE = {
    "id": "r",
    "object": "response",
    "model": MODEL,
    "status": "completed",
    "output": [
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": ANSWER}]}
    ],
}
EMBEDDINGS = {"object": "list", "model": MODEL, "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "stop_reason": "end_turn",
    "content": [{"type": "text", "text": ANSWER}],
}


@pytest.fixture(autouse=True)
def exact(world: World) -> None:
    """With the tokenizer, where it is installed."""
    pytest.importorskip("rs_bpe")
    world.runtime.estimator = Estimator(installed_tokenizer())


Ask = Callable[[str], object]


def _chat(url: str, **more: Any) -> object:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        return client.chat.completions.create(model=MODEL, messages=MESSAGES, **more)


def _respond(url: str, **more: Any) -> object:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        return client.responses.create(**{"model": MODEL, "input": MESSAGES, **more})


def _embed(url: str) -> object:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        return client.embeddings.create(model=MODEL, input=QUESTION, encoding_format="float")


def _message(url: str) -> object:
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, open_telemetry=False) as client:
        return client.messages.create(model=CLAUDE, max_tokens=9, messages=MESSAGES)


def _check(span: ReadableSpan, into: int, out: int | None) -> None:
    found = attributes_of(span)
    assert (status(span), found[semconv.REASON]) == ("estimated", "usage_estimated")
    assert totals(span) == (into, out)
    assert found[semconv.COST_AMOUNT] > 0


@pytest.mark.parametrize(
    ("ask", "answer", "into", "out"),
    [
        (_chat, CHAT, SENT, SAID),
        (_respond, RESPONSE, SENT, SAID),
        (_embed, EMBEDDINGS, 9, None),
        # Claude's tokens are 1.2 times as many.
        (_message, MESSAGE, 20, 15),
    ],
    ids=["chat", "responses", "embeddings", "messages"],
)
def test_a_whole_answer_without_usage_is_estimated(
    ask: Ask, answer: Any, into: int, out: int | None, world: World
) -> None:
    """FEATURES E3"""
    with answering(answer) as server:
        ask(server.url)

    _check(only_span(world), into, out)
    assert "tokenizer o200k_base" in attributes_of(only_span(world))[semconv.DETAIL]


def test_without_a_tokenizer_it_is_estimated_by_its_characters(world: World) -> None:
    world.runtime.estimator = Estimator()
    with answering(CHAT) as server:
        _chat(server.url)

    _check(only_span(world), 15, 10)
    assert attributes_of(only_span(world))[semconv.DETAIL] == (
        "otel-cost counted: input by its characters; output by its characters"
    )


def test_an_sdk_that_traces_itself_has_its_span_estimated(world: World) -> None:
    option: Any = {"tracer_provider": world.provider}
    with (
        answering(MESSAGE) as server,
        anthropic.Anthropic(base_url=server.url, api_key="none", open_telemetry=option) as client,
    ):
        client.messages.create(model=CLAUDE, max_tokens=9, messages=MESSAGES)

    _check(only_span(world), 20, 15)


def test_an_explicit_zero_is_a_zero(world: World) -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    with answering({**CHAT, "usage": usage}) as server:
        _chat(server.url)

    span = only_span(world)
    assert (status(span), totals(span)) == ("priced", (0, 0))
    assert semconv.USAGE_ESTIMATED not in attributes_of(span)


def test_half_a_usage_is_completed(world: World) -> None:
    """What the provider counted stays; only the rest is an estimate, and says so."""
    with answering({**CHAT, "usage": {"prompt_tokens": 1000}}) as server:
        _chat(server.url)

    _check(only_span(world), 1000, SAID)
    assert attributes_of(only_span(world))[semconv.DETAIL] == "otel-cost counted: output tokenizer o200k_base"


def test_tools_cost_what_they_say_and_more(world: World) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
    called = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [called]}}
    with answering({**CHAT, "choices": [choice]}) as server:
        _chat(server.url, tools=[tool])

    _check(only_span(world), SENT + 12 + 20, 6)


def test_what_is_not_seen_is_said(world: World) -> None:
    image = {"type": "input_image", "image_url": "https://x.example/a.png"}
    asked = [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}, image]}]
    with answering(RESPONSE) as server:
        _respond(server.url, input=asked, previous_response_id="resp_1")

    found = attributes_of(only_span(world))
    assert 1500 < found[semconv.USAGE_INPUT_TOKENS] < 1540
    assert "files: 1, taken for 1500 tokens each, not what previous_response_id stands for" in found[semconv.DETAIL]


@pytest.mark.parametrize("answer", [{**RESPONSE, "status": "queued", "output": []}, {"object": "error"}])
def test_an_answer_that_is_none_is_not_estimated(answer: Any, world: World) -> None:
    with answering(answer) as server:
        _respond(server.url)

    assert (status(only_span(world)), totals(only_span(world))) == ("unpriced", (None, None))


def test_a_response_that_failed_costs_nothing(world: World) -> None:
    error = {"code": "server_error", "message": "no"}
    with answering({**RESPONSE, "status": "failed", "error": error}) as server:
        _respond(server.url)

    span = only_span(world)
    assert (status(span), attributes_of(span)[semconv.REASON]) == ("priced", "failed")


def _events(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def _stream(*events: dict[str, Any]) -> None:
    with answering(_events(*events)) as server:
        server.headers["content-type"] = "text/event-stream"
        with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            list(client.responses.create(model=MODEL, input=QUESTION, stream=True))


_CREATED = {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}}
_FAILED = {"type": "response.failed", "response": {**RESPONSE, "status": "failed", "error": {"code": "server_error"}}}


def test_a_streamed_response_that_failed_costs_nothing(world: World) -> None:
    _stream(_CREATED, _FAILED)

    span = only_span(world)
    assert (status(span), attributes_of(span)[semconv.REASON]) == ("priced", "failed")


def test_a_streamed_response_that_failed_on_the_way_costs_what_was_seen(world: World) -> None:
    _stream(_CREATED, {"type": "response.output_text.delta", "delta": ANSWER}, _FAILED)

    assert (status(only_span(world)), totals(only_span(world))[1]) == ("estimated", SAID)


def test_a_stream_of_one_letter_pieces_is_counted_as_a_whole(world: World) -> None:
    deltas = [{"type": "response.output_text.delta", "delta": letter} for letter in ANSWER]
    _stream(_CREATED, *deltas)

    assert (status(only_span(world)), totals(only_span(world))[1]) == ("estimated", SAID)


@pytest.mark.needs("eager")
def test_nothing_of_a_call_is_held_when_it_is_over(
    streaming: Case, client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    """Not even by the stream that the app keeps."""
    stream = streaming.call(client_of(streaming), USAGE, True)
    call = streaming.watcher(stream)
    assert call._estimates._prompt is not None

    stream.close()

    # Where the SDK wraps what is watched, closing it is losing that.
    until(lambda: call._estimates._prompt is None, "the call to be over", poll_s=0.01)
    assert call._estimates.heard.empty
    assert call._request.prompt is None
    assert not call._request.arguments


def test_no_text_gets_onto_a_span(world: World) -> None:
    for answer, ask in ((CHAT, _chat), (MESSAGE, _message)):
        with answering(answer) as server:
            ask(server.url)

    said = " ".join(str(value) for span in world.finished() for value in attributes_of(span).values())
    assert "roads" not in said
    assert "wind" not in said
