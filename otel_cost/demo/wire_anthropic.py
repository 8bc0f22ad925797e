"""Anthropic's wire shapes for the Messages API, as the ``anthropic`` 2.x types read them.

Anthropic's ``input_tokens`` leaves out what was read from and written to the cache; the stand-in's counts include that,
so it is taken out here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Final

from otel_cost.demo.directives import (
    BadDirective,
    Counts,
    Json,
    MidStream,
    Told,
    count_of,
    last_text,
    pieces,
    read,
    reply,
)
from otel_cost.demo.wire import Frame, Wire

_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOPS: Final = {"length": "max_tokens", "": "end_turn"}


def error(status: int, message: str) -> Json:
    kind = _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_" + secrets.token_hex(12),
    }


class Messages(Wire):
    """``POST /v1/messages``."""

    request_id_header = "request-id"

    def error(self, status: int, message: str) -> Json:
        return error(status, message)

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        messages = body.get("messages")
        told = read(last_text(messages) + "\n" + extra, messages=count_of(messages))
        if told.usage is not None and _uncached(told.usage) < 0:
            raise BadDirective("usage: cached and cache_write are more than input, which includes them")
        return told

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return {
            **_message(body, told),
            "content": [{"type": "text", "text": reply(told), "citations": None}],
            "stop_reason": _stop(told),
            **({} if told.usage is None else {"usage": _usage(told.usage, told.tier)}),
        }

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        for name, data in _untyped_events(body, told):
            yield name, {"type": name, **data}


def _untyped_events(body: Mapping[str, object], told: Told) -> Iterator[tuple[str, Json]]:
    # The first event knows what went in; what comes out is only known at the end.
    started: Json = {} if told.usage is None else {"usage": {**_usage(told.usage, told.tier), "output_tokens": 1}}
    yield "message_start", {"message": {**_message(body, told), **started}}
    yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
    yield "ping", {}
    try:
        for piece in pieces(told):
            yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}}
    except MidStream:
        yield "error", error(529, "Overloaded")
        return
    yield "content_block_stop", {"index": 0}
    ended: Json = {} if told.usage is None else {"usage": _delta_usage(told.usage)}
    yield "message_delta", {"delta": {"stop_reason": _stop(told), "stop_sequence": None}, **ended}
    yield "message_stop", {}


def _message(body: Mapping[str, object], told: Told) -> Json:
    return {
        "id": told.response_id or "msg_" + secrets.token_hex(12),
        "type": "message",
        "role": "assistant",
        "model": told.model or body.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop(told: Told) -> str:
    return _STOPS.get(told.stop, told.stop)


def _uncached(used: Counts) -> int:
    return used.input - used.cached - used.written


def _usage(used: Counts, tier: str) -> Json:
    return {
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.cache_write,
            "ephemeral_1h_input_tokens": used.cache_write_1h,
        },
        "inference_geo": "not_available",
        "service_tier": tier or "standard",
        **_delta_usage(used),
    }


def _delta_usage(used: Counts) -> Json:
    return {
        "input_tokens": _uncached(used),
        "cache_creation_input_tokens": used.written,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.output,
        **({"output_tokens_details": {"thinking_tokens": used.reasoning}} if used.reasoning else {}),
        **({"server_tool_use": _searches(used.web_searches)} if used.web_searches else {}),
    }


def _searches(number: int) -> Json:
    return {"web_search_requests": number, "web_fetch_requests": 0}
