"""Ways of calling Gemini beside the plain one: they all end in the same request, and are charged for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.answering import answering
from tests.contract.providers.seen import TOTALS, USAGE, attributes_of, only_span, status, totals
from tests.support.world import World

GEMINI = "gemini-2.5-flash"


@pytest.fixture
def client(server: StandInProvider, world: World) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=server.base_url, async_client_args={"transport": httpx.AsyncHTTPTransport()})
    with genai.Client(api_key="none", http_options=options) as client:
        yield client


def test_a_chat(client: genai.Client, world: World) -> None:
    chat = client.chats.create(model=GEMINI)
    chat.send_message("hello")
    for _ in chat.send_message_stream(USAGE):
        pass

    assert world.statuses() == ["priced", "priced"]
    assert totals(world.finished()[1]) == TOTALS


async def test_an_async_chat(client: genai.Client, world: World) -> None:
    chat = client.aio.chats.create(model=GEMINI)
    await chat.send_message(USAGE)
    async for _ in await chat.send_message_stream(USAGE):
        pass
    await client.aio.aclose()

    assert {(status(span), totals(span)) for span in world.finished()} == {("priced", TOTALS)}


INTERACTION = {
    "id": "i",
    "object": "interaction",
    "model": GEMINI,
    "status": "completed",
    "steps": [],
    "usage": {"total_input_tokens": 1000, "total_output_tokens": 200, "total_tokens": 1200},
}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_interaction_is_not_spent_in_silence(asynchronous: bool, world: World) -> None:
    """Its answer is not read yet; what is not priced says so."""
    with answering(INTERACTION) as server:
        options = types.HttpOptions(base_url=server.url)
        client = genai.Client(api_key="none", http_options=options)
        if asynchronous:
            answer = await client.aio.interactions.create(model=GEMINI, input="hi")
            await client.aio.aclose()
        else:
            answer = client.interactions.create(model=GEMINI, input="hi")
        client.close()
        assert len(server.paths) == 1

    found = attributes_of(only_span(world))
    assert answer.id == "i"
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "no_usage")
    assert (found[semconv.REQUEST_MODEL], found[semconv.SERVER_ADDRESS]) == (GEMINI, "127.0.0.1")


def test_counting_tokens_is_free(world: World) -> None:
    with answering({"totalTokens": 3}) as server:
        client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=server.url))
        assert client.models.count_tokens(model=GEMINI, contents="x").total_tokens == 3
        client.close()

    assert not world.finished()


def _asked(answer: Any, call: Any, *, vertex: bool = False) -> list[str]:
    with answering(answer) as server:
        options = types.HttpOptions(base_url=server.url)
        with genai.Client(api_key="none", vertexai=vertex, http_options=options) as client:
            call(client)
        return server.paths


CALLS_A_FUNCTION: dict[str, Any] = {
    "candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": "now", "args": {}}}]}}],
    "modelVersion": GEMINI,
    "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 200},
}


def test_each_request_of_automatic_function_calls_is_charged(world: World) -> None:
    """gemini-2.5-flash: 0.30 and 2.50 USD per million tokens (genai-prices 0.2.3)."""

    def now() -> str:
        """The time."""
        return "noon"

    calling = types.AutomaticFunctionCallingConfig(maximum_remote_calls=2)
    config = types.GenerateContentConfig(tools=[now], automatic_function_calling=calling)

    paths = _asked(CALLS_A_FUNCTION, lambda c: c.models.generate_content(model=GEMINI, contents="x", config=config))

    assert len(paths) > 1
    assert world.statuses() == ["priced"] * len(paths)
    assert world.spend() == pytest.approx(len(paths) * 0.0008, abs=1e-12)


def test_pictures_of_a_gemini_model_have_their_own_price(world: World) -> None:
    """gemini-2.5-flash-image: 0.30 USD per million tokens in, 30 for those of pictures (genai-prices 0.2.3)."""
    usage = {"promptTokenCount": 0, "candidatesTokenCount": 1290}
    usage |= {"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}
    model = "gemini-2.5-flash-image"
    answer = {"candidates": [{"finishReason": "STOP"}], "modelVersion": model, "usageMetadata": usage}

    _asked(answer, lambda c: c.models.generate_content(model=model, contents="x"))

    assert attributes_of(only_span(world))[semconv.COST_AMOUNT] == pytest.approx(1290 * 30e-6, abs=1e-12)


def test_sound_is_dearer_than_text(world: World) -> None:
    """gemini-2.5-flash: 1 USD per million tokens of sound (genai-prices 0.2.3)."""
    details = [{"modality": "AUDIO", "tokenCount": 1_000_000}]
    usage = {"promptTokenCount": 1_000_000, "promptTokensDetails": details}
    answer = {"candidates": [{"finishReason": "STOP"}], "modelVersion": GEMINI, "usageMetadata": usage}

    _asked(answer, lambda c: c.models.generate_content(model=GEMINI, contents="x"))

    assert attributes_of(only_span(world))[semconv.COST_AMOUNT] == 1.0


@pytest.mark.filterwarnings("ignore::google.genai._common.ExperimentalWarning")
def test_pictures_by_the_piece_are_never_free(world: World) -> None:
    answer = {"predictions": [{"bytesBase64Encoded": "eA==", "mimeType": "image/png"}]}

    _asked(answer, lambda c: c.models.generate_images(model="imagen-4.0-generate-001", prompt="x"), vertex=True)

    found = attributes_of(only_span(world))
    assert (status(only_span(world)), found[semconv.UNIT_PREFIX + "requests"]) == ("unpriced", 1)
    assert found[semconv.PROVIDER_NAME] == "gcp.vertex_ai"


def test_a_made_cache_is_never_free(world: World) -> None:
    config = types.CreateCachedContentConfig(contents="x")

    _asked({"name": "cachedContents/1"}, lambda c: c.caches.create(model=GEMINI, config=config))

    assert (status(only_span(world)), attributes_of(only_span(world))[semconv.REASON]) == ("unpriced", "no_usage")
