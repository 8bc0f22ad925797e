"""Answers that the stand-in does not give: what they bill beside tokens reaches the price."""

from __future__ import annotations

from typing import Any

import anthropic
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
