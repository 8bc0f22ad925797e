"""A stand-in whose models use tools, and the bill for what it answered.

A model that is offered tools calls the first of them that this conversation has not called yet, and answers when there
are none left: an agent makes one round trip a tool, and a hand-over to another agent is a tool as well.
``parallel:3`` in what the user says makes three calls of the first tool at once.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from otel_cost.demo.directives import Counts, Json, Told, last_text
from otel_cost.demo.provider import StandInProvider
from otel_cost.demo.wire import Frame, Wire
from otel_cost.demo.wire_anthropic import Messages
from otel_cost.demo.wire_openai import Chat, Embeddings
from otel_cost.demo.wire_responses import Responses

_PARALLEL: Final = re.compile(r"parallel:(\d+)")


SAYS: Final = ("Expert", "Lagos", "Lima")
"""What a model says where a tool asks for text, call by call; the first is the name of an agent to hand over to."""


class Bill(NamedTuple):
    """What one answer used, in tokens; parts are in their totals."""

    provider: str
    model: str
    input: int
    output: int
    cached: int


class Wanted(NamedTuple):
    """A call of a tool that the model wants."""

    name: str
    arguments: str

    @property
    def id(self) -> str:
        return "call_" + secrets.token_hex(8)


def wanted(tools: Iterator[tuple[str, Any]], called: list[str], said: str) -> list[Wanted]:
    """``tools``: names and schemas of what is offered; ``called``: names of what was called so far."""
    found = next(((name, schema) for name, schema in tools if name not in called), None)
    if found is None:
        return []
    name, schema = found
    times = _PARALLEL.search(said)
    return [Wanted(name, json.dumps(_example(schema, number))) for number in range(int(times[1]) if times else 1)]


def _example(schema: Any, number: int) -> Any:
    """Something that ``schema`` allows, of its types that tools here have."""
    kind = schema.get("type", "string") if isinstance(schema, Mapping) else "string"
    if kind == "object":
        return {name: _example(of, number) for name, of in (schema.get("properties") or {}).items()}
    return number if kind in ("integer", "number") else SAYS[number]


def _counted(told: Told, parts: bool = True) -> Told:
    """Half of what goes in was in the cache: every rate of a model is used."""
    if told.usage is None:
        return told
    into = told.usage.input
    return replace(told, usage=Counts(into, told.usage.output, cached=into // 2 if parts else 0))


class Billed:
    """Keeps the bill. Thread-safe, as appending is."""

    def __init__(self) -> None:
        self.bills: list[Bill] = []

    def add(self, provider: str, body: Mapping[str, object], told: Told) -> None:
        used = told.usage
        assert used is not None
        self.bills.append(Bill(provider, str(body["model"]), used.input, used.output, used.cached))


# --- OpenAI's chat ----------------------------------------------------------------------------------------------------


class ToolChat(Chat):
    """``POST /v1/chat/completions``."""

    def __init__(self, billed: Billed) -> None:
        self._billed = billed

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        return _counted(super().told(body, extra))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        self._billed.add("openai", body, told)
        answer: Any = super().answer(body, told)
        calls = self._calls(body)
        if calls:
            choice = answer["choices"][0]
            choice["finish_reason"] = "tool_calls"
            choice["message"] |= {"content": None, "tool_calls": calls}
        return answer

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        self._billed.add("openai", body, told)
        calls = [{"index": index, **call} for index, call in enumerate(self._calls(body))]
        frames = list(super().events(body, told))
        if calls:
            first, *_, last = [data for _, data in frames if isinstance(data, dict) and data.get("choices")]
            delta: Any = {**first, "choices": [_delta({"role": "assistant", "content": None, "tool_calls": calls})]}
            end: Any = {**last, "choices": [_delta({}) | {"finish_reason": "tool_calls"}]}
            rest = [frame for frame in frames if not (isinstance(frame[1], dict) and frame[1].get("choices"))]
            frames = [("", delta), ("", end), *rest]
        yield from frames

    def _calls(self, body: Mapping[str, Any]) -> list[Json]:
        offered = ((tool["function"]["name"], tool["function"].get("parameters")) for tool in body.get("tools") or ())
        messages = body["messages"]
        called = [call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()]
        return [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in wanted(offered, called, last_text(messages))
        ]


def _delta(delta: Json) -> Json:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}


# --- OpenAI's responses -----------------------------------------------------------------------------------------------


class ToolResponses(Responses):
    """``POST /v1/responses``."""

    def __init__(self, billed: Billed) -> None:
        self._billed = billed

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        return _counted(super().told(body, extra))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        self._billed.add("openai", body, told)
        return self._with_calls(super().answer(body, told), self._calls(body))

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        self._billed.add("openai", body, told)
        calls = self._calls(body)
        frames: list[Any] = list(super().events(body, told))
        if calls:
            created, end = frames[0], frames[-1]
            end[1]["response"] = self._with_calls(end[1]["response"], calls)
            frames = [created, *_items(calls), end]
        for number, (name, data) in enumerate(frames):
            yield name, {**data, "sequence_number": number}

    def _with_calls(self, answer: Json, calls: list[Json]) -> Json:
        return {**answer, "output": calls} if calls else answer

    def _calls(self, body: Mapping[str, Any]) -> list[Json]:
        offered = ((tool["name"], tool["parameters"]) for tool in body.get("tools") or ())
        given = body["input"] if isinstance(body["input"], list) else []
        called = [item["name"] for item in given if item.get("type") == "function_call"]
        return [
            {
                "id": "fc_" + secrets.token_hex(8),
                "type": "function_call",
                "status": "completed",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
            for call in wanted(offered, called, last_text(body["input"]))
        ]


def _items(calls: list[Json]) -> Iterator[Frame]:
    for index, call in enumerate(calls):
        place: Json = {"item_id": call["id"], "output_index": index}
        started = {**call, "arguments": "", "status": "in_progress"}
        for name, data in (
            ("response.output_item.added", {"output_index": index, "item": started}),
            ("response.function_call_arguments.delta", {**place, "delta": call["arguments"]}),
            ("response.function_call_arguments.done", {**place, "arguments": call["arguments"], "name": call["name"]}),
            ("response.output_item.done", {"output_index": index, "item": call}),
        ):
            yield name, {"type": name, **data}


# --- Anthropic's messages ---------------------------------------------------------------------------------------------


class ToolMessages(Messages):
    """``POST /v1/messages``."""

    def __init__(self, billed: Billed) -> None:
        self._billed = billed

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        return _counted(super().told(body, extra))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        self._billed.add("anthropic", body, told)
        calls = self._calls(body)
        return super().answer(body, told) | ({"content": calls, "stop_reason": "tool_use"} if calls else {})

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        self._billed.add("anthropic", body, told)
        calls = self._calls(body)
        frames: list[Any] = list(super().events(body, told))
        if calls:
            started = frames[0]
            (ended,) = (data for name, data in frames if name == "message_delta")
            ended["delta"]["stop_reason"] = "tool_use"
            frames = [started, *_blocks(calls), ("message_delta", ended), frames[-1]]
        yield from frames

    def _calls(self, body: Mapping[str, Any]) -> list[Json]:
        offered = ((tool["name"], tool["input_schema"]) for tool in body.get("tools") or ())
        blocks = [
            block
            for message in body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
            if block["type"] == "tool_use"
        ]
        first = body["messages"][:1]
        return [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
            for call in wanted(offered, [block["name"] for block in blocks], last_text(first))
        ]


def _blocks(calls: list[Json]) -> Iterator[Frame]:
    for index, call in enumerate(calls):
        arguments = {"type": "input_json_delta", "partial_json": json.dumps(call["input"])}
        for name, data in (
            ("content_block_start", {"index": index, "content_block": {**call, "input": {}}}),
            ("content_block_delta", {"index": index, "delta": arguments}),
            ("content_block_stop", {"index": index}),
        ):
            yield name, {"type": name, **data}


# --- all of it --------------------------------------------------------------------------------------------------------


class BilledEmbeddings(Embeddings):
    """``POST /v1/embeddings``."""

    def __init__(self, billed: Billed) -> None:
        self._billed = billed

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        told = super().told(body, extra)
        assert told.usage is not None
        return replace(told, usage=Counts(told.usage.input, 0))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        self._billed.add("openai", body, told)
        return super().answer(body, told)


@contextmanager
def provider() -> Iterator[tuple[StandInProvider, list[Bill]]]:
    """The stand-in, and its bill so far."""
    billed = Billed()
    wires: dict[str, Wire] = {
        "/v1/chat/completions": ToolChat(billed),
        "/v1/responses": ToolResponses(billed),
        "/v1/messages": ToolMessages(billed),
        "/v1/embeddings": BilledEmbeddings(billed),
    }
    with StandInProvider(wires=wires.get) as server:
        yield server, billed.bills
