"""The ``mistralai`` SDK traces itself when an app asks it to: two spans of a call, one charge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mistralai.extra.observability import configure_telemetry

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from otel_cost.model import CostRecord
from tests.contract.providers.cases import CASES
from tests.contract.providers.seen import TOTALS, USAGE, attributes_of, totals
from tests.support.world import World

CHAT = next(case for case in CASES if case.name == "mistral-chat")
NATIVE = "mistralai_sdk_tracer"


@pytest.fixture
def client(server: StandInProvider, world: World) -> Iterator[Any]:
    with CHAT.opened(server.base_url, world.provider) as client:
        configure_telemetry(client, provider=world.provider, redaction=False)
        yield client


def _scopes(world: World) -> list[str]:
    return [str(span.instrumentation_scope.name) for span in world.finished()]  # type: ignore[union-attr]


def test_a_whole_answer_is_charged_once(client: Any, world: World, taken: list[CostRecord]) -> None:
    CHAT.call(client, USAGE, False)

    assert _scopes(world) == [NATIVE, "otel_cost_instrumentation.mistralai"]
    assert sorted(world.statuses()) == ["duplicate", "priced"]
    assert len([record for record in taken if record.charge.status.counted]) == 1


def test_a_stream_is_charged_once(client: Any, world: World) -> None:
    assert len(list(CHAT.call(client, USAGE, True))) > 3

    assert sorted(world.statuses()) == ["duplicate", "priced"]
    assert {totals(span) for span in world.finished()} == {TOTALS}


def test_equal_calls_are_two(client: Any, world: World) -> None:
    CHAT.call(client, USAGE, False)
    CHAT.call(client, USAGE, False)

    assert sorted(world.statuses()) == ["duplicate", "duplicate", "priced", "priced"]


def test_a_stream_that_the_app_left_is_not_silently_free(client: Any, world: World) -> None:
    """The SDK's span ends first and knows no usage: the call is counted as one without a price."""
    with CHAT.call(client, USAGE, True) as stream:
        next(stream)

    assert world.statuses() == ["unpriced", "duplicate"]
    assert attributes_of(world.finished()[0])[semconv.REASON] == "no_usage"
