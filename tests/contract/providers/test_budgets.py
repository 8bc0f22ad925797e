"""A blocking budget says no before the request is sent, and leaves no span of the provider behind."""

from __future__ import annotations

from decimal import Decimal

import pytest

from otel_cost import BudgetExceeded, semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.cases import Case
from tests.contract.providers.conftest import ClientMaker
from tests.contract.providers.seen import USAGE
from tests.support.world import World

LIMIT = BudgetSettings(name="tiny", amount_usd=Decimal("0.0000001"), period="total", action="block")


@pytest.fixture
def config() -> Config:
    return Config(budgets=(LIMIT,))


def _spend(case: Case, client: object, server: StandInProvider) -> None:
    """The first call may pass, and spends more than there is."""
    try:
        case.call(client, USAGE, False)
    except BudgetExceeded:
        assert not server.requests
    server.requests.clear()


def test_a_blocked_call_is_not_sent(case: Case, client_of: ClientMaker, server: StandInProvider, world: World) -> None:
    client = client_of(case)
    _spend(case, client, server)
    before = len(world.finished())

    with pytest.raises(BudgetExceeded) as caught:
        case.call(client, USAGE, False)

    assert caught.value.budget == "tiny"
    assert not server.requests
    assert len(world.finished()) == before
    assert world.events(semconv.EVENT_BUDGET_BLOCKED)


def test_a_blocked_stream_is_not_sent(
    streaming: Case, client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    client = client_of(streaming)
    _spend(streaming, client, server)

    with pytest.raises(BudgetExceeded):
        streaming.sent(client, USAGE)

    assert not server.requests


async def test_a_blocked_async_call_is_not_sent(
    case: Case, client_of: ClientMaker, async_client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    _spend(case, client_of(case), server)

    with pytest.raises(BudgetExceeded):
        await case.call(async_client_of(case), USAGE, False)

    assert not server.requests


@pytest.mark.needs("helper")
def test_a_blocked_helper_is_not_sent(
    streaming: Case, client_of: ClientMaker, server: StandInProvider, world: World
) -> None:
    assert streaming.helper
    client = client_of(streaming)
    _spend(streaming, client, server)

    with pytest.raises(BudgetExceeded), streaming.helper(client, USAGE):
        pass

    assert not server.requests
