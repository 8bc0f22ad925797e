"""A stand-in for Amazon Bedrock, Gemini and Mistral on loopback: told by the request what to answer, in the words of
``otel_cost.demo.provider``, and with each one's own habit on the wire.

Bedrock's ``inputTokens`` leaves cached tokens out, Gemini's ``candidatesTokenCount`` the thoughts; both stream usage
unasked, and so does Mistral. Shapes: the service models of botocore 1.44, the types of google-genai 3.4 and mistralai
3.7.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from otel_cost.demo.directives import Counts, Json, Told, count_of, last_text, pieces, read, reply
from otel_cost.demo.loopback import Handler, Loopback
from otel_cost.demo.wire_anthropic import Messages
from otel_cost.demo.wire_openai import Chat, Embeddings

_BEDROCK: Final = re.compile(r"/model/(?P<model>.+)/(?P<api>converse|invoke)(?P<stream>-stream|-with-response-stream)?")
_GEMINI: Final = re.compile(r"/v1(?:beta)?/models/(?P<model>.+):(?P<api>generateContent|streamGenerateContent)")
_FAILED: Final = {
    "object": "error",
    "message": "The stand-in was told to fail",
    "type": "internal_server_error",  # Mistral's
    "error": {"code": 500, "message": "The stand-in was told to fail", "status": "INTERNAL"},  # Gemini's
}
_EVENTS: Final = "application/vnd.amazon.eventstream"
_SSE: Final = "text/event-stream"
_JSON: Final = "application/json"


class CloudProvider:
    """The stand-in as a context manager; ``base_url`` is where it listens, without a path."""

    def __init__(self) -> None:
        self._server = Loopback(self, _Handler)

    @property
    def base_url(self) -> str:
        return self._server.url

    def __enter__(self) -> CloudProvider:
        self._server.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.__exit__(*exc_info)


class _Handler(Handler):
    def do_POST(self) -> None:
        body = json.loads(self.body())
        path = unquote(self.path.partition("?")[0])
        bedrock, gemini = _BEDROCK.fullmatch(path), _GEMINI.fullmatch(path)
        if bedrock:
            self._answer(*_bedrock(bedrock, body))
        elif gemini:
            self._answer(*_gemini(gemini, body))
        elif path == "/v1/chat/completions":
            self._answer(*_mistral(body))
        elif path == "/v1/embeddings":
            self._answer(*_mistral_embeddings(body))
        else:
            self._send(404, _JSON, json.dumps({"error": {"message": f"no such path: {path}"}}).encode())

    def _answer(self, kind: str, chunks: Iterator[bytes], told: Told) -> None:
        if told.status is not None:
            self._send(told.status, _JSON, json.dumps(_FAILED).encode())
        else:
            self._send(200, kind, b"".join(chunks))

    def _send(self, status: int, kind: str, payload: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-amzn-requestid", secrets.token_hex(16))
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _bedrock(call: re.Match[str], body: Json) -> tuple[str, Iterator[bytes], Told]:
    told = read(last_text(body["messages"]), messages=count_of(body["messages"]))
    if call["api"] == "converse":
        events = _converse_events(told)
        if not call["stream"]:
            return _JSON, iter([json.dumps(_converse_answer(told)).encode()]), told
        return _EVENTS, (_frame(name, json.dumps(data).encode()) for name, data in events), told
    asked = {**body, "model": "claude-sonnet-4-5-20250929"}
    if not call["stream"]:
        return _JSON, iter([json.dumps(Messages().answer(asked, told)).encode()]), told
    events = (json.dumps(_with_metrics(data, told)).encode() for _, data in Messages().events(asked, told))
    wrapped = ({"bytes": base64.b64encode(event).decode()} for event in events)
    return _EVENTS, (_frame("chunk", json.dumps(data).encode()) for data in wrapped), told


def _converse_answer(told: Told) -> Json:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": reply(told)}]}},
        "stopReason": "end_turn",
        "usage": _bedrock_usage(told.usage),
        "metrics": {"latencyMs": 5},
    }


def _converse_events(told: Told) -> Iterator[tuple[str, Json]]:
    yield "messageStart", {"role": "assistant"}
    for piece in pieces(told):
        yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": "end_turn"}
    yield "metadata", {"usage": _bedrock_usage(told.usage), "metrics": {"latencyMs": 5}}


def _bedrock_usage(used: Counts | None) -> Json:
    assert used is not None
    return {
        "inputTokens": used.input - used.cached - used.written,
        "outputTokens": used.output,
        "totalTokens": used.input + used.output,
        "cacheReadInputTokens": used.cached,
        "cacheWriteInputTokens": used.written,
    }


def _with_metrics(event: Json, told: Told) -> Json:
    """Bedrock adds its own counts to a streamed message's last event."""
    if event["type"] != "message_stop":
        return event
    used = _bedrock_usage(told.usage)
    counts = {
        name: used[name + "s"] for name in ("inputToken", "outputToken", "cacheReadInputToken", "cacheWriteInputToken")
    }
    return {**event, "amazon-bedrock-invocationMetrics": {f"{name}Count": count for name, count in counts.items()}}


