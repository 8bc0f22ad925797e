"""Bedrock's wire shapes, as botocore reads them: Converse, and InvokeModel with Anthropic's bodies.

AWS leaves cached tokens out of its input; the stand-in's counts include them, so they are taken out here. Headers with
counts are left out: bodies and metrics tell all.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from otel_cost.demo.directives import Counts, Json, MidStream, Told, count_of, last_text, pieces, read, reply
from otel_cost.demo.wire import Frame, Wire
from otel_cost.demo.wire_anthropic import Messages
from tests.support.wires.framing import AwsEvents

_CODES = {400: "ValidationException", 403: "AccessDeniedException", 429: "ThrottlingException"}


def wires(path: str) -> Wire | None:
    """The path names the model and what to do, which says whether to stream."""
    start, _, verb = path.rpartition("/")
    _, found, model = start.partition("/model/")
    if not found:
        return None
    if verb in ("converse", "converse-stream"):
        return Converse(verb == "converse-stream")
    return Invoke(unquote(model), verb != "invoke") if verb.startswith("invoke") else None


class _Bedrock(AwsEvents):
    request_id_header = "x-amzn-requestid"

    def __init__(self, streaming: bool) -> None:
        self._streaming = streaming

    def streams(self, body: Mapping[str, object]) -> bool:
        return self._streaming

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        messages = body.get("messages")
        return read(last_text(messages) + "\n" + extra, messages=count_of(messages))

    def error(self, status: int, message: str) -> Json:
        return {"__type": _CODES.get(status, "InternalServerException"), "message": message}


class Converse(_Bedrock):
    """``POST /model/X/converse`` and ``/converse-stream``."""

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        message = {"role": "assistant", "content": [{"text": reply(told)}]}
        return {"output": {"message": message}, "stopReason": told.stop or "end_turn", **_told(told)}

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        yield "messageStart", {"role": "assistant"}
        try:
            for piece in pieces(told):
                yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}
        except MidStream:
            yield "modelStreamErrorException", {"message": "told to fail"}
            return
        yield "contentBlockStop", {"contentBlockIndex": 0}
        yield "messageStop", {"stopReason": told.stop or "end_turn"}
        yield "metadata", _told(told)


def _told(told: Told) -> Json:
    tier: Json = {"serviceTier": {"type": told.tier}} if told.tier else {}
    usage: Json = {} if told.usage is None else {"usage": _usage(told.usage)}
    return {**usage, "metrics": {"latencyMs": 5}, **tier}


def _usage(used: Counts) -> Json:
    ttls = {"5m": used.cache_write, "1h": used.cache_write_1h}
    return {
        "inputTokens": used.input - used.cached - used.written,
        "outputTokens": used.output,
        "totalTokens": used.input + used.output,
        "cacheReadInputTokens": used.cached,
        "cacheWriteInputTokens": used.written,
        "cacheDetails": [{"ttl": ttl, "inputTokens": number} for ttl, number in ttls.items() if number],
    }


class Invoke(_Bedrock):
    """``POST /model/X/invoke`` and ``/invoke-with-response-stream`` for Claude."""

    def __init__(self, model: str, streaming: bool) -> None:
        super().__init__(streaming)
        self._model = model
        self._messages = Messages()

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return self._messages.answer({**body, "model": self._model}, told)

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        for name, data in self._messages.events({**body, "model": self._model}, told):
            if name == "error":
                yield "modelStreamErrorException", {"message": "told to fail"}
            elif isinstance(data, dict):
                metrics = _metrics(told.usage) if name == "message_stop" and told.usage is not None else {}
                document = json.dumps({**data, **metrics}).encode()
                yield "chunk", {"bytes": base64.b64encode(document).decode()}


def _metrics(used: Counts) -> Json:
    return {
        "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": used.input - used.cached - used.written,
            "outputTokenCount": used.output,
            "cacheReadInputTokenCount": used.cached,
            "cacheWriteInputTokenCount": used.written,
            "invocationLatency": 5,
            "firstByteLatency": 1,
        }
    }
