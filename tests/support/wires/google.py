"""Google's wire shapes for Gemini, as ``google-genai`` 3.x reads them: the developer API's and Vertex AI's.

Gemini counts thoughts beside the candidates' tokens; the stand-in's output includes them, so they are taken out here.
Counts of 0 are left out, as protocol buffers' JSON does.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping

from otel_cost.demo.directives import Counts, Json, MidStream, Told, count_of, pieces, read, reply
from otel_cost.demo.wire import Frame, Wire

_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


def wires(path: str) -> Wire | None:
    """The path names the model, and says in its last word what to do and whether to stream."""
    resource, _, verb = path.rpartition(":")
    _, found, model = resource.rpartition("/models/")
    if not found:
        return None
    if verb in ("generateContent", "streamGenerateContent"):
        return Content(model, verb == "streamGenerateContent")
    return Embeddings() if verb == "batchEmbedContents" else None


def _error(status: int, message: str) -> Json:
    return {"error": {"code": status, "message": message, "status": _STATUSES.get(status, "INTERNAL")}}


def _texts(content: object) -> str:
    parts = content.get("parts") if isinstance(content, Mapping) else None
    if not isinstance(parts, list):
        return ""
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))


class Content(Wire):
    """``POST …/models/X:generateContent`` and ``:streamGenerateContent``."""

    def __init__(self, model: str, streaming: bool) -> None:
        self._model = model
        self._streaming = streaming

    def streams(self, body: Mapping[str, object]) -> bool:
        return self._streaming

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        contents = body.get("contents")
        last = contents[-1] if isinstance(contents, list) and contents else None
        return read(_texts(last) + "\n" + extra, messages=count_of(contents))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return self._chunk(told, reply(told), told.stop or "STOP", told.usage)

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        so_far = None if told.usage is None else Counts(told.usage.input, 0, told.usage.cached)
        try:
            for piece in pieces(told):
                yield "", self._chunk(told, piece, "", so_far)
        except MidStream:
            yield "", _error(500, "Internal error encountered")
            return
        yield "", self._chunk(told, "", told.stop or "STOP", told.usage)

    def error(self, status: int, message: str) -> Json:
        return _error(status, message)

    def _chunk(self, told: Told, text: str, finish: str, used: Counts | None) -> Json:
        parts = [{"text": text}] if text else []
        candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        return {
            "candidates": [candidate],
            "modelVersion": told.model or self._model,
            "responseId": told.response_id or secrets.token_urlsafe(12),
            **({} if used is None else {"usageMetadata": _usage(used, told.tier)}),
        }


def _usage(used: Counts, tier: str) -> Json:
    counts: Json = {
        "promptTokenCount": used.input,
        "candidatesTokenCount": used.output - used.reasoning,
        "thoughtsTokenCount": used.reasoning,
        "cachedContentTokenCount": used.cached,
        "totalTokenCount": used.input + used.output,
        "serviceTier": tier or "standard",
    }
    details: Json = {
        "promptTokensDetails": _details(used.input, used.audio_input),
        "candidatesTokensDetails": _details(used.output - used.reasoning, used.audio_output),
    }
    return {name: value for name, value in (counts | details).items() if value}


def _details(total: int, audio: int) -> list[Json]:
    counts = {"TEXT": total - audio, "AUDIO": audio}
    return [{"modality": modality, "tokenCount": number} for modality, number in counts.items() if number]


class Embeddings(Wire):
    """``POST …/models/X:batchEmbedContents``."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        requests = body.get("requests")
        last = requests[-1] if isinstance(requests, list) and requests else {}
        return read(_texts(last.get("content")) + "\n" + extra, messages=count_of(requests))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        usage: Json = {} if told.usage is None else {"usageMetadata": {"promptTokenCount": told.usage.input}}
        return {"embeddings": [{"values": [0.5, 0.25]}] * count_of(body.get("requests")), **usage}

    def error(self, status: int, message: str) -> Json:
        return _error(status, message)
