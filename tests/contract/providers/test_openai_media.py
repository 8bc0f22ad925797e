"""Images and sound through the ``openai`` SDK, each by the unit that its provider bills."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from otel_cost import semconv
from tests.contract.providers.answering import Answers, answering
from tests.contract.providers.seen import attributes_of, only_span, status
from tests.support.world import World

DRAWN = {
    "input_tokens": 1100,
    "input_tokens_details": {"text_tokens": 100, "image_tokens": 1000},
    "output_tokens": 4000,
    "total_tokens": 5100,
}
DRAWN_PRICE = 100 * 5e-6 + 1000 * 8e-6 + 4000 * 32e-6
"""gpt-image-1.5: 5 USD per million tokens of text in, 8 of images in, 32 of images out (genai-prices 0.2.3)."""
PICTURE: Any = {"created": 1, "data": [{"b64_json": "eA=="}]}


@pytest.fixture
def server(world: World) -> Iterator[Answers]:
    with answering({}) as server:
        yield server


@pytest.fixture
def client(server: Answers) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


def _cost(world: World) -> Any:
    return attributes_of(only_span(world)).get(semconv.COST_AMOUNT)


def _why(world: World) -> tuple[object, object]:
    return status(only_span(world)), attributes_of(only_span(world)).get(semconv.REASON)


def _events(server: Answers, *events: dict[str, Any]) -> None:
    server.headers["content-type"] = "text/event-stream"
    server.say(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))


# --- images -----------------------------------------------------------------------------------------------------------

DRAW: dict[str, Callable[[openai.OpenAI], object]] = {
    "generate": lambda client: client.images.generate(model="gpt-image-1.5", prompt="x"),
    "edit": lambda client: client.images.edit(model="gpt-image-1.5", prompt="x", image=b"\x89PNG"),
    "raw": lambda client: client.images.with_raw_response.generate(model="gpt-image-1.5", prompt="x").parse(),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_images_are_charged_by_their_tokens(
    draw: Callable[[openai.OpenAI], Any], client: openai.OpenAI, server: Answers, world: World
) -> None:
    server.say(PICTURE | {"usage": DRAWN})

    assert draw(client).data[0].b64_json == "eA=="

    assert _cost(world) == pytest.approx(DRAWN_PRICE, abs=1e-12)


async def test_async_images_are_charged(server: Answers, world: World) -> None:
    server.say(PICTURE | {"usage": DRAWN})
    async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as client:
        await client.images.generate(model="gpt-image-1.5", prompt="x")

    assert _cost(world) == pytest.approx(DRAWN_PRICE, abs=1e-12)


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_streamed_images_are_charged(kind: str, client: openai.OpenAI, server: Answers, world: World) -> None:
    _events(server, {"type": f"{kind}.partial_image"}, {"type": f"{kind}.completed", "usage": DRAWN})

    assert len(list(client.images.generate(model="gpt-image-1.5", prompt="x", stream=True))) == 2

    assert _cost(world) == pytest.approx(DRAWN_PRICE, abs=1e-12)


def test_text_that_an_image_model_thought_is_not_an_image(client: openai.OpenAI, server: Answers, world: World) -> None:
    """10 USD per million tokens of text (genai-prices 0.2.3)."""
    split = {"output_tokens_details": {"text_tokens": 1000, "image_tokens": 3000}}
    server.say(PICTURE | {"usage": DRAWN | split})
    client.images.generate(model="gpt-image-1.5", prompt="x")

    assert _cost(world) == pytest.approx(DRAWN_PRICE - 1000 * 22e-6, abs=1e-12)


@pytest.mark.parametrize("model", [{"model": "dall-e-3"}, {}], ids=["named", "by default"])
def test_images_by_the_piece_are_never_free(model: Any, client: openai.OpenAI, server: Answers, world: World) -> None:
    server.say(PICTURE)
    client.images.generate(prompt="x", **model)

    assert _why(world)[0] == "unpriced"
    assert attributes_of(only_span(world))[semconv.UNIT_PREFIX + "requests"] == 1


# --- speech -----------------------------------------------------------------------------------------------------------


def _speak(client: openai.OpenAI, at: Path) -> None:
    client.audio.speech.create(model="tts-1", voice="ash", input="é" * 1000).write_to_file(at)


def _speak_raw(client: openai.OpenAI, at: Path) -> None:
    client.audio.speech.with_raw_response.create(model="tts-1", voice="ash", input="é" * 1000)


def _speak_in_parts(client: openai.OpenAI, at: Path) -> None:
    speech = client.audio.speech.with_streaming_response
    with speech.create(model="tts-1", voice="ash", input="é" * 1000) as response:
        response.stream_to_file(at)


@pytest.mark.parametrize("speak", [_speak, _speak_raw, _speak_in_parts])
def test_speech_is_charged_by_the_character(
    speak: Callable[..., None], client: openai.OpenAI, server: Answers, world: World, tmp_path: Path
) -> None:
    """tts-1: 15 USD per million characters (genai-prices 0.2.3)."""
    server.headers["content-type"] = "audio/mpeg"
    server.say(b"ID3")
    speak(client, tmp_path / "sound")

    assert _cost(world) == pytest.approx(1000 * 15e-6, abs=1e-12)


def test_speech_that_failed_is_free(client: openai.OpenAI, world: World) -> None:
    with pytest.raises(openai.APIConnectionError):
        _speak(client.with_options(base_url="http://127.0.0.1:9"), Path())

    assert _cost(world) == 0
    assert _why(world) == ("priced", "failed")


def test_speech_by_tokens_is_charged_where_they_are_told(client: openai.OpenAI, server: Answers, world: World) -> None:
    """gpt-4o-mini-tts: 0.60 and 12 USD per million tokens (genai-prices 0.2.3)."""
    usage = {"input_tokens": 1000, "output_tokens": 2000, "total_tokens": 3000}
    _events(server, {"type": "speech.audio.delta", "audio": "eA=="}, {"type": "speech.audio.done", "usage": usage})
    client.audio.speech.create(model="gpt-4o-mini-tts", voice="ash", input="x", stream_format="sse")

    assert _cost(world) == pytest.approx(1000 * 0.6e-6 + 2000 * 12e-6, abs=1e-12)


@pytest.mark.parametrize("format", [{"stream_format": "sse"}, {}], ids=["events", "sound"])
def test_speech_by_tokens_that_are_not_told_is_never_free(
    format: Any, client: openai.OpenAI, server: Answers, world: World
) -> None:
    server.say(b"ID3")
    client.audio.speech.create(model="gpt-4o-mini-tts", voice="ash", input="x", **format)

    assert _why(world)[0] == "unpriced"


# --- transcription ----------------------------------------------------------------------------------------------------

SECONDS = {"text": "x", "usage": {"type": "duration", "seconds": 90}}
VERBOSE = {"text": "x", "duration": 89.6, "language": "en"}
TOKENS = {"type": "tokens", "input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
TOKENS |= {"input_token_details": {"audio_tokens": 900, "text_tokens": 100}}
BY_TOKENS = 900 * 6e-6 + 100 * 2.5e-6 + 100 * 10e-6
"""gpt-4o-transcribe: 6 USD per million tokens of sound, 2.50 of text, 10 out (genai-prices 0.2.3)."""


def test_sound_is_charged_by_the_second(client: openai.OpenAI, server: Answers, world: World) -> None:
    """whisper-1: 0.36 USD an hour (genai-prices 0.2.3)."""
    server.say(SECONDS)
    client.audio.transcriptions.create(model="whisper-1", file=b"RIFF")

    assert _cost(world) == pytest.approx(90 * 0.36 / 3600, abs=1e-12)
    assert _why(world)[0] == "priced"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("what", ["transcriptions", "translations"])
def test_a_length_without_usage_is_an_estimate(what: str, client: openai.OpenAI, server: Answers, world: World) -> None:
    server.say(VERBOSE)
    getattr(client.audio, what).create(model="whisper-1", file=b"RIFF", response_format="verbose_json")

    assert _cost(world) == pytest.approx(90 * 0.36 / 3600, abs=1e-12)
    assert _why(world) == ("estimated", "usage_estimated")


@pytest.mark.parametrize("format", ["text", "srt"])
def test_plain_text_tells_nothing(format: Any, client: openai.OpenAI, server: Answers, world: World) -> None:
    server.headers["content-type"] = "text/plain"
    server.say(b"hello")
    client.audio.transcriptions.create(model="whisper-1", file=b"RIFF", response_format=format)

    assert _why(world) == ("unpriced", "no_usage")


def test_sound_is_charged_by_tokens(client: openai.OpenAI, server: Answers, world: World) -> None:
    server.say({"text": "x", "usage": TOKENS})
    client.audio.transcriptions.create(model="gpt-4o-transcribe", file=b"RIFF")

    assert _cost(world) == pytest.approx(BY_TOKENS, abs=1e-12)


def test_a_streamed_transcription_is_charged(client: openai.OpenAI, server: Answers, world: World) -> None:
    done = {"type": "transcript.text.done", "text": "x", "usage": TOKENS}
    _events(server, {"type": "transcript.text.delta", "delta": "x"}, done)
    list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=b"RIFF", stream=True))

    assert _cost(world) == pytest.approx(BY_TOKENS, abs=1e-12)
