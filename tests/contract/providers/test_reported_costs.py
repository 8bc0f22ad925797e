"""Answers that state their own cost: it reaches the span beside our price, as the provider's bill where it is one.

Shapes: openrouter.ai/docs (usage accounting), docs.x.ai (cost tracking), docs.perplexity.ai. No recording of such an
answer is at hand; the figures are made up.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

import openai
import pytest

from otel_cost import semconv
from tests.contract.providers.seen import attributes_of, only_span
from tests.support.world import World

COUNTS = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
OPENROUTER = "https://openrouter.ai/api/v1"
MODEL = "openai/gpt-4o"


def client_at(base_url: str, body: bytes, kind: str = "application/json", **headers: str) -> openai.OpenAI:
    """A client whose every request is answered with ``body``: nothing goes out."""
    told = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    library = importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
    answer = library.Response(200, headers=told, content=body)
    http: Any = openai.DefaultHttpxClient(transport=library.MockTransport(lambda request: answer))
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=http)


def completion(model: str, **usage: Any) -> dict[str, Any]:
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}
    return {"id": "g", "object": "chat.completion", "model": model, "choices": [message], "usage": {**COUNTS, **usage}}


def chat(world: World, base_url: str, model: str, **usage: Any) -> Mapping[str, Any]:
    with client_at(base_url, json.dumps(completion(model, **usage)).encode()) as client:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}])
    return attributes_of(only_span(world))


def opinions(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(semconv.OPINION_PREFIX): value
        for name, value in found.items()
        if name.startswith(semconv.OPINION_PREFIX)
    }


@pytest.mark.parametrize(
    ("base_url", "model", "usage", "said"),
    [
        (OPENROUTER, MODEL, {"cost": 0.0035, "is_byok": False}, {"openrouter": 0.0035}),
        (OPENROUTER, MODEL, {"cost": 0.0035}, {"openrouter": 0.0035}),
        (
            OPENROUTER,
            MODEL,
            {"cost": 0.0035, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.0035}},
            {"openrouter": 0.0035},
        ),
        (  # the user's own key: OpenRouter's fee, and what OpenAI bills
            OPENROUTER,
            MODEL,
            {"cost": 0.000175, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0035}},
            {"openrouter": 0.003675, "disagrees": True},
        ),
        (
            OPENROUTER,
            MODEL,
            {"cost": 0.000175, "cost_details": {"upstream_inference_cost": 0.0035}},
            {"openrouter": 0.003675, "disagrees": True},
        ),
        (OPENROUTER, MODEL, {"cost": 0.0035, "cost_details": None}, {"openrouter": 0.0035}),
        ("https://api.x.ai/v1", "grok-4", {"cost_in_usd_ticks": 45_000_000}, {"x_ai": 0.0045}),
        ("https://api.x.ai/v1", "grok-4", {"cost_in_usd_ticks": 45_000_001}, {"x_ai": 0.0045}),
        (
            "https://api.perplexity.ai",
            "sonar",
            {"cost": {"input_tokens_cost": 0.001, "request_cost": 0.012, "total_cost": 0.0131}},
            {"perplexity": 0.0131},
        ),
        ("https://api.perplexity.ai", "sonar", {"cost": {"currency": "EUR", "total_cost": 0.0131}}, {}),
        ("http://127.0.0.1/v1", "gpt-4o", {"cost": 0.0035}, {"gateway": 0.0035}),
        ("http://127.0.0.1/v1", "gpt-4o", {"cost": 0}, {}),
        (OPENROUTER, MODEL, {"cost": "0.0035"}, {}),
        (OPENROUTER, MODEL, {"cost": True}, {}),
        (OPENROUTER, MODEL, {"cost": None}, {}),
        (OPENROUTER, MODEL, {"cost": 10**400}, {}),
        (OPENROUTER, MODEL, {"cost": [1]}, {}),
        (OPENROUTER, MODEL, {"cost": -0.1}, {}),
    ],
)
def test_the_answers_own_cost_is_beside_ours(
    world: World, base_url: str, model: str, usage: dict[str, Any], said: dict[str, Any]
) -> None:
    """FEATURES E13: held against the provider's own bill, call by call."""
    found = chat(world, base_url, model, **usage)
    assert opinions(found) == said
    assert found[semconv.STATUS] == "priced"
    assert found[semconv.COST_SOURCE] == "genai-prices"


