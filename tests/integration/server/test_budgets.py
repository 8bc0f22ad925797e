"""What arrives by OTLP counts against the server's budgets: once, whoever else settles it, and over restarts.

FEATURES B3, B11, C8.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from otel_cost import semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets.spec import RowKey, budget_of
from otel_cost.budgets.stores import MemoryStore
from otel_cost.budgets.stores.base import Post, Settlement
from otel_cost.config import Config
from otel_cost.errors import BudgetStoreUnavailable
from otel_cost.ledger import Ledger
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Status, nano_to_usd, record_key
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from tests.integration.server.serving import MINUTE, NOW, Server, chat, serving, span, traces
from tests.support import waiting
from tests.support.expected import Call
from tests.unit.budgets.elsewhere import Elsewhere

PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd
BUDGET = BudgetSettings("team-day", Decimal(3 * PRICE) / 10**9, period="day", per=("team",), thresholds=("50%", "100%"))
CONFIG = Config(budgets=(BUDGET,))


def row(team: str = "search") -> RowKey:
    found = budget_of(BUDGET).row({"team": team}, NOW - MINUTE)
    assert found is not None
    return found


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def server(ledger: Ledger, pricer: Pricer, store: MemoryStore) -> Iterator[Server]:
    with serving(create_app(CONFIG, ledger=ledger, store=store, pricer=pricer, clock=lambda: NOW)) as running:
        yield running


def spent(store: MemoryStore, team: str = "search") -> int:
    return store.read([row(team)])[0].spent_nano


def test_what_is_booked_is_settled_when_the_sender_is_answered(server: Server, store: MemoryStore) -> None:
    assert server.send(traces(span(chat()), span(chat()), team="search")).status_code == 200
    server.send(traces(span(chat()), team="other"))
    assert (spent(store), spent(store, "other")) == (2 * PRICE, PRICE)
    assert server.nano() == 3 * PRICE


def test_what_is_sent_again_counts_once(server: Server, store: MemoryStore) -> None:
    body = traces(span(chat()), team="search")
    for _ in range(3):
        server.send(body)
    assert spent(store) == PRICE


def test_what_an_app_has_settled_counts_once(server: Server, store: MemoryStore) -> None:
    mine, other = span(chat()), span(chat())
    for one in (mine, other):
        one.attributes.add(key=semconv.STATUS).value.string_value = Status.PRICED
    settled = Settlement(record_key(mine.trace_id.hex(), mine.span_id.hex()), (Post(row(), PRICE, 10 * PRICE),))
    store.settle([settled], version=0, now_ns=NOW)
    server.send(traces(mine, span(chat()), team="search"))
    assert spent(store) == 2 * PRICE
    assert store.settle([settled], version=0, now_ns=NOW) == [[]]


def test_a_duplicate_that_comes_later_takes_back(server: Server, store: MemoryStore) -> None:
    """The framework's span arrives first and is booked; then the request's own span takes over."""
    inner, outer = span(chat()), span(chat(), length_ns=2 * 10**9)
    outer.trace_id = inner.trace_id
    framework = traces(outer, scope="opentelemetry.instrumentation.langchain", team="search")
    server.send(framework)
    assert spent(store) == PRICE
    server.send(traces(inner, scope="otel_cost_instrumentation.openai", team="search"))
    assert server.nano(scope="otel_cost_instrumentation.openai") == PRICE
    assert spent(store) == PRICE
    server.send(framework)
    assert spent(store) == PRICE


def test_metrics_say_where_budgets_stand(server: Server) -> None:
    for _ in range(3):
        server.send(traces(span(chat()), team="search"))
    labels = ('budget="team-day"', 'period="day"', 'team="search"')
    assert server.metric("otel_cost_book_budget_spent_usd", *labels) == nano_to_usd(3 * PRICE)
    assert server.metric("otel_cost_book_budget_limit_usd", *labels) == nano_to_usd(3 * PRICE)
    assert server.metric("otel_cost_book_budget_utilization", *labels) == 1
    assert server.metric("otel_cost_book_budget_events_total", 'event="threshold"') == 2
    assert server.metric("otel_cost_book_budget_events_total", 'event="breach"', 'severity="critical"') == 1


def test_thresholds_are_told_once_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, semconv.LOGGER):
        for _ in range(4):
            server.send(traces(span(chat()), team="search"))
    said = [record.getMessage() for record in caplog.records if "team-day" in record.getMessage()]
    assert len(said) == 3
    assert "is used up" in said[-1]


@pytest.mark.parametrize("value", ["\0", "\n", '"', "x" * 500])
def test_hostile_labels_do_not_break_the_metrics(server: Server, store: MemoryStore, value: str) -> None:
    hostile = RowKey("team-day", (("team", value + "\ud83d"),), row().period)
    store.settle([Settlement("k", (Post(hostile, 7, 10),))], version=0, now_ns=NOW)
    server.send(traces(span(chat()), team="search"))
    response = server.http.get("/metrics")
    assert response.status_code == 200
    assert 'team="search"' in response.text


def test_labels_that_prometheus_has_no_name_for(ledger: Ledger, pricer: Pricer, store: MemoryStore) -> None:
    budget = BudgetSettings("b", Decimal(1), per=("budget", "cost-center", "cost.center", "1st"))
    app = create_app(Config(budgets=(budget,)), ledger=ledger, store=store, pricer=pricer, clock=lambda: NOW)
    with serving(app) as server:
        server.send(traces(span(chat()), **{"cost-center": "x"}))
        labels = ('budget="b"', 'budget_=""', 'cost_center="x"', 'cost_center_=""', '_1st=""')
        assert server.metric("otel_cost_book_budget_spent_usd", *labels) == nano_to_usd(PRICE)


def test_a_restart_repeats_nothing(tmp_path: Path, pricer: Pricer, store: MemoryStore) -> None:
    body = traces(span(chat()), span(chat()), team="search")
    for _ in range(2):
        with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as ledger:
            app = create_app(CONFIG, ledger=ledger, store=store, pricer=pricer, clock=lambda: NOW)
            with serving(app) as server:
                server.send(body)
                assert server.nano() == 2 * PRICE
    assert spent(store) == 2 * PRICE
    assert len(store.alerts()) == 1


def test_a_sender_is_answered_once_a_store_elsewhere_knows(
    ledger: Ledger, pricer: Pricer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_cost.server.budgets._WAIT_S", 30.0)
    store = Elsewhere()
    store.gate.clear()
    answered = threading.Event()
    with serving(create_app(CONFIG, ledger=ledger, store=store, pricer=pricer, clock=lambda: NOW)) as server:

        def send() -> None:
            server.send(traces(span(chat()), team="search"))
            answered.set()

        sending = threading.Thread(target=send)
        sending.start()
        waiting.until(lambda: "settle" in store.calls, "the store to be told")
        assert not answered.wait(0.5)
        store.gate.set()
        sending.join(30)
        assert answered.is_set()
        assert spent(store) == PRICE


def test_booking_goes_on_while_the_store_is_away(ledger: Ledger, pricer: Pricer) -> None:
    store = Elsewhere()
    store.failing = BudgetStoreUnavailable("away")
    with serving(create_app(CONFIG, ledger=ledger, store=store, pricer=pricer, clock=lambda: NOW)) as server:
        for _ in range(3):
            assert server.send(traces(span(chat()), team="search")).status_code == 200
        assert server.nano() == 3 * PRICE
        store.failing = None
    assert spent(store) == 3 * PRICE


def test_an_operation_that_cannot_be_booked_is_not_settled_either(server: Server, store: MemoryStore) -> None:
    far = span(chat(), start_ns=2**63 + 5)
    server.send(traces(far, team="search"))
    assert server.nano() == 0
    assert store.rows("team-day") == []
