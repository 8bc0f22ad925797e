"""How a request tells the stand-in what to answer: the directive language (documented in ``provider``), parsed.

Pure functions over decoded JSON. Counts are those of one billed call, in tokens (searches in requests).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

Json = dict[str, object]

INPUT_PER_MESSAGE: Final = 100
OUTPUT_PER_CHOICE: Final = 50
REPLY: Final = ("The ", "stand-in ", "has ", "read ", "this ", "and ", "answers ", "at ", "some ", "length. ")
_COUNTS: Final = frozenset(
    {
        "input",
        "output",
        "cached",
        "cache_write",
        "cache_write_1h",
        "reasoning",
        "audio_input",
        "audio_output",
        "web_searches",
    }
)
_WORD: Final = re.compile(r"\b(error|slow|pause|tier|id|model|stop|chunks):([^\s,;]+)")
_USAGE: Final = re.compile(r"\busage:(?=\{|none\b)")
_ERROR: Final = re.compile(r"(midstream|drop|failed|[45]\d\d)(?:\*(\d+))?")


class BadDirective(ValueError):
    """A directive that cannot be read; its text is safe to send back to the client."""


class MidStream(Exception):
    """The told moment for an error event inside a stream has come."""


class Cut(Exception):
    """The told moment for cutting the connection has come."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one call used. ``input`` and ``output`` include their parts, whatever the provider's own habit."""

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    web_searches: int = 0

    @property
    def written(self) -> int:
        """Tokens written to the cache for any time to live."""
        return self.cache_write + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class Told:
    """What a request asked the stand-in to do; the defaults are an ordinary, successful answer."""

    usage: Counts | None = field(default_factory=lambda: Counts(INPUT_PER_MESSAGE, OUTPUT_PER_CHOICE))
    error: str = ""
    failing_attempts: int | None = None
    slow_s: float = 0.0
    pause_s: float = 0.0
    tier: str = ""
    response_id: str = ""
    model: str = ""
    stop: str = ""
    chunks: int = 3

    @property
    def status(self) -> int | None:
        """The HTTP status to fail with, or None."""
        return int(self.error) if self.error.isdigit() else None

    def fails(self, attempt: int) -> bool:
        """Whether the attempt with this number (from 0) is one that was told to fail."""
        return bool(self.error) and (self.failing_attempts is None or attempt < self.failing_attempts)


def read(text: str, *, messages: int, choices: int = 1) -> Told:
    """Parse the directives in ``text``; what is not told follows from the number of messages and choices.

    Raises:
        BadDirective: a directive is misspelt.
    """
    words = {found.group(1): found.group(2) for found in _WORD.finditer(text)}
    error, failing = _error(words.get("error", ""))
    return Told(
        usage=_usage(text, Counts(INPUT_PER_MESSAGE * messages, OUTPUT_PER_CHOICE * choices)),
        error=error,
        failing_attempts=failing,
        slow_s=_number("slow", words.get("slow", "0")),
        pause_s=_number("pause", words.get("pause", "0")),
        tier=words.get("tier", ""),
        response_id=words.get("id", ""),
        model=words.get("model", ""),
        stop=words.get("stop", ""),
        chunks=max(1, int(_number("chunks", words.get("chunks", "3")))),
    )


def _usage(text: str, default: Counts) -> Counts | None:
    found = _USAGE.search(text)
    if found is None:
        return default
    rest = text[found.end() :]
    if rest.startswith("none"):
        return None
    try:
        told, _ = json.JSONDecoder().raw_decode(rest)
    except ValueError as error:
        raise BadDirective(f"usage: is not followed by a JSON object: {error}") from error
    unknown = sorted(set(told) - _COUNTS)
    if unknown:
        raise BadDirective(f"usage: has no count named {unknown[0]!r}; there are {', '.join(sorted(_COUNTS))}")
    if not all(isinstance(count, int) for count in told.values()):
        raise BadDirective("usage: counts are whole numbers")
    return Counts(**{"input": default.input, "output": default.output, **told})


def _error(word: str) -> tuple[str, int | None]:
    if not word:
        return "", None
    found = _ERROR.fullmatch(word)
    if found is None:
        raise BadDirective(f"error:{word} is neither a status (400 to 599) nor midstream, drop or failed")
    return found.group(1), int(found.group(2)) if found.group(2) else None


def _number(name: str, word: str) -> float:
    try:
        return float(word)
    except ValueError as error:
        raise BadDirective(f"{name}:{word} is not a number") from error


def pieces(told: Told) -> Iterator[str]:
    """The reply in ``told.chunks`` pieces, broken off half-way where that was told.

    Raises:
        MidStream: instead of the second half, for ``error:midstream``.
        Cut: instead of the second half, for ``error:drop``.
    """
    for number in range(told.chunks):
        if number == (told.chunks + 1) // 2:
            _break_off(told)
        yield REPLY[number % len(REPLY)]
    if told.chunks == 1:
        _break_off(told)


def _break_off(told: Told) -> None:
    if told.error == "midstream":
        raise MidStream
    if told.error == "drop":
        raise Cut


def reply(told: Told) -> str:
    return "".join(REPLY[number % len(REPLY)] for number in range(told.chunks)).rstrip()


def last_text(items: object, *, role: str = "user") -> str:
    """The text of the last item of ``role`` in a list of messages; of the last string where items have no role."""
    if isinstance(items, str):
        return items
    if not isinstance(items, list):
        return ""
    for item in reversed(items):
        if isinstance(item, str):
            return item
        if isinstance(item, Mapping) and item.get("role", role) == role:
            return _content_text(item.get("content"))
    return ""


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, Mapping))
    return "\n".join(part for part in parts if isinstance(part, str))


def count_of(items: object) -> int:
    """How many messages or inputs a request carries; a bare string is one."""
    return len(items) if isinstance(items, list) else 1
