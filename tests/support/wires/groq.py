"""Groq's wire shapes, as ``groq`` 1.x reads them: OpenAI's, save that a stream tells its usage unasked, with its last
choice and in a corner of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from otel_cost.demo.directives import Json, Told
from otel_cost.demo.wire import Frame, Wire
from otel_cost.demo.wire_openai import Chat

PREFIX = "/openai/v1/"


def wires(path: str) -> Wire | None:
    """Chat is all that there is."""
    return Completion() if path == PREFIX + "chat/completions" else None


class Completion(Chat):
    """``POST /openai/v1/chat/completions``."""

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return {**super().answer(body, told), "service_tier": told.tier or "on_demand", "x_groq": {"id": "req_1"}}

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        usage = None if told.usage is None else cast("Json", self.answer(body, told)["usage"])
        for name, data in super().events({**body, "stream_options": {}}, told):
            if isinstance(data, dict) and _finished(data) and usage is not None:
                yield name, {**data, "x_groq": {"id": "req_1", "usage": usage}}
            else:
                yield name, data


def _finished(chunk: Json) -> bool:
    choices = chunk.get("choices")
    return isinstance(choices, list) and any(choice["finish_reason"] for choice in choices)
