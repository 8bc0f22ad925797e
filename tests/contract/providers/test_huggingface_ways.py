"""Hugging Face: whom the router asks decides the price; what came without usage is estimated and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.utils._http import default_client_factory

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.answering import answering
from tests.contract.providers.cases.huggingface_hub import EMBEDDER, LLAMA, mapped
from tests.contract.providers.seen import TOTALS, USAGE, attributes_of, only_span, status, totals
from tests.support.world import World, make_world

MESSAGES: Any = [{"role": "user", "content": USAGE}]
ANSWER = {"id": "c", "model": "theirs", "choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 200}}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Every request, wherever it wants to go, is answered here with a chat: its URL, and its body."""
    sent: list[tuple[str, dict[str, Any]]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append((str(request.url), json.loads(request.content)))
        return httpx2.Response(200, json=ANSWER)

    huggingface_hub.set_client_factory(lambda: httpx2.Client(transport=httpx2.MockTransport(answer)))
    yield sent
    huggingface_hub.set_client_factory(default_client_factory)


def _ask(**options: Any) -> Any:
    model = options.pop("model", LLAMA)
    with huggingface_hub.InferenceClient(**options) as client:
        return client.chat.completions.create(messages=MESSAGES, model=model)


@pytest.fixture
def mappings() -> None:
    mapped(LLAMA, "llama-3.3-70b-versatile", "groq", "conversational")
    mapped(LLAMA, "meta-llama/llama-3.3-70b-instruct", "novita", "conversational")
    mapped(LLAMA, "some-name", "ovhcloud", "conversational")
    mapped(LLAMA, "some-name", "featherless-ai", "conversational")


@pytest.mark.usefixtures("mappings")
@pytest.mark.parametrize(
    ("options", "provider", "host", "cost"),
    [
        # genai-prices 0.2.3, USD per million in and out: huggingface_groq 0.59 and 0.79, groq the same.
        ({"provider": "groq", "token": "hf_x"}, "huggingface_groq", "router.huggingface.co", 0.000748),
        ({"provider": "groq", "token": "gsk_x"}, "groq", "api.groq.com", 0.000748),
        ({"token": "hf_x", "model": f"{LLAMA}:groq"}, "huggingface_groq", "router.huggingface.co", 0.000748),
    ],
)
def test_whom_the_router_asks_decides_the_price(
    options: dict[str, Any], provider: str, host: str, cost: float, elsewhere: Any, world: World
) -> None:
    _ask(**options)

    found = attributes_of(only_span(world))
    assert (found[semconv.PROVIDER_NAME], found[semconv.SERVER_ADDRESS]) == (provider, host)
    assert urlsplit(elsewhere[0][0]).hostname == host
    assert (found[semconv.STATUS], found[semconv.COST_AMOUNT]) == ("priced", cost)


@pytest.mark.usefixtures("mappings")
@pytest.mark.parametrize(
    ("options", "provider"),
    [
        ({"token": "hf_x"}, "huggingface"),
        ({"token": "hf_x", "model": f"{LLAMA}:fastest"}, "huggingface"),
        ({"provider": "featherless-ai", "token": "hf_x"}, "huggingface_featherless-ai"),
        ({"provider": "featherless-ai", "token": "rc_x"}, None),
        ({"base_url": "https://x.endpoints.huggingface.cloud", "token": "hf_x"}, None),
    ],
)
def test_whom_nobody_knows_a_price_of(
    options: dict[str, Any], provider: str | None, elsewhere: Any, world: World
) -> None:
    plain = make_world()
    _ask(**options)

    found = attributes_of(only_span(plain))
    said = (found.get(semconv.PROVIDER_NAME), found[semconv.STATUS], found[semconv.REASON])
    assert said == (provider, "unpriced", "unknown_provider")
    assert found[semconv.SERVER_ADDRESS] == urlsplit(elsewhere[0][0]).hostname
    assert totals(only_span(plain)) == TOTALS


@pytest.mark.usefixtures("elsewhere")
def test_a_model_is_known_by_the_name_that_was_asked_for(world: World) -> None:
    mapped(LLAMA, "llama-3.3-70b-versatile", "groq", "conversational")
    _ask(provider="groq", token="hf_x")

    found = attributes_of(only_span(world))
    assert (found[semconv.REQUEST_MODEL], found[semconv.RESPONSE_MODEL]) == (LLAMA, "theirs")


@pytest.mark.usefixtures("elsewhere")
def test_a_model_is_not_that_of_the_call_before(world: World) -> None:
    mapped(LLAMA, "llama-3.3-70b-versatile", "groq", "conversational")
    _ask(provider="groq", token="hf_x")
    _ask(base_url="https://x.endpoints.huggingface.cloud", model="mine", token="hf_x")

    assert [span.attributes[semconv.REQUEST_MODEL] for span in world.finished() if span.attributes] == [LLAMA, "mine"]


def test_a_server_with_one_model_says_which(server: StandInProvider, world: World) -> None:
    with huggingface_hub.InferenceClient(base_url=server.base_url, token="none") as client:
        client.chat_completion([{"role": "user", "content": f"model:{LLAMA} {USAGE}"}])

    found = attributes_of(only_span(world))
    assert semconv.REQUEST_MODEL not in found
    assert (found[semconv.RESPONSE_MODEL], found[semconv.STATUS]) == (LLAMA, "priced")


# --- usage ------------------------------------------------------------------------------------------------------------


def _estimated(world: World) -> Any:
    span = only_span(world)
    assert (status(span), attributes_of(span)[semconv.USAGE_ESTIMATED]) == ("estimated", True)
    return attributes_of(span)[semconv.USAGE_ESTIMATED_HOW]


def test_bare_vectors_are_estimated(world: World) -> None:
    """As Hugging Face's own inference answers: a list of numbers, and nothing else."""
    with answering([[0.5, 0.25]]) as server, huggingface_hub.InferenceClient(token="none") as client:
        answer = client.feature_extraction("some words of a question", model=f"{server.url}/models/{EMBEDDER}")

    assert answer.tolist() == [[0.5, 0.25]]
    assert "output" not in _estimated(world)
    assert attributes_of(only_span(world))[semconv.REQUEST_MODEL] == EMBEDDER
    assert totals(only_span(world))[1] is None


def test_text_without_details_is_estimated(server: StandInProvider, world: World) -> None:
    with huggingface_hub.InferenceClient(f"{server.base_url}/models/{LLAMA}", token="none") as client:
        answer = client.text_generation(USAGE)

    assert isinstance(answer, str)
    assert "output" in _estimated(world)


def test_a_stream_of_text_without_details_is_exact(server: StandInProvider, world: World) -> None:
    """The server counts all the same: the SDK keeps it from the app."""
    with huggingface_hub.InferenceClient(f"{server.base_url}/models/{LLAMA}", token="none") as client:
        pieces = list(client.text_generation(USAGE, stream=True))

    assert {type(piece) for piece in pieces} == {str}
    assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)


