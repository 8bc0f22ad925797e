"""Mistral's wire shapes, as ``mistralai`` 3.x reads them: OpenAI's, save that a stream tells its usage unasked, with
its last choice, and that errors are flat. They stand under ``/mistral``, as the paths are OpenAI's too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from otel_cost.demo.directives import Json, Told
from otel_cost.demo.wire import Frame, Wire
from otel_cost.demo.wire_openai import Chat, Embeddings

PREFIX = "/mistral"


def wires(path: str) -> Wire | None:
    """By the path under the prefix."""
    return _WIRES.get(path.removeprefix(PREFIX + "/v1/")) if path.startswith(PREFIX) else None


def _error(status: int, message: str) -> Json:
    return {"object": "error", "message": message, "type": "standin_error", "param": None, "code": str(status)}


class Completion(Chat):
    """Chat, fill-in-the-middle and agent completions."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        asked = body if "messages" in body else {**body, "messages": [{"role": "user", "content": body.get("prompt")}]}
        return super().told(asked, extra)

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        asked = {**body, "stream_options": {"include_usage": True}}
        last: Json | None = None
        for name, data in super().events(asked, told):
            if isinstance(data, str) or "choices" not in data:
                yield "error" if isinstance(data, dict) else name, data
            elif data["choices"]:
                if last is not None:
                    yield "", last
                last = {key: value for key, value in data.items() if key != "usage"}
            elif last is not None:
                yield "", {**last, "usage": data["usage"]}
                last = None

    def error(self, status: int, message: str) -> Json:
        return _error(status, message)


class Vectors(Embeddings):
    """Embeddings, which have an id here."""

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        answer = super().answer({**body, "encoding_format": "float"}, told)
        usage = {**cast("Json", answer["usage"]), "completion_tokens": 0}
        return {"id": told.response_id or "embd-1", **answer, "usage": usage}

    def error(self, status: int, message: str) -> Json:
        return _error(status, message)


_WIRES: dict[str, Wire] = {
    "chat/completions": Completion(),
    "fim/completions": Completion(),
    "agents/completions": Completion(),
    "embeddings": Vectors(),
}
