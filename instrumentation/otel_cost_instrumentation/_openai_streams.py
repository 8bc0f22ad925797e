"""Streamed answers in OpenAI's formats, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._openai_answers import HEAD, ReadUsage, response, token_usage
from otel_cost_instrumentation._read import Attributes, count, field, items, text, texts


class ChatReader:
    """Chunks of a chat completion. ``conceal``: the chunk that only carries usage was asked for by otel-cost."""

    def __init__(self, heard: Text, conceal: bool = False, read_usage: ReadUsage = token_usage) -> None:
        self._heard = heard
        self._conceal = conceal
        self._read_usage = read_usage
        self._usage: object = None
        self._apart = False
        self._head: Attributes = {}
        self._tier: object = None
        self._reasons: dict[int, str] = {}

    @property
    def final(self) -> bool:
        # Some count along in every chunk: that is the last word only when an answer has ended.
        return self._usage is not None and (self._apart or bool(self._reasons))

    def read(self, chunk: object) -> bool:
        # Nearly all chunks of a stream are a word and nothing else.
        word = _word_of(chunk, self._tier) if semconv.RESPONSE_ID in self._head and not self._reasons else None
        if word is None:
            return self._read_all(chunk)
        self._heard.add(word)
        if self._conceal:
            _hide_usage(chunk)
        return True

    def _read_all(self, chunk: object) -> bool:
        choices = items(chunk, "choices")
        for choice in choices:
            self._read_choice(choice)
        if not self._head.get(semconv.RESPONSE_ID) or text(chunk, "service_tier"):
            self._head |= texts(chunk, HEAD)
            self._tier = self._head.get(semconv.OPENAI_RESPONSE_SERVICE_TIER)
        usage = field(chunk, "usage")
        if usage is not None:
            self._usage, self._apart = usage, not choices
            return not self._conceal or bool(choices)
        if self._reasons:
            # Groq and Moonshot tell their usage with the last choice, asked or not, in corners of their own.
            self._usage = field(chunk, "x_groq", "usage") or _of_choices(choices) or self._usage
        if self._conceal:
            _hide_usage(chunk)
        return True

    def _read_choice(self, choice: object) -> None:
        for piece in written.said(choice, "delta"):
            self._heard.add(piece)
        reason = text(choice, "finish_reason")
        if reason:
            self._reasons[count(choice, "index") or 0] = reason

    def attributes(self) -> Attributes:
        found = self._head | self._read_usage(self._usage)
        if self._reasons:
            found[semconv.RESPONSE_FINISH_REASONS] = [self._reasons[index] for index in sorted(self._reasons)]
        return found


def _of_choices(choices: list[object]) -> object:
    return next((usage for choice in choices if (usage := field(choice, "usage"))), None)


_WORD: Final = frozenset({"content", "role"})


def _word_of(chunk: Any, tier: object) -> str | None:
    """The text of a chunk that tells nothing but some text of one choice, and no other service tier than ``tier``; None
    of any other, which has to be read in full.

    In one piece, and not by :func:`field`: it runs between any two words of an answer.
    """
    try:
        fields = chunk if type(chunk) is dict else chunk.__dict__
        (choice,) = fields["choices"]
        inner = choice if type(choice) is dict else choice.__dict__
        delta = inner["delta"]
        if type(delta) is dict:
            said, values = delta.keys(), delta
        elif delta.__pydantic_extra__:
            return None
        else:
            said, values = delta.__pydantic_fields_set__, delta.__dict__
        if fields.get("usage") is None and inner.get("finish_reason") is None and said <= _WORD:
            word = values["content"]
            return word if fields.get("service_tier") == tier and isinstance(word, str) else None
    except (AttributeError, KeyError, TypeError, ValueError):
        pass  # none of these fields, or not one choice
    return None


def _hide_usage(chunk: object) -> None:
    """Asked for usage, the API writes ``usage: null`` on every other chunk: without us the field would be unset."""
    fields = getattr(chunk, "model_fields_set", None)
    if isinstance(fields, set):
        cast("set[str]", fields).discard("usage")


_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponseReader:
    """Events of a streamed response. ``read_answer``: reads the response as far as it is in an event."""

    def __init__(self, heard: Text, read_answer: Callable[[object], Attributes] = response) -> None:
        self._heard = heard
        self._read_answer = read_answer
        self._known: Attributes = {}
        self.final = False

    def read(self, event: object) -> bool:
        kind = text(event, "type")
        if kind.endswith(".delta"):
            self._heard.add(text(event, "delta"))
        elif kind in _ENDS or kind == "response.created":
            answer = field(event, "response")
            self._known = self._read_answer(answer)
            self.final = kind in _ENDS and field(answer, "usage") is not None
        elif kind == "error":
            self._known[semconv.ERROR_TYPE] = text(event, "code") or kind
        return True

    def attributes(self) -> Attributes:
        return dict(self._known)
