"""Prices that depend on what was used before, in the server: fed by the book, and the same after a restart."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI

from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.ledger import Ledger
from otel_cost.ledger.base import MAX_STORED
from otel_cost.pricing import Catalog, Pricer
from otel_cost.pricing.overlay import load_overlays
from otel_cost.server.app import create_app
from tests.integration.server.serving import MINUTE, NOW, chat, serving, span, traces
from tests.integration.server.test_ledger_away import Flaky

CALL = 3_500_000  # nano-USD: 1000 x 2.50 and 100 x 10 USD per million tokens
OUTPUT = 1_000_000
DAY = 24 * 60 * MINUTE

MakeApp = Callable[..., FastAPI]


@pytest.fixture
def app(config: Config, catalog: Catalog, ledger: Ledger) -> MakeApp:
    def make(book: Ledger = ledger, **rules: object) -> FastAPI:
        own = {"provider": "openai", "model": "gpt-4o", "per_1m": {"input": 2.5, "output": 10}}
        schedule = {"name": "deal", "provider": "openai", "model": "gpt-4o*", **rules}
        overlays = load_overlays(inline=[{"prices": [own], "schedules": [schedule]}])
        under = Catalog(catalog.snapshot, overlays)
        return create_app(config, ledger=book, pricer=Pricer(lambda: under), clock=lambda: NOW)

    return make


def _calls(number: int, *, start_ns: int = NOW - MINUTE) -> bytes:
    # A second apart: side by side with the same counts they are different calls all the same, but say so plainly.
    return traces(*(span(chat(), start_ns=start_ns + n * 10**9, length_ns=10**8) for n in range(number)))


def test_an_allowance_is_used_up_within_a_batch_across_batches_and_across_restarts(app: MakeApp) -> None:
    """FEATURES O7."""
    rules = {"free": {"input": 3500}}
    with serving(app(**rules)) as server:
        assert server.send(_calls(2)).status_code == 200
        assert server.nano() == 2 * OUTPUT
        assert server.send(_calls(1)).status_code == 200
        assert server.nano() == 3 * OUTPUT
    with serving(app(**rules)) as server:
        assert server.send(_calls(2)).status_code == 200
        assert server.nano() == 5 * OUTPUT + 1500 * 2500, "500 of the 1000 tokens of one call, all of the other's"
        groups = server.summary(group_by="price_id")["groups"]
        assert isinstance(groups, list)
        assert {group["key"]["price_id"] for group in groups} == {"overlay/openai/gpt-4o+schedule:deal"}
        assert server.summary()["total"]["list_cost"]["nano_usd"] == 5 * CALL  # type: ignore[index]


def test_a_batch_that_is_sent_again_uses_nothing_up(app: MakeApp) -> None:
    with serving(app(free={"input": 1500})) as server:
        body = _calls(1)
        for _ in range(3):
            assert server.send(body).status_code == 200
        assert server.nano() == OUTPUT
        assert server.send(_calls(1)).status_code == 200
        assert server.nano() == 2 * OUTPUT + 500 * 2500
    with serving(app(free={"input": 1500})) as server:
        assert server.send(body).status_code == 200, "after a restart it would be another call's turn"
        assert server.nano() == 2 * OUTPUT + 500 * 2500


def test_a_call_that_is_sent_again_beside_a_new_one_is_not_before_it(app: MakeApp) -> None:
    first, second = (span(chat(), start_ns=NOW - n * MINUTE) for n in (2, 1))
    with serving(app(free={"input": 2000})) as server:
        assert server.send(traces(first)).status_code == 200
        assert server.send(traces(first, second)).status_code == 200
        assert server.nano() == 2 * OUTPUT


def test_periods_are_of_the_calendar_in_utc(app: MakeApp) -> None:
    first_of_month = datetime.fromtimestamp(NOW // 10**9, UTC).replace(day=1, hour=0, minute=0, second=0)
    month_ns = int(first_of_month.timestamp()) * 10**9
    with serving(app(free={"input": 1000})) as server:
        for start in (month_ns, month_ns - 10**9, month_ns + DAY, month_ns - DAY):
            assert server.send(_calls(1, start_ns=start)).status_code == 200
        # One call of each month was free.
        assert server.nano(**{"from": "2026-01-01", "to": "2028-01-01"}) == 2 * OUTPUT + 2 * CALL


def test_what_an_app_priced_itself_is_adopted_and_uses_the_allowance_up(app: MakeApp) -> None:
    verdict = {semconv.STATUS: "priced", semconv.COST_AMOUNT: CALL / 10**9, semconv.PRICE_ID: "p"}
    with serving(app(free={"input": 1500})) as server:
        assert server.send(traces(span(chat(**verdict)))).status_code == 200
        assert server.nano() == CALL
        assert server.send(_calls(1, start_ns=NOW - 2 * MINUTE)).status_code == 200
        assert server.nano() == CALL + OUTPUT + 500 * 2500


def test_calls_that_arrive_side_by_side_are_charged_one_after_the_other(app: MakeApp, ledger: Ledger) -> None:
    rules = {"volume": [{"above_usd": 0.035, "discount": "50%"}], "free": {"output": 550}}
    with serving(app(**rules)) as server:
        bodies = [_calls(3, start_ns=NOW - number * MINUTE) for number in range(1, 9)]
        with ThreadPoolExecutor(8) as pool:
            assert {response.status_code for response in pool.map(server.send, bodies)} == {200}
        listed = 24 * CALL - 550 * 10_000
        assert server.nano() == 35_000_000 + (listed - 35_000_000) // 2
    assert sum(used.list_nano for used in ledger.used(0, MAX_STORED)) == listed


def test_while_the_book_cannot_be_asked_senders_are_told_to_come_back(app: MakeApp, ledger: Ledger) -> None:
    flaky = Flaky(ledger)
    with serving(app(flaky, free={"input": 1500})) as server:
        flaky.away = True
        body = _calls(2)
        assert server.send(body).status_code == 503
        flaky.away = False
        assert server.nano() == 0
        assert server.send(body).status_code == 200
        assert server.nano() == 2 * OUTPUT + 500 * 2500