def _frame(event: str, payload: bytes) -> bytes:
    """One message of AWS's event stream: lengths, checksum, headers, payload, checksum."""
    named = {":event-type": event, ":content-type": _JSON, ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    start = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = start + struct.pack("!I", zlib.crc32(start)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _gemini(call: re.Match[str], body: Mapping[str, object]) -> tuple[str, Iterator[bytes], Told]:
    contents = body["contents"]
    assert isinstance(contents, list)
    asked = [{"role": content.get("role", "user"), "content": content["parts"]} for content in contents]
    told = read(last_text(asked), messages=len(asked))
    head: Json = {"modelVersion": call["model"], "responseId": secrets.token_hex(12)}
    if call["api"] == "generateContent":
        whole = {**head, **_candidate(reply(told), "STOP"), "usageMetadata": _gemini_usage(told.usage)}
        return _JSON, iter([json.dumps(whole).encode()]), told
    return _SSE, (b"data: " + json.dumps({**head, **chunk}).encode() + b"\r\n\r\n" for chunk in _chunks(told)), told


def _chunks(told: Told) -> Iterator[Json]:
    usage = _gemini_usage(told.usage)
    for piece in pieces(told):
        yield {**_candidate(piece, ""), "usageMetadata": {"promptTokenCount": usage["promptTokenCount"]}}
    yield {**_candidate("", "STOP"), "usageMetadata": usage}


def _candidate(text: str, finish: str) -> Json:
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"index": 0, "content": content, **({"finishReason": finish} if finish else {})}]}


def _gemini_usage(used: Counts | None) -> Json:
    assert used is not None
    return {
        "promptTokenCount": used.input,
        "candidatesTokenCount": used.output - used.reasoning,
        "totalTokenCount": used.input + used.output,
        **({"cachedContentTokenCount": used.cached} if used.cached else {}),
        **({"thoughtsTokenCount": used.reasoning} if used.reasoning else {}),
    }


def _mistral_embeddings(body: Json) -> tuple[str, Iterator[bytes], Told]:
    told = Embeddings().told(body, "")
    answer = {**Embeddings().answer(body, told), "id": secrets.token_hex(12)}
    return _JSON, iter([json.dumps(answer).encode()]), told


def _mistral(body: Json) -> tuple[str, Iterator[bytes], Told]:
    told = Chat().told(body, "")
    if body.get("stream") is not True:
        return _JSON, iter([json.dumps(Chat().answer(body, told)).encode()]), told
    events = Chat().events({**body, "stream_options": {"include_usage": True}}, told)
    texts = (data if isinstance(data, str) else json.dumps(data) for _, data in events)
    return _SSE, (f"data: {text}\n\n".encode() for text in texts), told
