"""Cohere's wire shapes, as ``cohere`` 7.x reads them. ``tokens`` count a preamble beside what is billed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otel_cost.demo.directives import Counts, Json, MidStream, Told, count_of, last_text, pieces, read, reply
from otel_cost.demo.wire import Frame, Wire

_PREAMBLE = 62
_REASONS = {"length": "MAX_TOKENS", "": "COMPLETE"}


def wires(path: str) -> Wire | None:
    return _WIRES.get(path)


def _usage(used: Counts | None) -> Json:
    if used is None:
        return {}
    billed = {"input_tokens": used.input, "output_tokens": used.output}
    return {"billed_units": billed, "tokens": {**billed, "input_tokens": used.input + _PREAMBLE}}


class Chat(Wire):
    """``POST /v2/chat``."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        messages = body.get("messages")
        return read(last_text(messages) + "\n" + extra, messages=count_of(messages))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return {
            "id": told.response_id or "c-1",
            "message": {"role": "assistant", "content": [{"type": "text", "text": reply(told)}]},
            **self._ended(told),
        }

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        start = {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}
        yield _event("message-start", id=told.response_id or "c-1", delta=start)
        yield _event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
        try:
            for piece in pieces(told):
                yield _event("content-delta", index=0, delta={"message": {"content": {"text": piece}}})
        except MidStream:
            # Cohere ends such a stream like any other.
            yield _event("message-end", delta={"finish_reason": "ERROR", "error": "told to fail"})
            return
        yield _event("content-end", index=0)
        yield _event("message-end", delta=self._ended(told))
        yield "", "[DONE]"

    def _ended(self, told: Told) -> Json:
        usage = _usage(told.usage)
        return {"finish_reason": _REASONS.get(told.stop, told.stop), **({"usage": usage} if usage else {})}

    def error(self, status: int, message: str) -> Json:
        return {"message": message}


def _event(kind: str, **fields: object) -> Frame:
    return kind, {"type": kind, **fields}


class OlderChat(Chat):
    """``POST /v1/chat``."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        return read(str(body.get("message")) + "\n" + extra, messages=1)

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        meta = _usage(told.usage)
        return {
            "response_id": told.response_id or "r-1",
            "generation_id": "g-1",
            "text": reply(told),
            "finish_reason": _REASONS.get(told.stop, told.stop),
            **({"meta": {"api_version": {"version": "1"}, **meta}} if meta else {}),
        }


class Embeddings(Wire):
    """``POST /v2/embed``."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        texts = body.get("texts")
        return read(last_text(texts) + "\n" + extra, messages=count_of(texts))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        billed: Json = {} if told.usage is None else {"meta": {"billed_units": {"input_tokens": told.usage.input}}}
        vectors = [[5, -2]] * count_of(body.get("texts"))
        return {"id": told.response_id or "e-1", "embeddings": {"int8": vectors}, "texts": body.get("texts"), **billed}

    def error(self, status: int, message: str) -> Json:
        return {"message": message}


class Ranking(Chat):
    """``POST /v2/rerank``: one search."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        return read(str(body.get("query")) + "\n" + extra, messages=1)

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return {"id": "k-1", "results": [], "meta": {"billed_units": {"search_units": 1}}}


_WIRES: dict[str, Wire] = {
    "/v2/chat": Chat(),
    "/v1/chat": OlderChat(),
    "/v2/embed": Embeddings(),
    "/v2/rerank": Ranking(),
}
