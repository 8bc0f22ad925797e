"""OpenAI's wire shapes for chat completions and embeddings, as the ``openai`` 3.x types read them."""

from __future__ import annotations

import base64
import secrets
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Final

from otel_cost.demo.directives import Counts, Json, MidStream, Told, count_of, last_text, pieces, read, reply
from otel_cost.demo.wire import Frame, Wire

_ERROR_TYPES: Final = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("insufficient_permissions", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_DIMENSIONS: Final = 8


def error(status: int, message: str) -> Json:
    kind, code = _ERROR_TYPES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class Chat(Wire):
    """``POST /v1/chat/completions``."""

    def error(self, status: int, message: str) -> Json:
        return error(status, message)

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        messages, choices = body.get("messages"), body.get("n")
        return read(
            last_text(messages) + "\n" + extra,
            messages=count_of(messages),
            choices=choices if isinstance(choices, int) else 1,
        )

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        message: Json = {"role": "assistant", "content": reply(told), "refusal": None, "annotations": []}
        return {
            **_chat_head(body, told, "chat.completion"),
            "choices": [
                {"index": index, "message": message, "logprobs": None, "finish_reason": told.stop or "stop"}
                for index in range(_choices(body))
            ],
            **({} if told.usage is None else {"usage": _chat_usage(told.usage)}),
        }

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        head = _chat_head(body, told, "chat.completion.chunk")
        options = body.get("stream_options")
        asked = isinstance(options, Mapping) and options.get("include_usage") is True
        tail: Json = {"usage": None} if asked else {}
        try:
            yield from _chat_deltas(head, tail, _choices(body), told)
        except MidStream:
            yield "", error(500, "The server had an error while processing your request")
            return
        if asked and told.usage is not None:
            yield "", {**head, "choices": [], "usage": _chat_usage(told.usage)}
        yield "", "[DONE]"


def _choices(body: Mapping[str, object]) -> int:
    choices = body.get("n")
    return choices if isinstance(choices, int) else 1


def _chat_deltas(head: Json, tail: Json, choices: int, told: Told) -> Iterator[Frame]:
    def chunk(index: int, delta: Json, finish: str | None) -> Frame:
        choice: Json = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return "", {**head, "choices": [choice], **tail}

    for index in range(choices):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None}, None)
    for piece in pieces(told):
        for index in range(choices):
            yield chunk(index, {"content": piece}, None)
    for index in range(choices):
        yield chunk(index, {}, told.stop or "stop")


def _chat_head(body: Mapping[str, object], told: Told, kind: str) -> Json:
    return {
        "id": told.response_id or "chatcmpl-" + secrets.token_hex(12),
        "object": kind,
        "created": int(time.time()),
        "model": told.model or body.get("model"),
        "service_tier": told.tier or "default",
        "system_fingerprint": "fp_standin",
    }


def _chat_usage(used: Counts) -> Json:
    return {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": {
            "cached_tokens": used.cached,
            "audio_tokens": used.audio_input,
            **({"cache_write_tokens": used.written} if used.written else {}),
        },
        "completion_tokens_details": {
            "reasoning_tokens": used.reasoning,
            "audio_tokens": used.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class Embeddings(Wire):
    """``POST /v1/embeddings``; the vectors are eight numbers long unless ``dimensions`` says otherwise."""

    def error(self, status: int, message: str) -> Json:
        return error(status, message)

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        inputs = body.get("input")
        return read(last_text(inputs) + "\n" + extra, messages=_inputs(inputs))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        dimensions = body.get("dimensions")
        length = dimensions if isinstance(dimensions, int) else _DIMENSIONS
        vector = [1 / (position + 1) for position in range(length)]
        packed = base64.b64encode(struct.pack(f"<{length}f", *vector)).decode()
        embedding = packed if body.get("encoding_format") == "base64" else vector
        used = told.usage.input if told.usage else 0
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": embedding}
                for index in range(_inputs(body.get("input")))
            ],
            "model": told.model or body.get("model"),
            **({} if told.usage is None else {"usage": {"prompt_tokens": used, "total_tokens": used}}),
        }

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        """Embeddings do not stream: the option is ignored by the real API, and answered like any body here."""
        yield "", self.answer(body, told)


def _inputs(inputs: object) -> int:
    # A flat list of numbers is one input that the client has already cut into tokens.
    return 1 if isinstance(inputs, list) and inputs and isinstance(inputs[0], int) else count_of(inputs)
