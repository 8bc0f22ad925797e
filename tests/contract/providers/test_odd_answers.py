"""Answers that the stand-in does not give: what they bill beside tokens reaches the price."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from otel_cost import semconv
from tests.contract.providers.answering import answering
from tests.contract.providers.seen import attributes_of, only_span
from tests.support.world import World


@pytest.mark.parametrize("traced", [True, False])
def test_anthropics_fast_mode_has_its_own_price(traced: bool, world: World) -> None:
    """claude-opus-4-8 is 5 and 25 USD per million tokens, 10 and 50 in fast mode (genai-prices 0.2.3). The SDK's own
    span says "standard", as the answer does."""
    usage = {"input_tokens": 1_000_000, "output_tokens": 1_000_000, "service_tier": "standard", "speed": "fast"}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": []}
    option: Any = {"tracer_provider": world.provider} if traced else False
    with (
        answering({**message, "stop_reason": "end_turn", "usage": usage}) as server,
        anthropic.Anthropic(base_url=server.url, api_key="none", open_telemetry=option) as client,
    ):
        client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "x"}])

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.COST_AMOUNT]) == ("priced", 60.0)


def _response(*output: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    return {"id": "r", "object": "response", "model": "gpt-5", "status": "completed", "output": output, "usage": usage}


def _respond(answer: dict[str, Any]) -> None:
    with answering(answer) as server, openai.OpenAI(base_url=server.url, api_key="none") as client:
        client.responses.create(model="gpt-5", input="x")


@pytest.mark.parametrize("kind", ["code_interpreter_call", "image_generation_call"])
def test_a_hosted_tool_without_a_price_is_never_free(kind: str, world: World) -> None:
    _respond(_response({"type": kind, "id": "1", "status": "completed"}))

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "no_rate")


def test_file_searches_are_paid_for(world: World) -> None:
    """gpt-5: 1.25 and 10 USD per million tokens, 2.50 USD per 1,000 file searches (genai-prices 0.2.3)."""
    _respond(_response({"type": "file_search_call", "id": "1", "status": "completed", "queries": []}))

    assert attributes_of(only_span(world))[semconv.COST_AMOUNT] == pytest.approx(0.000225 + 0.0025, abs=1e-12)
