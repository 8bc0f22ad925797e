"""The real ``openai`` SDK, answered inside the process: whole answers and streams, without a socket."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import cache

import httpx2
import openai

from otel_cost.demo.provider import WIRES

MODEL = "gpt-4o"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "How long is a piece of string? " * 20}]}
_WIRE = WIRES["/v1/chat/completions"]
_numbers = itertools.count()


def client() -> openai.OpenAI:
    """A client whose transport gives the stand-in's answers, each under an id of its own."""
    return openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=httpx2.MockTransport(_answer)))


def call(client: openai.OpenAI) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(**BODY)  # type: ignore[call-overload, no-any-return]


def stream(client: openai.OpenAI, chunks: int) -> Iterator[object]:
    """The chunks of a stream of ``chunks`` words."""
    body = {**BODY, "stream": True, "metadata": {"chunks": str(chunks)}}
    return iter(client.chat.completions.create(**body))  # type: ignore[call-overload, no-any-return]


def _answer(request: httpx2.Request) -> httpx2.Response:
    number = b"%d" % next(_numbers)
    if b'"chunks"' not in request.content:
        headers = {"content-type": "application/json"}
        return httpx2.Response(200, content=number.join(_whole()), headers=headers)
    body = json.loads(request.content)
    asked = "stream_options" in body
    frames = _frames(int(body["metadata"]["chunks"]), asked)
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, content=_under(number, frames), headers=headers)


def _under(number: bytes, frames: tuple[tuple[bytes, ...], ...]) -> Iterator[bytes]:
    for frame in frames:
        yield number.join(frame)


@cache
def _whole() -> tuple[bytes, ...]:
    return _around_number(json.dumps(_WIRE.answer(BODY, _WIRE.told(BODY, "id:chatcmpl-NUMBER"))).encode())


@cache
def _frames(chunks: int, asked: bool) -> tuple[tuple[bytes, ...], ...]:
    body = {**BODY, "stream": True, **({"stream_options": {"include_usage": True}} if asked else {})}
    told = _WIRE.told(body, f"id:chatcmpl-NUMBER chunks:{chunks}")
    return tuple(_around_number(_WIRE.frame(*frame)) for frame in _WIRE.events(body, told))


def _around_number(text: bytes) -> tuple[bytes, ...]:
    return tuple(text.split(b"NUMBER"))
