"""Ollama: nobody bills for a server of one's own, so what a call costs is for its owner to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ollama
import pytest

from otel_cost import semconv
from otel_cost.config import Config, PriceSettings
from otel_cost.demo.provider import StandInProvider
from otel_cost.pricing import pricer_of
from tests.contract.providers.answering import answering
from tests.contract.providers.seen import TOTALS, USAGE, attributes_of, only_span, status, totals
from tests.support.world import World, make_world

MESSAGES: Any = [{"role": "user", "content": USAGE}]


def test_without_a_price_a_call_is_not_free(server: StandInProvider, world: World) -> None:
    plain = make_world()
    with ollama.Client(server.base_url) as client:
        client.chat(model="qwen3:8b", messages=MESSAGES)

    found = attributes_of(only_span(plain))
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "unknown_provider")
    assert (found[semconv.PROVIDER_NAME], found[semconv.SERVER_ADDRESS]) == ("ollama", "127.0.0.1")
    assert totals(only_span(plain)) == TOTALS


@pytest.mark.parametrize("stream", [False, True])
def test_its_owner_can_say_that_it_is_free(stream: bool, server: StandInProvider, world: World) -> None:
    free = {"provider": "ollama", "model": "*", "per_1m": {"input": 0, "output": 0}}
    pricer = pricer_of(Config(prices=PriceSettings(overlay=(free,))))
    pricer.start_loading()
    assert pricer.catalog(60) is not None
    fresh = make_world(pricer=pricer)

    with ollama.Client(server.base_url) as client:
        answer: Any = client.chat(model="qwen3:8b", messages=MESSAGES, stream=stream)
        assert not stream or len(list(answer)) > 3

    assert (status(only_span(fresh)), attributes_of(only_span(fresh))[semconv.COST_AMOUNT]) == ("priced", 0)


def _ask(answer: dict[str, Any], call: Callable[[ollama.Client], Any]) -> Any:
    with answering(answer) as server, ollama.Client(server.url) as client:
        return call(client)


def test_a_prompt_in_memory_was_not_evaluated(world: World) -> None:
    """Ollama leaves out a count that is 0."""
    done = {"model": "llama3.3", "message": {"role": "assistant", "content": "x"}, "done": True, "eval_count": 7}

    _ask(done, lambda client: client.chat(model="llama3.3", messages=MESSAGES))

    assert (status(only_span(world)), totals(only_span(world))) == ("priced", (0, 7))


def test_an_answer_without_any_count_is_estimated(world: World) -> None:
    done = {"model": "llama3.3", "response": "some words of an answer", "done": True, "done_reason": "stop"}

    _ask(done, lambda client: client.generate(model="llama3.3", prompt="hello"))

    assert (status(only_span(world)), attributes_of(only_span(world))[semconv.USAGE_ESTIMATED]) == ("estimated", True)


def test_models_as_files_are_not_calls(world: World) -> None:
    _ask({"status": "success"}, lambda client: client.pull("llama3.3"))
    _ask({"status": "success"}, lambda client: client.create("mine", from_="llama3.3"))

    assert not world.finished()