def test_usage_that_the_app_asked_for_is_the_apps(server: StandInProvider, world: World) -> None:
    with huggingface_hub.InferenceClient(base_url=server.base_url, token="none") as client:
        chunks = list(
            client.chat_completion(
                messages=MESSAGES, model=LLAMA, stream=True, stream_options={"include_usage": True, "x": 1}
            )
        )

    assert chunks[-1].usage.prompt_tokens == TOTALS[0]
    assert totals(only_span(world)) == TOTALS
    assert server.requests[0]["body"]["stream_options"] == {"include_usage": True, "x": 1}


def test_other_tasks_are_not_free(world: World) -> None:
    with answering([{"summary_text": "short"}]) as server, huggingface_hub.InferenceClient(token="none") as client:
        client.summarization("some words", model=f"{server.url}/models/facebook/bart")

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "no_usage")
    assert found[semconv.REQUEST_MODEL] == "facebook/bart"


def test_a_call_that_the_sdk_repeats_is_charged_once(world: World) -> None:
    """A server that is not text-generation-inference refuses some options; the SDK asks again without them."""
    refusals = iter(
        [httpx2.Response(400, json={"error": "The following `model_kwargs` are not used by the model: ['watermark']"})]
    )
    text = httpx2.Response(200, json=[{"generated_text": "x"}])
    huggingface_hub.set_client_factory(
        lambda: httpx2.Client(transport=httpx2.MockTransport(lambda request: next(refusals, text)))
    )
    try:
        with huggingface_hub.InferenceClient(token="none") as client:
            client.text_generation("hello", model=f"http://127.0.0.1/models/{LLAMA}")
    finally:
        huggingface_hub.set_client_factory(default_client_factory)

    assert world.statuses() == ["priced", "estimated"]
    assert attributes_of(world.finished()[0])[semconv.COST_AMOUNT] == 0
