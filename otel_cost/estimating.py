"""How many tokens a text takes where the provider did not say: by an installed tokenizer, else by its characters.

Both answer for OpenAI's vocabulary ``o200k_base`` and are scaled to the model's family. Every figure here was measured
(``python -m tests.benchmarks.bench_estimation`` prints the errors); none of it is the provider's, so that what is
counted this way is always ``estimated``.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

Tokenizer = Callable[[str], int]
"""From a text without lone surrogates to its number of tokens."""
VOCABULARY: Final = "o200k_base"
HEURISTIC: Final = "by its characters"
TOKENIZER: Final = f"tokenizer {VOCABULARY}"


class Estimate(NamedTuple):
    """``tokens``: a whole number, not negative. ``method``: how it came about, for people."""

    tokens: int
    method: str


# --- characters -------------------------------------------------------------------------------------------------------

_UNIT: Final = 100
"""Weights are in hundredths of a token."""
_BY_FIRST_BYTE: Final = (
    (range(ord("a"), ord("z") + 1), 21),
    (range(ord("A"), ord("Z") + 1), 35),
    (range(ord("0"), ord("9") + 1), 80),
    (b"\t\n\r", 95),
    (b" ", 0),  # words bring the space before them
    (range(0xC2, 0xCC), 95),  # Latin letters with marks
    (range(0xCC, 0xD0), 40),  # Greek
    (range(0xD0, 0xD4), 32),  # Cyrillic
    (range(0xD4, 0xE0), 38),  # Armenian, Hebrew, Arabic
    (range(0xE0, 0xE2), 38),  # Indic scripts, Thai, Georgian, Vietnamese
    (range(0xE2, 0xE3), 120),  # quotes, dashes, arrows
    (range(0xE3, 0xE4), 85),  # kana
    (range(0xE4, 0xEA), 65),  # Chinese characters
    (range(0xEA, 0xEE), 70),  # Hangul
    (range(0xEE, 0xF0), 100),  # full-width forms
    (range(0xF0, 0xF5), 180),  # emoji, rare characters
)
"""What a character weighs, by the first byte of its UTF-8. Fitted to the o200k_base counts of some 1,100 recorded
prompts and answers, source code, JSON, and sentences in 15 scripts (``tests/benchmarks/scripts_of_the_world.py``)."""
_OTHER_ASCII: Final = 55


def _weights() -> bytes:
    table = bytearray(256)  # what follows a first byte weighs nothing
    table[:0x80] = bytes([_OTHER_ASCII]) * 0x80
    for first_bytes, weight in _BY_FIRST_BYTE:
        for byte in first_bytes:
            table[byte] = weight
    return bytes(table)


_WEIGHTS: Final = _weights()


def _weigh(text: str) -> int:
    """The weight of ``text``, in hundredths of a token: a sum over its characters."""
    return sum(text.encode("utf-8", "surrogatepass").translate(_WEIGHTS))


class Text:
    """A text whose tokens may be wanted later. Not thread-safe.

    It is counted as it comes and not kept, so that a long stream takes no memory; only where a tokenizer could read it
    are its first ``keep`` characters kept, as a sample by which all of it is judged.
    """

    __slots__ = ("_kept", "_kept_weight", "_left", "_tokens", "_waiting", "_waiting_chars", "_weight")

    def __init__(self, keep: int = 0) -> None:
        self._left = keep
        self._kept: list[str] = []
        self._kept_weight = 0
        self._weight = 0
        self._tokens = 0
        self._waiting: list[str] = []
        self._waiting_chars = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was added, blanks apart."""
        return not (self._waiting or self._weight or self._tokens)

    def add(self, piece: str) -> None:
        """What follows directly."""
        if piece:
            self._waiting.append(piece)
            self._waiting_chars += len(piece)
            if self._waiting_chars >= _COUNTED_AT_ONCE:
                self._count()

    def add_apart(self, piece: str) -> None:
        """What follows as a text of its own."""
        if piece and not self.empty:
            self.add(" ")
        self.add(piece)

    def add_tokens(self, tokens: int) -> None:
        """What is no text, or cut into tokens already."""
        self._tokens += tokens

    def _count(self) -> None:
        text = "".join(self._waiting)
        self._waiting.clear()
        self._waiting_chars = 0
        weight = _weigh(text)
        self._weight += weight
        if self._left:
            kept = text[: self._left]
            self._left -= len(kept)
            self._kept.append(kept)
            self._kept_weight += weight if len(kept) == len(text) else _weigh(kept)

    def tokens(self, tokenizer: Tokenizer | None, percent: int) -> int:
        """All tokens, those of the text scaled to ``percent`` and rounded up."""
        if self._waiting:
            self._count()
        weight = self._weight
        if tokenizer is not None and self._kept_weight:
            sampled = tokenizer(_whole("".join(self._kept))) * _UNIT
            weight = sampled * weight // self._kept_weight
        return self._tokens + -(-weight * percent // (_UNIT * 100))


_COUNTED_AT_ONCE: Final = 1024
"""Characters: a streamed answer comes a word at a time."""


def _whole(text: str) -> str:
    """The text without lone surrogates, which are no characters to a tokenizer."""
    return text.encode("utf-8", "replace").decode("utf-8")


# --- models -----------------------------------------------------------------------------------------------------------


class _Family(NamedTuple):
    """``percent``: tokens of an English text, against o200k_base. ``tools``: what offering any tool adds to the prompt
    beside their descriptions. ``framing``: tokens of a conversation beside the words of its messages and their fields;
    the median is 5 at OpenAI, 7 at Anthropic, 6 at Groq, and nothing at Mistral."""

    percent: int
    tools: int = 20
    framing: int = 5


_OPENAI: Final = _Family(100)
_OTHER: Final = _Family(110)
_FAMILIES: Final = (
    ("claude", _Family(120, 340)),
    ("gemini", _Family(105)),
    ("mistral", _Family(130, framing=0)),
    ("mixtral", _Family(130, framing=0)),
    ("nova", _Family(112, 370)),
    ("llama", _Family(107)),
    ("gpt", _OPENAI),
    ("text-embedding", _OPENAI),
    ("davinci", _OPENAI),
    ("babbage", _OPENAI),
)
"""Part of a model's name to its family; medians over the recorded calls."""
_REASONERS: Final = re.compile(r"(^|/)o\d")
SAMPLE: Final = 32_768
"""Characters that are given to a tokenizer: about 1.5 ms, which hold up all threads."""


def _family(model: str) -> _Family:
    name = model.lower()
    found = next((family for part, family in _FAMILIES if part in name), None)
    return found or (_OPENAI if _REASONERS.search(name) else _OTHER)


def framing_of(model: str, *, conversation: bool, tools: bool) -> int:
    """Tokens that the provider puts around a prompt's own. ``tools``: whether any are offered."""
    family = _family(model)
    return (family.framing if conversation else 0) + (family.tools if tools else 0)


class Estimator:
    """Counts tokens. Thread-safe; cheap until it is asked.

    Args:
        load: Makes the tokenizer when it is first needed; None where there is none to be had.
    """

    def __init__(self, load: Callable[[], Tokenizer] | None = None) -> None:
        self._load = load
        self._tokenizer: Tokenizer | None = None

    @property
    def tokenizes(self) -> bool:
        """Whether there is a tokenizer to be had."""
        return self._load is not None

    def text(self) -> Text:
        """An empty text."""
        return Text(SAMPLE if self._load is not None else 0)

    def estimate_tokens(self, text: str, model: str) -> Estimate:
        """The tokens of ``text`` for ``model`` (any name of it), in one step. Never raises on any string."""
        whole = self.text()
        whole.add(text)
        return self.tokens_of(whole, model)

    def tokens_of(self, text: Text, model: str, *, roughly: bool = False) -> Estimate:
        """The tokens of ``text``. ``roughly``: by its characters in any case."""
        tokenizer = None if roughly else self._loaded()
        percent = _family(model).percent
        method = HEURISTIC if tokenizer is None else TOKENIZER
        scaled = f" x {percent / 100:g}" if percent != 100 else ""
        return Estimate(text.tokens(tokenizer, percent), method + scaled)

    def prompt_tokens_of(
        self, text: Text, model: str, *, conversation: bool, tools: bool, roughly: bool = False
    ) -> Estimate:
        """As :meth:`tokens_of`, with what the provider puts around a prompt. ``tools``: whether any are offered."""
        found = self.tokens_of(text, model, roughly=roughly)
        return found._replace(tokens=found.tokens + framing_of(model, conversation=conversation, tools=tools))

    def _loaded(self) -> Tokenizer | None:
        # Two threads may both load it: that costs time once, and a lock could be held by a thread that a fork left out.
        if self._tokenizer is None and self._load is not None:
            try:
                self._tokenizer = self._load()
            except (ImportError, AttributeError):
                self._load = None  # not what it was when this was written: the characters it is
        return self._tokenizer


_PACKAGE: Final = "rs_bpe"


def installed_tokenizer() -> Callable[[], Tokenizer] | None:
    """What loads the tokenizer of the extra ``tokens``; None where it is not installed. Nothing is loaded yet.

    Its wheel carries the vocabulary, so that nothing is downloaded, ever. Loading takes about 0.1 s, once, and 65 MB.
    """
    return _load_rs_bpe if importlib.util.find_spec(_PACKAGE) is not None else None


def _load_rs_bpe() -> Tokenizer:
    module = cast("Any", importlib.import_module(f"{_PACKAGE}.bpe"))
    return cast("Tokenizer", module.openai.o200k_base().count)
