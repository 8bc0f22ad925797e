"""Ollama's wire shapes, as ``ollama`` 0.6 reads them: JSON lines, streamed unless the request says otherwise. Counts of
0 are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otel_cost.demo.directives import Json, MidStream, Told, count_of, last_text, pieces, read, reply
from otel_cost.demo.wire import Frame, Wire
from tests.support.wires.framing import JsonLines


def wires(path: str) -> Wire | None:
    """Chat, completions and embeddings."""
    return _WIRES.get(path)


class Generated(JsonLines):
    """``POST /api/chat`` and ``/api/generate``."""

    def streams(self, body: Mapping[str, object]) -> bool:
        return body.get("stream") is not False

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        messages = body.get("messages") or [body.get("prompt")]
        return read(last_text(messages) + "\n" + extra, messages=count_of(messages))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return {**self._line(body, told, reply(told)), **_end(told)}

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        try:
            for piece in pieces(told):
                yield "", self._line(body, told, piece)
        except MidStream:
            yield "", self.error(500, "an error was encountered while running the model")
            return
        yield "", {**self._line(body, told, ""), **_end(told)}

    def error(self, status: int, message: str) -> Json:
        return {"error": message}

    def _line(self, body: Mapping[str, object], told: Told, text: str) -> Json:
        said: Json = {"response": text}
        if "messages" in body:
            said = {"message": {"role": "assistant", "content": text}}
        return {
            "model": told.model or body.get("model"), "created_at": "2026-01-01T00:00:00Z", **said, "done": False,
        }  # fmt: skip


def _end(told: Told) -> Json:
    used = told.usage
    counts: Json = {} if used is None else {"prompt_eval_count": used.input, "eval_count": used.output}
    end: Json = {"done": True, "done_reason": told.stop or "stop", "total_duration": 1000}
    return {**end, **{name: number for name, number in counts.items() if number}}


class Embedded(JsonLines):
    """``POST /api/embed``."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        inputs = body.get("input")
        return read(last_text(inputs) + "\n" + extra, messages=count_of(inputs))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        counts: Json = {} if told.usage is None else {"prompt_eval_count": told.usage.input}
        vectors = [[0.5, 0.25]] * count_of(body.get("input"))
        return {"model": told.model or body.get("model"), "embeddings": vectors, "total_duration": 1000, **counts}

    def error(self, status: int, message: str) -> Json:
        return {"error": message}


_WIRES: dict[str, Wire] = {"/api/chat": Generated(), "/api/generate": Generated(), "/api/embed": Embedded()}
