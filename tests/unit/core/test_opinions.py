"""Second opinions in process: kept beside the charge, preferred where the settings say so, compared, counted."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from otel_cost import semconv, wire
from otel_cost.config import Config, PriceSettings, SecondOpinionSettings
from otel_cost.dialects import opinions
from otel_cost.model import Charge, Opinion, OpinionSource, PricingModel, Reason, Status
from otel_cost.pricing import Pricer
from otel_cost.weighing import Weigher
from tests.contract.ledger.books import priced, record, settled_elsewhere, unpriced
from tests.support.world import FRAMEWORK, World, chat, make_world
from tests.unit.core.test_prices_loading import Gate

GPT_4O = 3_500_000
"""1,000 input tokens at 2.50 and 100 output tokens at 10 USD per million, in nano-USD."""
S = OpinionSource
UNKNOWN = "model-of-tomorrow"


def config(**settings: Any) -> Config:
    return Config(prices=PriceSettings(second_opinions=SecondOpinionSettings(**settings)))


def settled(world: World, **attributes: str | int | float | bool) -> dict[str, Any]:
    with world.call(**attributes):
        pass
    return dict(world.finished()[-1].attributes or {})


def router(cost: float, model: str = "openai/gpt-4o") -> dict[str, Any]:
    more = {"gen_ai.provider.name": "openrouter", "gen_ai.request.model": model, semconv.REPORTED_COST: cost}
    return {name.replace(".", "__"): value for name, value in more.items()}


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "source", "nano"),
    [
        ({"gen_ai.usage.cost": 0.0035}, S.OPENLIT, 3_500_000),
        ({"gen_ai.usage.cost": "0.0035"}, S.OPENLIT, 3_500_000),
        ({"gen_ai.usage.cost": 3}, S.OPENLIT, 3_000_000_000),
        ({"operation.cost": 1.1e-05}, S.LOGFIRE, 11_000),
        ({"llm.cost.total": 0.3, "llm.cost.prompt": 0.1}, S.OPENINFERENCE, 300_000_000),
        ({"llm.cost.prompt": 0.1, "llm.cost.completion": 0.2}, S.OPENINFERENCE, 300_000_000),
        ({"gen_ai.cost.total_cost": 0.01, "gen_ai.cost.input_cost": 0.005}, S.LITELLM, 10_000_000),
        ({"litellm.cost.total": 0.02, "gen_ai.cost.total_cost": 0.01}, S.LITELLM, 20_000_000),
        ({"langfuse.observation.cost_details": '{"input": 0.1, "output": 0.2}'}, S.LANGFUSE, 300_000_000),
        ({"langfuse.observation.cost_details": '{"input": 0.1, "total": 0.5}'}, S.LANGFUSE, 500_000_000),
        ({"langfuse.observation.cost_details": {"total": 0.5}}, S.LANGFUSE, 500_000_000),
        ({"langfuse.observation.cost_details": "{"}, S.LANGFUSE, None),
        ({"langfuse.observation.cost_details": "[1]"}, S.LANGFUSE, None),
        ({"gen_ai.usage.cost.amount": 0.5}, S.CONVENTION, 500_000_000),
        ({"gen_ai.usage.cost.amount": 0.5, "gen_ai.usage.cost.currency": "USD"}, S.CONVENTION, 500_000_000),
        ({"gen_ai.usage.cost.amount": 0.5, "gen_ai.usage.cost.currency": "EUR"}, S.CONVENTION, None),
        ({"gen_ai.usage.cost": -0.1}, S.OPENLIT, None),
        ({"gen_ai.usage.cost": True}, S.OPENLIT, None),
        ({"gen_ai.usage.cost": 1e7}, S.OPENLIT, None),
        ({"gen_ai.usage.cost": float("nan")}, S.OPENLIT, None),
        ({semconv.REPORTED_COST: 0.1, semconv.REPORTED_UPSTREAM_COST: 0.2}, S.GATEWAY, 300_000_000),
    ],
)
def test_each_product_writes_its_cost_in_its_own_way(attributes: Any, source: OpinionSource, nano: int | None) -> None:
    assert opinions.read(attributes, "openai", "api.openai.com") == (Opinion(source, nano),)


@pytest.mark.parametrize("name", ["gen_ai.usage.cost", "operation.cost", "llm.cost.total", "gen_ai.usage.cost.amount"])
@pytest.mark.parametrize("zero", [0, 0.0, -0.0, "0", 1e-15])
def test_a_foreign_zero_says_nothing(name: str, zero: object) -> None:
    assert opinions.read({name: zero}, "", "") == ()


@pytest.mark.parametrize(
    ("provider", "address", "source"),
    [
        ("openrouter", "", S.OPENROUTER),
        ("openai", "openrouter.ai", S.OPENROUTER),
        ("x_ai", "api.x.ai", S.X_AI),
        ("perplexity", "api.perplexity.ai", S.PERPLEXITY),
        ("openai", "127.0.0.1", S.GATEWAY),
        ("", "openrouter.ai.evil.example", S.GATEWAY),
    ],
)
def test_only_who_sends_the_bill_is_the_provider(provider: str, address: str, source: OpinionSource) -> None:
    assert opinions.read({semconv.REPORTED_COST: 0.0}, provider, address) == (
        () if source is S.GATEWAY else (Opinion(source, 0),)
    )
    assert opinions.read({semconv.REPORTED_COST: 0.5}, provider, address) == (Opinion(source, 500_000_000),)


def test_what_stands_beside_our_own_verdict_is_ours() -> None:
    charge = wire.charge_to_attributes(priced(1000))
    compat = {"gen_ai.usage.cost": 0.1, "operation.cost": 0.1, "llm.cost.total": 0.1}
    assert opinions.read({**charge, **compat}, "", "") == ()
    loading = wire.charge_to_attributes(Charge(Status.UNPRICED, Reason.PRICES_LOADING))
    assert len(opinions.read({**loading, **compat}, "", "")) == 3


# --- weighing ---------------------------------------------------------------------------------------------------------

FOREIGN, BILL = Opinion(S.OPENLIT, 9000), Opinion(S.OPENROUTER, 7000)
ESTIMATED = priced(1000, status=Status.ESTIMATED)
FAILED = Charge(Status.PRICED, Reason.FAILED, "APIError", source="rule")


@pytest.mark.parametrize(
    ("prefer", "charge", "said", "expected"),
    [
        ("ours", priced(1000), (FOREIGN, BILL), (1000, "")),
        ("ours", unpriced(), (FOREIGN, BILL), (7000, "provider:openrouter")),
        ("ours", unpriced(Reason.NO_USAGE), (BILL,), (7000, "provider:openrouter")),
        ("ours", ESTIMATED, (FOREIGN, BILL), (7000, "provider:openrouter")),
        ("ours", FAILED, (BILL,), (7000, "provider:openrouter")),
        ("ours", unpriced(), (FOREIGN,), (None, "")),
        ("ours", ESTIMATED, (FOREIGN,), (1000, "")),
        ("ours", unpriced(), (Opinion(S.OPENROUTER, 0),), (None, "")),
        ("ours", unpriced(), (Opinion(S.OPENROUTER, None),), (None, "")),
        ("ours", unpriced(Reason.PRICES_LOADING), (BILL,), (None, "")),
        ("ours", settled_elsewhere(), (BILL,), (None, "")),
        ("provider", priced(1000), (FOREIGN, BILL), (7000, "provider:openrouter")),
        ("provider", priced(1000), (FOREIGN,), (1000, "")),
        ("provider", priced(1000), (Opinion(S.OPENROUTER, 0),), (0, "provider:openrouter")),
        ("provider", priced(1000), (Opinion(S.OPENROUTER, None),), (1000, "")),
        ("provider", unpriced(), (FOREIGN,), (None, "")),
        ("provider", settled_elsewhere(), (BILL,), (None, "")),
        ("any", priced(1000), (FOREIGN, BILL), (1000, "")),
        ("any", unpriced(), (FOREIGN, BILL), (7000, "provider:openrouter")),
        ("any", unpriced(), (FOREIGN,), (9000, "foreign:openlit")),
        ("any", unpriced(Reason.PRICES_LOADING), (FOREIGN,), (None, "")),
        ("any", ESTIMATED, (FOREIGN,), (1000, "")),
    ],
)
def test_the_setting_says_which_figure_is_charged(
    prefer: Any, charge: Charge, said: tuple[Opinion, ...], expected: tuple[int | None, str]
) -> None:
    before = replace(record(1, charge), opinions=said)
    after = Weigher(SecondOpinionSettings(prefer=prefer)).weigh(before).charge
    amount, source = expected
    assert (after.amount_nano if after.status.counted else None, after.source) == (amount, source or charge.source)
    if not source:
        assert after == charge


def test_a_bill_takes_our_place_and_keeps_our_figure_beside_it() -> None:
    ours = replace(priced(1000), parts=(500, 250, 0, 0, 250), list_nano=2000, pricing_model=PricingModel.BATCH)
    before = replace(record(1, ours), opinions=(FOREIGN, Opinion(S.OPENROUTER, 7003)))
    after = Weigher(SecondOpinionSettings(prefer="provider")).weigh(before)
    assert after.charge == Charge(
        Status.PRICED,
        detail="instead of some:price",
        amount_nano=7003,
        list_nano=2000,
        parts=(3501, 1751, 0, 0, 1751),
        pricing_model=PricingModel.BATCH,
        source="provider:openrouter",
    )
    assert after.opinions == (
        Opinion(S.OTEL_COST, 1000, 7003, disagrees=True),
        Opinion(S.OPENLIT, 9000, 7003, disagrees=True),
    )


def test_what_others_wrote_is_an_estimate_and_a_bill_is_none() -> None:
    weigh = Weigher(SecondOpinionSettings(prefer="any")).weigh
    foreign = weigh(replace(record(1, unpriced()), opinions=(FOREIGN,))).charge
    assert (foreign.status, foreign.reason, foreign.parts) == (
        Status.ESTIMATED,
        Reason.SECOND_OPINION,
        (0, 0, 0, 0, 9000),
    )
    assert foreign.detail == "unknown_model: no price"
    billed = weigh(replace(record(1, unpriced()), opinions=(BILL,))).charge
    assert (billed.status, billed.reason) == (Status.PRICED, None)


@pytest.mark.parametrize(
    ("charged", "listed", "said", "disagrees"),
    [
        (1_000_000, 1_000_000, 1_010_000, False),  # 1 %
        (1_000_000, 1_000_000, 1_010_001, True),
        (1_000_000, 1_000_000, 989_999, True),
        (1_000_000, 1_000_000, 990_000, False),
        (100, 100, 1_100, False),  # a microdollar is rounding
        (100, 100, 1_101, True),
        (0, 0, 1_001, True),
        (500_000, 1_000_000, 1_000_000, False),  # nobody else knows of a discount
        (500_000, 1_000_000, 750_000, True),
    ],
)
def test_what_is_within_the_tolerance_agrees(charged: int, listed: int, said: int, disagrees: bool) -> None:
    charge = Charge(Status.PRICED, amount_nano=charged, list_nano=listed, parts=(charged, 0, 0, 0, 0))
    before = replace(record(1, charge), opinions=(Opinion(S.LOGFIRE, said),))
    [opinion] = Weigher(SecondOpinionSettings()).weigh(before).opinions
    assert opinion.disagrees is disagrees


def test_a_bill_is_compared_with_what_is_paid_not_with_the_list() -> None:
    charge = replace(priced(500_000), list_nano=1_000_000)
    before = replace(record(1, charge), opinions=(Opinion(S.OPENROUTER, 1_000_000),))
    [opinion] = Weigher(SecondOpinionSettings()).weigh(before).opinions
    assert (opinion.against_nano, opinion.disagrees) == (500_000, True)


def test_tolerance_and_floor_are_settings() -> None:
    before = replace(record(1, priced(1_000_000)), opinions=(Opinion(S.OPENLIT, 1_200_000),))
    for settings, disagrees in (
        (SecondOpinionSettings(tolerance="20%"), False),
        (SecondOpinionSettings(tolerance="19%"), True),
        (SecondOpinionSettings(floor_usd=Decimal("0.0002")), False),
    ):
        [opinion] = Weigher(settings).weigh(before).opinions
        assert opinion.disagrees is disagrees


@pytest.mark.parametrize("wrong", [{"tolerance": "much"}, {"tolerance": "-1%"}, {"floor_usd": Decimal(-1)}])
def test_a_wrong_setting_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"much|-1"):
        SecondOpinionSettings(**wrong)


# --- on spans ---------------------------------------------------------------------------------------------------------


def test_what_others_wrote_is_kept_and_not_charged(world: World) -> None:
    found = settled(world, gen_ai__usage__cost=0.005, operation__cost=0.0035)
    assert found[semconv.COST_AMOUNT] == GPT_4O / 1e9
    assert (found["otel_cost.opinion.openlit"], found["otel_cost.opinion.logfire"]) == (0.005, 0.0035)
    assert found[semconv.OPINION_DISAGREES] is True
    assert world.points(semconv.METRIC_DISAGREEMENTS) == [
        (
            {
                semconv.PROVIDER_NAME: "openai",
                semconv.RESPONSE_MODEL: "gpt-4o",
                semconv.OPINION_SOURCE: "openlit",
            },
            1,
        )
    ]
    assert world.spend() == GPT_4O / 1e9


def test_a_span_without_opinions_says_nothing_of_them(world: World) -> None:
    assert not [name for name in settled(world) if name.startswith(semconv.OPINION_PREFIX)]
    assert world.points(semconv.METRIC_DISAGREEMENTS) == []


def test_an_unpriced_call_stays_unpriced_whatever_others_say(world: World) -> None:
    found = settled(world, gen_ai__request__model=UNKNOWN, gen_ai__usage__cost=0.005)
    assert (found[semconv.STATUS], found["otel_cost.opinion.openlit"]) == ("unpriced", 0.005)
    assert semconv.OPINION_DISAGREES not in found
    assert world.spend() == 0


def test_any_takes_it_as_an_estimate() -> None:
    world = make_world(config(prefer="any"))
    found = settled(world, gen_ai__request__model=UNKNOWN, gen_ai__usage__cost=0.005)
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("estimated", "second_opinion")
    assert (found[semconv.COST_AMOUNT], found[semconv.COST_SOURCE]) == (0.005, "foreign:openlit")
    assert world.spend() == 0.005


def test_the_routers_bill_is_taken_where_there_is_no_price(world: World) -> None:
    found = settled(world, **router(0.0123, "nobody/" + UNKNOWN))
    assert (found[semconv.STATUS], found[semconv.COST_AMOUNT]) == ("priced", 0.0123)
    assert found[semconv.COST_SOURCE] == "provider:openrouter"
    assert found[semconv.DETAIL].startswith("unknown_model")
    assert world.spend() == 0.0123


def test_the_routers_bill_is_beside_our_price_or_in_its_place() -> None:
    found = settled(make_world(), **router(0.0040))
    assert (found[semconv.COST_AMOUNT], found["otel_cost.opinion.openrouter"]) == (0.0035, 0.004)
    found = settled(make_world(config(prefer="provider")), **router(0.0040))
    assert (found[semconv.COST_AMOUNT], found["otel_cost.opinion.otel-cost"]) == (0.004, 0.0035)
    parts = [value for name, value in found.items() if name.startswith(semconv.COST_PART_PREFIX)]
    assert sum(round(part * 1e9) for part in parts) == 4_000_000
    assert found[semconv.OPINION_DISAGREES] is True


def test_a_figure_that_is_no_money_is_counted_and_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger=semconv.LOGGER):
        for cost in (-1.0, float("nan")):
            found = settled(world, gen_ai__usage__cost=cost)
            assert "otel_cost.opinion.openlit" not in found
            assert found[semconv.COST_AMOUNT] == GPT_4O / 1e9
    assert [text for text in caplog.messages if "no amount of money" in text] == [
        "a cost from openlit is no amount of money, and is not used (said once)"
    ]
    assert world.points(semconv.METRIC_UNREADABLE_OPINIONS) == [({semconv.OPINION_SOURCE: "openlit"}, 2)]
    assert world.points(semconv.METRIC_DISAGREEMENTS) == []


def test_a_duplicates_opinion_is_compared_with_what_that_span_would_cost(world: World) -> None:
    """FEATURES O7: OpenLIT around ours, say. Its money is counted once; its opinion is heard."""
    twin = "openlit.otel.tracing"
    with world.call(scope=twin, id="r1", gen_ai__usage__cost=0.1), world.call(id="r1"):
        pass
    inner, outer = (dict(span.attributes or {}) for span in world.finished())
    assert (inner[semconv.STATUS], outer[semconv.STATUS]) == ("priced", "duplicate")
    assert outer["otel_cost.opinion.openlit"] == 0.1
    assert outer[semconv.OPINION_DISAGREES] is True
    assert [count for _, count in world.points(semconv.METRIC_DISAGREEMENTS)] == [1]
    assert world.spend() == GPT_4O / 1e9


def test_a_wrappers_cost_is_a_sum_and_no_opinion(world: World) -> None:
    attributes = chat(operation="invoke_agent", operation__cost=0.5)
    with world.tracer(FRAMEWORK).start_as_current_span("agent", attributes=attributes), world.call():
        pass
    [agent] = world.finished("agent")
    assert (agent.attributes or {})[semconv.STATUS] == "wrapper"
    assert "otel_cost.opinion.logfire" not in (agent.attributes or {})
    assert world.points(semconv.METRIC_DISAGREEMENTS) == []


def test_our_own_compatible_names_are_no_opinion() -> None:
    settings = Config(compat=("openlit", "logfire", "openinference"))
    found = settled(make_world(settings), gen_ai__usage__cost=0.1)
    assert found["gen_ai.usage.cost"] == GPT_4O / 1e9
    assert found["otel_cost.opinion.openlit"] == 0.1, "what it was before we wrote over it"
    adopted = wire.verdict_on(found)
    assert adopted is not None
    assert adopted.opinions == (Opinion(S.OPENLIT, 100_000_000),)


def test_opinions_wait_for_prices_like_their_call_does() -> None:
    gate = Gate()
    world = make_world(config(prefer="any"), pricer=Pricer(gate.load))
    known = settled(world, gen_ai__usage__cost=0.1)
    settled(world, gen_ai__request__model=UNKNOWN, gen_ai__usage__cost=0.25)
    assert (known[semconv.REASON], known["otel_cost.opinion.openlit"]) == ("prices_loading", 0.1)
    gate.open.set()
    assert world.provider.force_flush(60_000)
    assert [count for _, count in world.points(semconv.METRIC_DISAGREEMENTS)] == [1]
    assert world.spend() == 0.2535


def test_a_charge_event_carries_them() -> None:
    sent = replace(record(1), sampled=False, opinions=(Opinion(S.LANGFUSE, 1234), Opinion(S.OPENROUTER, 999)))
    attributes = wire.record_to_attributes(sent)
    assert json.dumps(attributes)
    arrived = wire.record_from_attributes(attributes)
    assert sorted(arrived.opinions, key=lambda one: one.source) == sorted(sent.opinions, key=lambda one: one.source)
    bad = {**attributes, "otel_cost.opinion.langfuse": -1.0, "otel_cost.opinion.openrouter": 2e6}
    assert wire.record_from_attributes(bad).opinions == ()
