"""Calls that cost and are not read yet: they are seen, refused by budgets, never silently 0, otherwise untouched."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest

from otel_cost import BudgetExceeded, semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from tests.contract.providers.answering import answering
from tests.contract.providers.seen import attributes_of, only_span
from tests.support.world import World, make_world

MODEL = "gpt-3.5-turbo-instruct"
PROMPT: Any = "hello"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
ANSWER = {"id": "x", "model": MODEL, "choices": [], "data": [], "usage": USAGE}
OTHERS: dict[str, Callable[[openai.OpenAI, anthropic.Anthropic], object]] = {
    "videos": lambda client, _: client.post("/videos", cast_to=object, body={"model": "sora-2", "prompt": "x"}),
    "complete": lambda _, client: client.post("/v1/complete", cast_to=object, body={"model": "claude", "prompt": "x"}),
}


@pytest.fixture
def clients() -> Any:
    with (
        answering(ANSWER) as server,
        openai.OpenAI(base_url=server.url, api_key="none") as one,
        anthropic.Anthropic(base_url=server.url, api_key="none") as other,
    ):
        yield one, other, server


def test_a_legacy_completion_is_priced(clients: Any, world: World) -> None:
    """1.50 and 2.00 USD per million tokens (genai-prices 0.2.3)."""
    clients[0].completions.create(model=MODEL, prompt=PROMPT)

    found = attributes_of(only_span(world))
    assert (found[semconv.OPERATION_NAME], found[semconv.COST_AMOUNT]) == ("text_completion", 0.0035)


@pytest.mark.parametrize("call", OTHERS.values(), ids=OTHERS)
def test_a_call_that_is_not_read_is_unpriced(call: Callable[..., object], clients: Any, world: World) -> None:
    answer = call(clients[0], clients[1])

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "no_usage")
    assert type(answer).__module__.partition(".")[0] in ("openai", "builtins")


def test_what_is_free_has_no_span(clients: Any, world: World) -> None:
    clients[0].moderations.create(model="omni-moderation-latest", input=PROMPT)
    clients[1].messages.count_tokens(model="claude-opus-4-5", messages=[{"role": "user", "content": "x"}])

    assert not [span for span in world.finished() if semconv.STATUS in attributes_of(span)]


@pytest.mark.parametrize("call", OTHERS.values(), ids=OTHERS)
def test_budgets_are_asked(call: Callable[..., object], clients: Any, world: World) -> None:
    for_one = BudgetSettings(
        name="one", amount_usd=Decimal(1), period="total", action="block", unpriced={"assume": Decimal(1)}
    )
    make_world(Config(budgets=(for_one,)))
    call(clients[0], clients[1])
    assert len(clients[2].paths) == 1

    with pytest.raises(BudgetExceeded):
        call(clients[0], clients[1])

    assert len(clients[2].paths) == 1