def test_a_streams_last_chunk_states_it_too(world: World) -> None:
    delta = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}
    chunk = {"id": "g", "object": "chat.completion.chunk", "model": MODEL, "choices": [delta]}
    last = {**chunk, "choices": [], "usage": {**COUNTS, "cost": 0.004}}
    events = "".join(f"data: {json.dumps(one)}\n\n" for one in (chunk, last)) + "data: [DONE]\n\n"
    with client_at(OPENROUTER, events.encode(), "text/event-stream") as client:
        chunks = list(client.chat.completions.create(model=MODEL, messages=[], stream=True))
    assert chunks[-1].usage is not None
    assert opinions(attributes_of(only_span(world))) == {"openrouter": 0.004, "disagrees": True}


def test_so_does_a_response(world: World) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100, "cost_in_usd_ticks": 45_000_000}
    answer = {"id": "r", "object": "response", "model": "grok-4", "status": "completed", "output": [], "usage": usage}
    with client_at("https://api.x.ai/v1", json.dumps(answer).encode()) as client:
        client.responses.create(model="grok-4", input="x")
    assert opinions(attributes_of(only_span(world))) == {"x_ai": 0.0045}


def test_and_an_embedding_read_raw(world: World) -> None:
    usage = {"prompt_tokens": 1000, "total_tokens": 1000, "cost": 0.5}
    item = {"object": "embedding", "index": 0, "embedding": [0.0]}
    answer = {"object": "list", "model": "text-embedding-3-small", "data": [item], "usage": usage}
    with client_at(OPENROUTER, json.dumps(answer).encode()) as client:
        client.embeddings.with_raw_response.create(model="text-embedding-3-small", input="x")
    assert attributes_of(only_span(world))[semconv.REPORTED_COST] == 0.5


def test_the_bill_is_charged_where_the_model_has_no_price(world: World) -> None:
    found = chat(world, OPENROUTER, "nobody/model-of-tomorrow", cost=0.0042)
    assert (found[semconv.STATUS], found[semconv.COST_AMOUNT]) == ("priced", 0.0042)
    assert found[semconv.COST_SOURCE] == "provider:openrouter"
    assert world.spend() == 0.0042


def test_a_gateways_figure_is_not(world: World) -> None:
    found = chat(world, "http://127.0.0.1/v1", "model-of-tomorrow", cost=0.0042)
    assert (found[semconv.STATUS], found["otel_cost.opinion.gateway"]) == ("unpriced", 0.0042)
    assert world.spend() == 0


PROXY = "http://litellm.example:4000"


@pytest.mark.parametrize(
    ("header", "usage", "said"),
    [
        ("0.0034", {}, {"gateway": 0.0034, "disagrees": True}),
        ("3.5e-03", {}, {"gateway": 0.0035}),
        ("0.0034", {"cost": 0.0035}, {"gateway": 0.0035}),  # the answer itself knows more
        ("0.0", {}, {}),
        ("None", {}, {}),
        ("nan", {}, {}),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_the_proxy_of_litellm_says_the_cost_in_a_header(
    header: str, usage: dict[str, Any], said: dict[str, Any], raw: bool, world: World
) -> None:
    body = json.dumps(completion("gpt-4o", **usage)).encode()
    with client_at(PROXY, body, x_litellm_response_cost=header) as client:
        completions = client.chat.completions
        create = completions.with_raw_response.create if raw else completions.create
        create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])

    assert opinions(attributes_of(only_span(world))) == said


def test_so_does_the_head_of_a_stream(world: World) -> None:
    chunk = {**completion("gpt-4o"), "object": "chat.completion.chunk", "choices": []}
    body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
    with client_at(PROXY, body, "text/event-stream", x_litellm_response_cost="0.0034") as client:
        list(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}], stream=True))

    assert opinions(attributes_of(only_span(world)))["gateway"] == 0.0034


def test_openais_own_host_is_not_asked_for_it(world: World) -> None:
    body = json.dumps(completion("gpt-4o")).encode()
    with client_at("https://api.openai.com/v1", body, x_litellm_response_cost="0.0034") as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])

    assert opinions(attributes_of(only_span(world))) == {}


async def test_so_is_the_answer_to_an_asynchronous_call(world: World) -> None:
    library = importlib.import_module(openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0])
    told = {"content-type": "application/json", "x-litellm-response-cost": "0.0034"}
    answer = library.Response(200, headers=told, content=json.dumps(completion("gpt-4o")).encode())
    http: Any = openai.DefaultAsyncHttpxClient(transport=library.MockTransport(lambda request: answer))
    async with openai.AsyncOpenAI(base_url=PROXY, api_key="none", http_client=http) as client:
        await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])

    assert opinions(attributes_of(only_span(world)))["gateway"] == 0.0034
