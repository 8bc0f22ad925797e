"""Images, speech and transcription in OpenAI's formats.

Images: GPT image models count tokens of text and of images on both sides; DALL·E counts nothing, and is billed by the
image, its size and quality, for which the price data has no unit: counted as requests, such a call is unpriced until an
overlay gives it a price. Speech: billed by the character that is spoken, or by tokens, which are told only in a stream
of events. Transcription: by the second of sound, or by tokens.

Sources: the types of ``openai`` 3.54; OpenAI's price list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._read import Attributes, Names, count, field, items, parts, text, totals

_REQUESTS: Final = semconv.UNIT_PREFIX + "requests"
_CHARACTERS: Final = semconv.UNIT_PREFIX + "input_characters"
_SECONDS: Final = (semconv.UNIT_PREFIX + "audio_seconds", semconv.UNIT_PREFIX + "input_audio_seconds")
"""A time of sound, and the part of it that goes in: all of it."""
_TOTALS: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
}
_IMAGES_IN: Final[Names] = {semconv.USAGE_IMAGE_INPUT: "image_tokens"}
_IMAGES_OUT: Final[Names] = {semconv.USAGE_IMAGE_OUTPUT: "image_tokens"}
_SOUND_IN: Final[Names] = {semconv.USAGE_AUDIO_INPUT: "audio_tokens"}


def images(answer: object) -> Attributes:
    usage = field(answer, "usage")
    if usage is None:
        return {_REQUESTS: len(items(answer, "data")) or 1}
    found = image_usage(usage)
    if field(answer, "svg_usage") is not None:
        # Drawn by another model, whose tokens have another price: with a count that has none, the call is unpriced.
        found[_REQUESTS] = 1
    return found


def image_usage(usage: object) -> Attributes:
    """Usage of an image model. Output that is not split is images alone, as it is of all models that do not split."""
    found = totals(usage, _TOTALS) | parts(field(usage, "input_tokens_details"), _IMAGES_IN)
    split = field(usage, "output_tokens_details")
    drawn = count(usage, "output_tokens")
    if split is not None:
        found.update(parts(split, _IMAGES_OUT))
    elif drawn:
        found[semconv.USAGE_IMAGE_OUTPUT] = drawn
    return found


def speech(answer: object) -> Attributes:
    """Of speech that was asked for as events: the last one tells the tokens. Sound by itself tells nothing."""
    content = field(answer, "content")
    if not isinstance(content, bytes) or not content.startswith((b"data:", b"event:", b":")):
        return {}
    lines = (line[len(b"data:") :] for line in reversed(content.splitlines()) if line.startswith(b"data:"))
    for line in lines:
        if b"speech.audio.done" in line:
            return _spoken(json.loads(line))
    return {}


def _spoken(event: object) -> Attributes:
    found = totals(field(event, "usage"), _TOTALS)
    if semconv.USAGE_OUTPUT_TOKENS in found:
        found[semconv.USAGE_AUDIO_OUTPUT] = found[semconv.USAGE_OUTPUT_TOKENS]
    return found


def characters(body: Mapping[str, object]) -> Attributes:
    """What speech costs by the character, known as soon as it is asked for; events tell tokens instead."""
    spoken = text(body, "input")
    return {_CHARACTERS: len(spoken)} if spoken and text(body, "stream_format") != "sse" else {}


def transcription(answer: object) -> Attributes:
    """Plain text, subtitles and some servers' JSON tell neither time nor tokens."""
    usage = field(answer, "usage")
    if usage is None:
        return _listened(field(answer, "duration"), _BY_LENGTH)
    if text(usage, "type") == "duration":
        return _listened(field(usage, "seconds"))
    return totals(usage, _TOTALS) | parts(field(usage, "input_token_details"), _SOUND_IN)


_BY_LENGTH: Final = "seconds by the length of the sound, as the answer tells no usage"


def _listened(seconds: object, how: str = "") -> Attributes:
    """Billed by the whole second. ``how``: that is not what the provider says it bills."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _LONGEST:
        return {}
    found: Attributes = dict.fromkeys(_SECONDS, round(seconds))
    if how:
        found |= {semconv.USAGE_ESTIMATED: True, semconv.USAGE_ESTIMATED_HOW: how}
    return found


_LONGEST: Final = 10**9
"""Seconds; 30 years."""


class MediaReader:
    """Events of streamed images and transcriptions. One whose type ends in ``ends`` carries the usage."""

    def __init__(self, heard: Text, ends: tuple[str, ...], read: Callable[[object], Attributes]) -> None:
        self._ends = ends
        self._read = read
        self._known: Attributes = {}
        self.final = False

    def read(self, event: object) -> bool:
        if text(event, "type").endswith(self._ends):
            self._known, self.final = self._read(event), True
        return True

    def attributes(self) -> Attributes:
        return dict(self._known)


def image_reader(heard: Text) -> MediaReader:
    return MediaReader(heard, (".completed",), images)


def transcription_reader(heard: Text) -> MediaReader:
    return MediaReader(heard, ("text.done",), transcription)
