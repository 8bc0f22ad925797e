"""Costs that others wrote on spans that arrive: compared, booked beside the charge, and never believed too much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.config import Config, PriceSettings, SecondOpinionSettings
from otel_cost.ledger import Disagreement, Ledger
from otel_cost.model import OpinionSource
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from tests.contract.ledger.books import EVER
from tests.integration.server.serving import NOW, Server, chat, serving, span, traces
from tests.support.expected import Call

PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd
USD = PRICE / 1e9
METRIC = "otel_cost_book_disagreements_total"
VERDICT: dict[str, str | float] = {semconv.STATUS: "priced", semconv.COST_AMOUNT: USD}


@pytest.fixture
def believing(config: Config, ledger: Ledger, pricer: Pricer) -> Iterator[Server]:
    """A server that takes any figure rather than none."""
    prices = PriceSettings(second_opinions=SecondOpinionSettings(prefer="any"))
    settings = Config(server=config.server, prices=prices)
    with serving(create_app(settings, ledger=ledger, pricer=pricer, clock=lambda: NOW)) as running:
        yield running


def by_source(ledger: Ledger) -> dict[OpinionSource, Disagreement]:
    return {one.source: one for one in ledger.disagreements(EVER)}


def test_costs_from_elsewhere_are_compared_and_ours_is_booked(server: Server, ledger: Ledger) -> None:
    """FEATURES O7: any language, any emitter."""
    body = traces(
        span(chat(**{"gen_ai.usage.cost": 2 * USD})),
        span(chat(**{"gen_ai.usage.cost": USD, "operation.cost": USD})),
        span(chat(**{"gen_ai.usage.cost": 0.0})),
        span(chat(**{"gen_ai.usage.cost.amount": 3 * USD, "gen_ai.usage.cost.currency": "USD"})),
        span(chat(**{"gen_ai.usage.cost": -1.0})),
    )
    for _ in range(2):  # a batch sent again is heard once
        assert server.send(body).status_code == 200
    assert server.nano() == 5 * PRICE
    found = by_source(ledger)
    counts = {source: (one.compared, one.disagreeing) for source, one in found.items()}
    assert counts == {
        OpinionSource.OPENLIT: (2, 1),
        OpinionSource.LOGFIRE: (1, 0),
        OpinionSource.CONVENTION: (1, 1),
    }
    openlit = found[OpinionSource.OPENLIT]
    assert (openlit.provider, openlit.model) == ("openai", "gpt-4o")
    assert (openlit.stated_nano, openlit.against_nano) == (2 * PRICE, PRICE)
    assert server.metric(METRIC, 'source="openlit"', 'provider="openai"', 'model="gpt-4o"') == 1
    assert server.metric(METRIC) == 2


def test_our_own_names_on_an_adopted_span_are_no_opinion(server: Server, ledger: Ledger) -> None:
    compat = {"gen_ai.usage.cost": 2 * USD, "operation.cost": USD, "llm.cost.total": USD, "llm.cost.prompt": USD}
    server.send(traces(span(chat(**VERDICT, **compat))))
    assert server.nano() == PRICE
    assert ledger.disagreements(EVER) == ()


def test_what_the_app_heard_comes_with_its_verdict(server: Server, ledger: Ledger) -> None:
    heard = {semconv.OPINION_PREFIX + "openlit": 2 * USD, semconv.OPINION_PREFIX + "no-such": 1.0}
    server.send(traces(span(chat(**VERDICT, **heard))))
    assert server.nano() == PRICE
    [found] = ledger.disagreements(EVER)
    assert (found.source, found.stated_nano, found.against_nano) == (OpinionSource.OPENLIT, 2 * PRICE, PRICE)


def test_a_bill_that_the_app_took_stays(server: Server, ledger: Ledger) -> None:
    verdict = {semconv.STATUS: "priced", semconv.COST_AMOUNT: 0.004, semconv.COST_SOURCE: "provider:openrouter"}
    server.send(traces(span(chat(**verdict, **{semconv.OPINION_PREFIX + "otel-cost": USD, "x": 1}))))
    assert server.nano(source="provider:openrouter") == 4_000_000
    [found] = ledger.disagreements(EVER)
    assert (found.source, found.stated_nano, found.against_nano) == (OpinionSource.OTEL_COST, PRICE, 4_000_000)


def test_a_twins_opinion_is_heard_and_its_money_is_not(server: Server, ledger: Ledger) -> None:
    ours, theirs = span(chat(**VERDICT)), span(chat(**{"gen_ai.usage.cost": 2 * USD}), length_ns=2 * 10**9)
    theirs.trace_id = ours.trace_id
    server.send(traces(ours, scope="otel_cost_instrumentation.openai"))
    server.send(traces(theirs, scope="openlit.otel.tracing"))
    assert server.nano() == PRICE
    [found] = ledger.disagreements(EVER)
    assert (found.source, found.stated_nano, found.against_nano) == (OpinionSource.OPENLIT, 2 * PRICE, PRICE)
    total: Any = server.summary()["total"]
    assert total["operations"] == {"priced": 1, "duplicate": 1}


def test_an_unpriced_call_is_not_priced_by_others(server: Server, ledger: Ledger) -> None:
    unknown = {semconv.REQUEST_MODEL: "model-of-tomorrow", "gen_ai.usage.cost": 0.25}
    server.send(traces(span({**chat(), **unknown})))
    assert server.nano() == 0
    assert ledger.disagreements(EVER) == ()


def test_unless_any_figure_is_better_than_none(believing: Server) -> None:
    unknown = {semconv.REQUEST_MODEL: "model-of-tomorrow", "gen_ai.usage.cost": 0.25}
    believing.send(traces(span({**chat(), **unknown}), span(chat(**{"gen_ai.usage.cost": 0.25}))))
    assert believing.nano(status="estimated", reason="second_opinion") == 250_000_000
    assert believing.nano(status="priced") == PRICE


def test_a_routers_bill_is_taken_where_nothing_else_is_known(server: Server) -> None:
    router = {
        semconv.PROVIDER_NAME: "openrouter",
        semconv.REQUEST_MODEL: "nobody/model-of-tomorrow",
        semconv.REPORTED_COST: 0.0042,
    }
    server.send(traces(span({**chat(), **router})))
    assert server.nano(status="priced", source="provider:openrouter") == 4_200_000
