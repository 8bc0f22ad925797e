"""Anthropic's compactions, through the real SDK's own beta spans: billed once, whoever wrote the span's last word.

The SDK leaves them out of the totals and writes them beside; our instrumentor claims that span and sums them itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN

import anthropic
import httpx2
import pytest
from genai_prices import Usage, calc_price

import otel_cost_instrumentation
from otel_cost import runtime, semconv
from otel_cost.model import NANO, Status
from tests.support.world import World, make_world

MODEL = "claude-sonnet-4-6"
MESSAGE = {"type": "message", "input_tokens": 1000, "cache_read_input_tokens": 400, "output_tokens": 50}
COMPACTION = {"type": "compaction", "input_tokens": 9000, "cache_read_input_tokens": 3000, "output_tokens": 700}
USAGE = {**MESSAGE, "cache_creation_input_tokens": 0, "iterations": [COMPACTION, MESSAGE]}
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
EVENTS = (
    ("message_start", {"message": {**ANSWER, "content": [], "usage": {**MESSAGE, "output_tokens": 1}}}),
    ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "hello"}}),
    ("content_block_stop", {"index": 0}),
    ("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": USAGE}),
    ("message_stop", {}),
)


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()


def _answer(request: httpx2.Request) -> httpx2.Response:
    if json.loads(request.content).get("stream"):
        lines = [f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in EVENTS]
        return httpx2.Response(200, text="".join(lines), headers={"content-type": "text/event-stream"})
    return httpx2.Response(200, json=ANSWER)


def _call(world: World, *, streamed: bool) -> None:
    with anthropic.Anthropic(
        api_key="none",
        http_client=httpx2.Client(transport=httpx2.MockTransport(_answer)),
        open_telemetry={"tracer_provider": world.provider},
    ) as client:
        made = client.beta.messages.create(
            model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "hi"}], stream=streamed
        )
        if isinstance(made, anthropic.Stream):
            list(made)


def _nano(input_tokens: int, cached: int, output: int) -> int:
    price = calc_price(
        Usage(input_tokens=input_tokens, cache_read_tokens=cached or None, output_tokens=output),
        MODEL,
        provider_id="anthropic",
    )
    return int((price.total_price * NANO).to_integral_value(ROUND_HALF_EVEN))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ours", [False, True], ids=["the SDK alone", "with our instrumentor"])
def test_a_compaction_is_billed_once(world: World, ours: bool, streamed: bool) -> None:
    if ours:
        otel_cost_instrumentation.activate()
    _call(world, streamed=streamed)
    (span,) = world.finished()
    attributes = span.attributes or {}
    # Nobody but who saw the answer knows that part of the compaction's input was cached.
    expected = _nano(1400 + 12000, 3400, 750) if ours else _nano(1400 + 12000, 400, 750)
    assert round(world.spend() * NANO) == expected
    assert attributes[semconv.STATUS] == (Status.PRICED if ours else Status.ESTIMATED)
    assert ours or "anthropic SDK" in str(attributes[semconv.DETAIL])
