"""OpenAI's wire shapes for the Responses API, as the ``openai`` 3.x types read them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping

from otel_cost.demo.directives import Counts, Json, MidStream, Told, count_of, last_text, pieces, read, reply
from otel_cost.demo.wire import Frame, Wire
from otel_cost.demo.wire_openai import error


class Responses(Wire):
    """``POST /v1/responses``."""

    def error(self, status: int, message: str) -> Json:
        return error(status, message)

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        given = body.get("input")
        return read(last_text(given) + "\n" + extra, messages=count_of(given))

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return _finished(_response(body, told), _message("msg_" + secrets.token_hex(16), told), told)

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        for number, (name, data) in enumerate(_numberless_events(_response(body, told), told)):
            yield name, {"type": name, "sequence_number": number, **data}


def _numberless_events(response: Json, told: Told) -> Iterator[tuple[str, Json]]:
    yield "response.created", {"response": response}
    yield "response.in_progress", {"response": response}
    item_id = "msg_" + secrets.token_hex(16)
    place: Json = {"item_id": item_id, "output_index": 0, "content_index": 0}
    opened: Json = {"id": item_id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    yield "response.output_item.added", {"output_index": 0, "item": opened}
    yield "response.content_part.added", {**place, "part": _text_part("")}
    try:
        for piece in pieces(told):
            yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    except MidStream:
        yield "error", error(500, "The server had an error while processing your request")
        return
    message = _message(item_id, told)
    yield "response.output_text.done", {**place, "text": reply(told), "logprobs": []}
    yield "response.content_part.done", {**place, "part": _text_part(reply(told))}
    yield "response.output_item.done", {"output_index": 0, "item": message}
    finished = _finished(response, message, told)
    yield f"response.{finished['status']}", {"response": finished}


def _response(body: Mapping[str, object], told: Told) -> Json:
    return {
        "id": told.response_id or "resp_" + secrets.token_hex(24),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": told.model or body.get("model"),
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": body.get("service_tier") or "auto",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }


def _finished(response: Json, message: Json, told: Told) -> Json:
    searches = told.usage.web_searches if told.usage else 0
    reasoning = told.usage.reasoning if told.usage else 0
    output = [_reasoning()] if reasoning else []
    output += [_search() for _ in range(searches)]
    return {
        **response,
        **_outcome(told),
        "completed_at": int(time.time()),
        "output": [*output, message],
        "service_tier": told.tier or "default",
        "usage": None if told.usage is None else _usage(told.usage),
        **({"tool_usage": _tool_usage(searches)} if searches else {}),
    }


def _outcome(told: Told) -> Json:
    if told.error == "failed":
        return {"status": "failed", "error": {"code": "server_error", "message": "The model failed to answer"}}
    if told.stop:
        reason = "max_output_tokens" if told.stop == "length" else told.stop
        return {"status": "incomplete", "incomplete_details": {"reason": reason}}
    return {"status": "completed"}


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(item_id: str, told: Told) -> Json:
    status = "incomplete" if told.stop else "completed"
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [_text_part(reply(told))],
    }


def _reasoning() -> Json:
    return {"id": "rs_" + secrets.token_hex(16), "type": "reasoning", "summary": []}


def _search() -> Json:
    return {
        "id": "ws_" + secrets.token_hex(16),
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "stand-in"},
    }


def _tool_usage(searches: int) -> Json:
    return {
        "web_search": {"num_requests": searches},
        "image_gen": {
            "input_tokens": 0,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            "output_tokens": 0,
            "total_tokens": 0,
        },
    }


def _usage(used: Counts) -> Json:
    return {
        "input_tokens": used.input,
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.written},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    }
