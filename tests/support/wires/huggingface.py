"""Hugging Face's wire shapes, as ``huggingface_hub`` 2.x reads them: chat and embeddings in OpenAI's formats behind the
router's path for a provider, and text generation as text-generation-inference has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otel_cost.demo.directives import Json, MidStream, Told, last_text, pieces, read, reply
from otel_cost.demo.wire import Frame, Wire
from otel_cost.demo.wire_openai import Chat, Embeddings


def wires(path: str) -> Wire | None:
    """``/routed/<provider>/v1/...`` and ``/models/<model>``."""
    if path.startswith("/models/"):
        return Generation()
    if not path.startswith("/routed/"):
        return None
    return next((wire for end, wire in _ROUTED.items() if path.endswith(end)), None)


class Generation(Wire):
    """``POST`` to a model of text-generation-inference. ``details`` come with a whole answer when asked for."""

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        return read(last_text([body.get("inputs")]) + "\n" + extra, messages=1)

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        parameters = body.get("parameters")
        asked = isinstance(parameters, Mapping) and parameters.get("details") is True
        details: Json = _details(told)
        if told.usage is not None:
            details["prefill"] = [{"id": number, "text": "x"} for number in range(told.usage.input)]
        return {"generated_text": reply(told), **({"details": details} if asked else {})}

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        try:
            for index, piece in enumerate(pieces(told)):
                yield "", _token(index, piece)
        except MidStream:
            yield "", {**self.error(500, "Request failed during generation"), "error_type": "generation"}
            return
        end = _token(-1, "")
        counts = {} if told.usage is None else {"input_length": told.usage.input}
        yield "", {**end, "generated_text": reply(told), "details": {**_details(told), **counts}}

    def error(self, status: int, message: str) -> Json:
        return {"error": message}


def _token(index: int, text: str) -> Json:
    token = {"id": index, "text": text, "logprob": -0.5, "special": not text}
    return {"index": index, "token": token, "generated_text": None, "details": None}


def _details(told: Told) -> Json:
    counts = {} if told.usage is None else {"generated_tokens": told.usage.output}
    return {"finish_reason": told.stop or "length", "seed": None, **counts}


_ROUTED: dict[str, Wire] = {"/v1/chat/completions": Chat(), "/v1/embeddings": Embeddings()}
