"""What Hugging Face's inference client reads: bytes of a whole answer, or the lines of a stream of server-sent events.

Text generation answers in one of two formats: text-generation-inference's, or that of OpenAI's completions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _openai_answers as openai
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._openai_streams import ChatReader
from otel_cost_instrumentation._read import Attributes, Names, field, items, text, totals
from otel_cost_instrumentation._request import Reader
from otel_cost_instrumentation._stream import AsyncStream, SyncStream, Watcher

# --- whole answers ----------------------------------------------------------------------------------------------------


def _decoded(answer: object) -> object:
    """The answer's JSON, of a list the first; None where there is none."""
    try:
        found = json.loads(answer) if isinstance(answer, bytes | str) else None
    except ValueError:
        return None
    return found[0] if isinstance(found, list) and found else found


def chat(answer: object) -> Attributes:
    return openai.chat(_decoded(answer))


def chat_text(answer: object) -> list[str] | None:
    return written.chat(_decoded(answer))


def generated(answer: object) -> Attributes:
    found = _decoded(answer)
    return openai.chat(found) if items(found, "choices") else _told(field(found, "details"))


def generated_text(answer: object) -> list[str] | None:
    found = _decoded(answer)
    if items(found, "choices"):
        return written.chat(found)
    return None if field(found, "generated_text") is None else [text(found, "generated_text")]


_DETAILS: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "input_length",
    semconv.USAGE_OUTPUT_TOKENS: "generated_tokens",
}


def _told(details: object) -> Attributes:
    """Counts, in what text-generation-inference says of one generation: a whole one lists the prompt's tokens if asked
    for, a streamed one counts them."""
    found = totals(details, _DETAILS)
    prompt = items(details, "prefill")
    if prompt:
        found[semconv.USAGE_INPUT_TOKENS] = len(prompt)
    reason = text(details, "finish_reason")
    if reason:
        found[semconv.RESPONSE_FINISH_REASONS] = [reason]
    return found


def _says_usage(answer: object) -> bool:
    """Whether vectors may come with usage: bare ones are a list, and long, so that these are not decoded again."""
    return isinstance(answer, bytes) and answer.lstrip()[:1] == b"{"


def vectors(answer: object) -> Attributes:
    return openai.embeddings(_decoded(answer)) if _says_usage(answer) else {}


def vectors_text(answer: object) -> tuple[str, ...] | None:
    """Nothing: vectors are not billed."""
    return ()


# --- streams ----------------------------------------------------------------------------------------------------------

_DATA: Final = "data:"
_DONE: Final = "[DONE]"


def _event(line: object) -> object:
    """The JSON of one line, None where there is none."""
    return _decoded(line.removeprefix(_DATA)) if isinstance(line, str) and line.startswith(_DATA) else None


def _failure(event: object) -> str:
    """What went wrong with the provider, by name, where ``event`` says so."""
    error = field(event, "error")
    if error is None:
        return ""
    return text(event, "error_type") or text(error, "code") or text(error, "type") or "error"


def _is_last(line: object) -> bool:
    """Whether the SDK asks for no more after ``line``."""
    if not isinstance(line, str):
        return False
    return line.removeprefix(_DATA).strip() == _DONE or ('"error"' in line and bool(_failure(_event(line))))


class _Lines:
    """Lines of a stream."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._failure = ""

    @property
    def final(self) -> bool:
        return self._reader.final

    def read(self, line: object) -> bool:
        event = _event(line)
        self._failure = self._failure or _failure(event)
        return event is None or self._reader.read(event)

    def attributes(self) -> Attributes:
        found = self._reader.attributes()
        return found | {semconv.ERROR_TYPE: self._failure} if self._failure else found


class ChatLines(_Lines):
    """Of a chat completion. ``conceal``: the chunk that only carries usage was asked for by otel-cost."""

    def __init__(self, heard: Text, conceal: bool = False) -> None:
        super().__init__(ChatReader(heard, conceal))


class TextLines(_Lines):
    """Of generated text."""

    def __init__(self, heard: Text) -> None:
        super().__init__(_TokenReader(heard))


class _TokenReader:
    """Tokens of generated text; the last one comes with the counts."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._known: Attributes = {}
        self.final = False

    def read(self, event: object) -> bool:
        self._heard.add(text(event, "token", "text"))
        self._known = _told(field(event, "details")) or self._known
        self.final = semconv.USAGE_OUTPUT_TOKENS in self._known
        return True

    def attributes(self) -> Attributes:
        return dict(self._known)


def watched_lines(result: object, watcher: Watcher) -> object | None:
    """A stand-in for the lines of a stream; None for a whole answer."""
    if isinstance(result, bytes):
        return None
    kind: Callable[[object, Watcher], object] = Lines if hasattr(type(result), "__next__") else AsyncLines
    return kind(result, watcher)


class Lines(SyncStream):
    """The SDK leaves a stream when its last line has come, and does not wait for its end."""

    __slots__ = ()

    def __next__(self) -> object:
        line = super().__next__()
        if _is_last(line):
            self._self_watcher.finished()
        return line


class AsyncLines(AsyncStream):
    __slots__ = ()

    async def __anext__(self) -> object:
        line = await super().__anext__()
        if _is_last(line):
            self._self_watcher.finished()
        return line
