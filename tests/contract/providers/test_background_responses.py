"""Responses that run in the background: nothing is known when they are made, and they are charged once, when they are
first fetched complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest

from otel_cost import BudgetExceeded, semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from tests.contract.providers.answering import Answers, answering
from tests.contract.providers.seen import TOTALS, attributes_of, status, totals
from tests.support.world import World, make_world

MODEL = "gpt-4o"
PRICE = 0.0045
"""gpt-4o: 2.50 and 10 USD per million tokens (genai-prices 0.2.3)."""
QUEUED = {"id": "resp_1", "object": "response", "model": MODEL, "status": "queued", "background": True, "output": []}
SEARCHING = QUEUED | {
    "status": "in_progress",
    "output": [{"type": "web_search_call", "id": "ws", "status": "completed"}],
}
USAGE = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200}
COMPLETED = QUEUED | {"status": "completed", "usage": USAGE}


@pytest.fixture
def server(world: World) -> Iterator[Answers]:
    with answering(QUEUED) as server:
        yield server


@pytest.fixture
def client(server: Answers) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


def _make(client: openai.OpenAI) -> Any:
    return client.responses.create(model=MODEL, input="x", background=True)


def _events(*responses: dict[str, Any]) -> bytes:
    said = [{"type": f"response.{'created' if r is QUEUED else 'completed'}", "response": r} for r in responses]
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in said)


def test_it_is_charged_when_it_is_first_told_complete(client: openai.OpenAI, server: Answers, world: World) -> None:
    made = _make(client)
    server.say(SEARCHING)
    client.responses.retrieve(made.id)
    server.say(COMPLETED)
    for _ in range(3):
        client.responses.retrieve(made.id)

    assert world.spend() == pytest.approx(PRICE, abs=1e-12)
    assert world.statuses() == ["wrapper", "", "priced", "", ""]
    spans = world.finished()
    assert [attributes_of(span)[semconv.OPERATION_NAME] for span in spans[1:]] == ["fetch_response"] * 4
    assert attributes_of(spans[0])[semconv.REASON] == "usage_follows"
    assert totals(spans[2]) == TOTALS


def test_a_response_that_was_awaited_is_not_charged_again(client: openai.OpenAI, server: Answers, world: World) -> None:
    awaited = COMPLETED | {"background": False}
    server.say(awaited)
    client.responses.create(model=MODEL, input="x")
    client.responses.retrieve("resp_1")

    assert world.spend() == pytest.approx(PRICE, abs=1e-12)
    assert world.statuses() == ["priced", ""]


async def test_an_async_fetch_is_charged(server: Answers, world: World) -> None:
    server.say(COMPLETED)
    async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as client:
        await client.responses.retrieve("resp_1")
        await client.responses.with_raw_response.retrieve("resp_1")

    assert world.statuses() == ["priced", ""]


def test_a_stream_to_its_end_is_charged_and_a_fetch_after_it_is_not(
    client: openai.OpenAI, server: Answers, world: World
) -> None:
    server.headers["content-type"] = "text/event-stream"
    server.say(_events(QUEUED, COMPLETED))
    list(client.responses.create(model=MODEL, input="x", background=True, stream=True))
    list(client.responses.retrieve("resp_1", stream=True))

    assert world.statuses() == ["priced", ""]


def test_a_stream_that_is_left_is_charged_when_it_is_fetched(
    client: openai.OpenAI, server: Answers, world: World
) -> None:
    """What was seen of it is no measure: it runs on."""
    server.headers["content-type"] = "text/event-stream"
    server.say(_events(QUEUED, COMPLETED))
    with client.responses.create(model=MODEL, input="x", background=True, stream=True) as stream:
        next(iter(stream))
    list(client.responses.retrieve("resp_1", stream=True))

    assert world.statuses() == ["wrapper", "priced"]


def test_one_that_was_refused_has_failed(client: openai.OpenAI, server: Answers, world: World) -> None:
    server.say(b"{")
    with pytest.raises(openai.APIConnectionError), client.with_options(base_url="http://127.0.0.1:9") as nowhere:
        _make(nowhere)

    assert [attributes_of(span)[semconv.REASON] for span in world.finished()] == ["failed"]


def test_what_is_spent_already_is_never_refused(client: openai.OpenAI, server: Answers) -> None:
    no = BudgetSettings(name="no", amount_usd=Decimal("0.000001"), period="total", action="block")
    world = make_world(Config(budgets=(no,)))
    server.say(COMPLETED)
    client.responses.retrieve("resp_1")
    with pytest.raises(BudgetExceeded):
        _make(client)

    client.responses.retrieve("resp_2")

    assert [status(span) for span in world.finished()] == ["priced", None]
