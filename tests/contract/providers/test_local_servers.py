"""Servers on loopback that nobody named in the settings get exactly the app's request."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.seen import TOTALS, USAGE, attributes_of, only_span, status, totals
from tests.support.world import World


@pytest.fixture
def config() -> Config:
    return Config()


def _stream(server: StandInProvider, **options: Any) -> list[Any]:
    with openai.OpenAI(base_url=server.base_url + "/v1", api_key="none", max_retries=0) as client:
        messages: Any = [{"role": "user", "content": USAGE}]
        return list(client.chat.completions.create(model="gpt-4o", messages=messages, stream=True, **options))


def test_a_server_on_loopback_is_not_asked_and_its_stream_is_estimated(server: StandInProvider, world: World) -> None:
    """Some answer 422 to an option that they do not know."""
    _stream(server)

    assert "stream_options" not in server.requests[0]["body"]
    span = only_span(world)
    assert (status(span), attributes_of(span)[semconv.USAGE_ESTIMATED]) == ("estimated", True)


def test_usage_that_a_server_sends_by_itself_is_used_and_shown(server: StandInProvider, world: World) -> None:
    told = _stream(server, stream_options={"include_usage": True})

    assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)
    assert told[-1].usage.prompt_tokens == TOTALS[0]
