"""Ways of calling Anthropic's models beside the plain one: other clouds' clients, tools that it runs, what is free."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from otel_cost import semconv
from otel_cost_instrumentation import _hosts
from tests.contract.providers.answering import Answers, answering
from tests.contract.providers.seen import TOTALS, attributes_of, only_span, totals
from tests.support.world import World

pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
HELLO: Any = [{"role": "user", "content": "x"}]
DATED = "claude-sonnet-4-5-20250929"
USAGE = {"input_tokens": 1000, "output_tokens": 200}
ANSWER: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": DATED, "content": []}
ANSWER |= {"stop_reason": "end_turn", "usage": USAGE}


@pytest.fixture
def server(world: World) -> Iterator[Answers]:
    with answering(ANSWER) as server:
        yield server


def _bedrock(server: Answers, world: World) -> Any:
    tracing: Any = {"tracer_provider": world.provider}
    return anthropic.AnthropicBedrock(
        base_url=server.url, aws_region="eu-west-1", api_key="none", open_telemetry=tracing, max_retries=0
    )


def _vertex(server: Answers, world: World) -> Any:
    tracing: Any = {"tracer_provider": world.provider}
    return anthropic.AnthropicVertex(
        base_url=server.url, region="global", project_id="p", access_token="none", open_telemetry=tracing
    )


def _foundry(server: Answers, world: World) -> Any:
    return anthropic.AnthropicFoundry(base_url=server.url, api_key="none")


GLOBAL = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
REGIONAL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLOUDS: dict[str, Any] = {
    # client, model, path, provider, price of 1,000 in and 200 out; sonnet 4.5: 3 and 15 USD per million tokens, in a
    # region of Bedrock's 10 % more (genai-prices 0.2.3)
    "bedrock": (_bedrock, GLOBAL, f"/model/{GLOBAL}/invoke", "aws.bedrock", 0.006),
    "bedrock in a region": (_bedrock, REGIONAL, f"/model/{REGIONAL}/invoke", "aws.bedrock", 0.0066),
    "vertex": (
        *(_vertex, "claude-sonnet-4-5@20250929"),
        "/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        *("gcp.vertex_ai", 0.006),
    ),
    "foundry": (_foundry, "claude-sonnet-4-5", "/v1/messages", "anthropic", 0.006),
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_clouds_client_is_priced_by_the_cloud(cloud: str, server: Answers, world: World) -> None:
    make, model, path, provider, price = CLOUDS[cloud]
    with make(server, world) as client:
        client.messages.create(model=model, max_tokens=64, messages=HELLO)
    found = attributes_of(only_span(world))

    assert server.paths == [path]
    assert found[semconv.PROVIDER_NAME] == provider
    assert found[semconv.REQUEST_MODEL] == model
    assert found[semconv.COST_AMOUNT] == pytest.approx(price, abs=1e-12)


def test_a_stream_of_vertex_is_priced(server: Answers, world: World) -> None:
    begun = ANSWER | {"usage": {"input_tokens": 1000, "output_tokens": 1}}
    events: list[Any] = [
        {"type": "message_start", "message": begun},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 200}},
        {"type": "message_stop"},
    ]
    server.headers["content-type"] = "text/event-stream"
    said = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)
    server.say(b"".join(said))
    with (
        _vertex(server, world) as client,
        client.messages.stream(model="claude-sonnet-4-5@20250929", max_tokens=64, messages=HELLO) as stream,
    ):
        stream.until_done()

    assert totals(only_span(world)) == TOTALS
    assert world.statuses() == ["priced"]


def test_counting_tokens_is_free_everywhere(server: Answers, world: World) -> None:
    server.say({"input_tokens": 3})
    for client in (_vertex(server, world), _foundry(server, world)):
        with client:
            client.messages.count_tokens(model="claude-sonnet-4-5", messages=HELLO)

    assert not [span for span in world.finished() if semconv.STATUS in attributes_of(span)]


def test_the_fee_of_searches_is_charged(server: Answers, world: World) -> None:
    """10 USD per 1,000 searches (genai-prices 0.2.3). Fetching pages costs nothing but tokens, and how long code ran
    only the provider knows."""
    tools = {"web_search_requests": 3, "web_fetch_requests": 2, "code_execution_requests": 1}
    server.say(ANSWER | {"usage": USAGE | {"server_tool_use": tools}})
    with anthropic.Anthropic(base_url=server.url, api_key="none") as client:
        client.messages.create(model=DATED, max_tokens=64, messages=HELLO)

    [found] = [attributes_of(span) for span in world.finished()]
    assert found[semconv.COST_AMOUNT] == pytest.approx(0.036, abs=1e-12)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("us-east5-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("aiplatform.eu.rep.googleapis.com", "gcp.vertex_ai"),
        ("mine.services.ai.azure.com", "anthropic"),
        ("gateway.example", ""),
    ],
)
def test_a_host_says_who_is_paid(host: str, provider: str) -> None:
    assert _hosts.behind(object(), host, _hosts.ANTHROPIC, "anthropic") == provider
