"""The text that a model generated, in whole answers that lack a count of it. Each function gives its pieces, or None
where there is no answer in what came (yet). Takes SDK objects and decoded JSON alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_cost_instrumentation._read import field, items, sent, text


def chat(completion: object) -> list[str] | None:
    """Of a chat completion, or a completion."""
    choices = items(completion, "choices")
    return [piece for choice in choices for piece in said(choice, "message")] if choices else None


def said(choice: object, where: str) -> Iterator[str]:
    """Of one choice, or of one chunk of it. ``where``: its field with the message."""
    message = field(choice, where)
    yield text(choice, "text")
    for name in ("content", "refusal", _thought(message)):
        value = field(message, name)
        if isinstance(value, str):
            yield value
        elif value is not None:
            yield from _words(value)
    for call in items(message, "tool_calls"):
        yield text(call, "function", "name")
        yield text(call, "function", "arguments")


def _thought(message: object) -> str:
    """The field with reasoning, which has two names; some servers write both."""
    return "reasoning_content" if text(message, "reasoning_content") else "reasoning"


def response(answer: object) -> list[str] | None:
    """Of a response of the Responses API, which may still be on its way."""
    if field(answer, "output") is None or text(answer, "status") in _TO_COME:
        return None
    return [piece for item in items(answer, "output") for piece in _of_item(item)]


_TO_COME: Final = frozenset({"queued", "in_progress", "cancelled"})


def _of_item(item: object) -> Iterator[str]:
    for name in ("name", "arguments", "input", "code"):
        yield text(item, name)
    for part in (*items(item, "summary"), *items(item, "content")):
        yield text(part, "text")
        yield text(part, "refusal")


def embeddings(answer: object) -> tuple[str, ...] | None:
    """Nothing: vectors are not billed."""
    return () if items(answer, "data") else None


def nothing(answer: object) -> None:
    """Of an answer that is no text, or is billed by what no text tells."""


def message(answer: object) -> list[str] | None:
    """Of a message of Anthropic's."""
    if field(answer, "content") is None:
        return None
    return [piece for block in items(answer, "content") for piece in _of_block(block)]


def _of_block(block: object) -> Iterator[str]:
    for name in ("text", "thinking", "name"):
        yield text(block, name)
    yield from _words(field(block, "input"))


def _words(value: object) -> Iterator[str]:
    return (piece for piece in sent(value) if isinstance(piece, str))
