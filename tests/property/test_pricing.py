"""The price engine against ``genai-prices`` itself: the same product to the last digit, for every model it knows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers
from genai_prices.data_units import unit_data
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_cost.errors import InvalidUsage
from otel_cost.model import NANO, Charge, Reason, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.calculator import MAX_AMOUNT, round_half_even, unrounded_usd
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.rates import Price
from otel_cost.pricing.tiers import Tier
from otel_cost.units import UNITS, WHOLES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIERS = ("", "default", "flex", "priority", "batch", "fast")
REPORTABLE = tuple(unit for unit in UNITS if unit != "requests")
DIGITS = 80
"""Precision for genai-prices' own sums; only prices per hour do not come out even, and differ past that digit."""

BY_KEY: dict[str, str] = {raw["price_key"]: unit for unit, raw in unit_data.items()}
MODELS: list[tuple[Provider, ModelInfo]] = [(provider, model) for provider in providers for model in provider.models]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def ns(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1) * 1000


def price_lists(model: ModelInfo) -> Iterator[ModelPrice]:
    yield from [model.prices] if isinstance(model.prices, ModelPrice) else [price.prices for price in model.prices]
    yield from (variant.prices for variant in model.price_variants or ())


def moments(model: ModelInfo) -> list[datetime]:
    """Just before and exactly at every change of a price, and a time past all of them."""
    found = {datetime(2027, 6, 1, 12, tzinfo=UTC)}
    conditional = [] if isinstance(model.prices, ModelPrice) else model.prices
    for condition in (*conditional, *(model.price_variants or ())):
        constraint = condition.constraint
        if isinstance(constraint, StartDateConstraint):
            edges = [datetime.combine(constraint.start_date, datetime.min.time(), UTC)]
        elif constraint is not None:
            times = (constraint.start_time, constraint.end_time)
            edges = [datetime.combine(datetime(2025, 3, 3), at, at.tzinfo or UTC) for at in times]
        else:
            continue
        found.update(edge - back for edge in edges for back in (timedelta(0), timedelta(microseconds=1)))
    return sorted(found)


def starts(model: ModelInfo) -> list[int]:
    """The starts of the model's tiers."""
    values = (value for prices in price_lists(model) for value in vars(prices).values())
    return sorted({tier.start for value in values for tier in getattr(value, "tiers", ())})


def theirs(provider: Provider, model: ModelInfo, counts: Mapping[str, int], at: datetime, tier: Tier) -> Decimal:
    usage = TheirUsage(**counts)
    with localcontext(prec=DIGITS):
        calculated = model.calc_price(usage, provider, genai_request_timestamp=at, price_context=tier.context)
        return calculated.total_price


def assert_same(
    catalog: Catalog, seller: Provider, reference: str, counts: Mapping[str, int], at: datetime, tier_name: str
) -> Status:
    """One call priced by both; whatever otel-cost refuses must be something that genai-prices gets silently wrong."""
    tier = Tier.of(tier_name)
    model = seller.find_model(reference, all_providers=providers)
    assert model is not None
    query = PriceQuery(seller.id, reference, ns(at), service_tier=tier_name)
    usage = Usage.of(counts)
    charge = catalog.price(usage, query)
    price = catalog.resolve(query)
    if isinstance(price, Charge):
        assert (price.status, price.reason) == (Status.UNPRICED, Reason.NO_RATE)
        assert repr(tier.name) in price.detail
        return charge.status
    if price.card.free and not vars(model.get_prices(at, tier.context)):
        # An empty list is "no price" to otel-cost, save where the model's name says that it is free.
        assert model.id.endswith(":free")
        assert charge.status is Status.UNPRICED or (charge.reason is Reason.FREE and charge.amount_nano == 0)
        return charge.status
    try:
        expected = theirs(seller, model, counts, at, tier)
    except ValueError:
        with pytest.raises(InvalidUsage):
            unrounded_usd(price, usage)
        assert charge.status is Status.UNPRICED
        return charge.status
    exact = unrounded_usd(price, usage)
    assert_equal(exact, expected)
    if charge.status is Status.PRICED:
        assert charge.amount_nano == round_half_even((exact * NANO).numerator, (exact * NANO).denominator)
        assert charge.amount_nano == int((expected * NANO).to_integral_value("ROUND_HALF_EVEN"))
        assert sum(charge.parts) == charge.amount_nano == charge.list_nano
        assert min(charge.parts) >= 0
    elif charge.reason is Reason.INVALID_USAGE:
        assert exact * NANO > MAX_AMOUNT, "more than any call can cost"
    else:
        assert charge.reason is Reason.NO_RATE
        assert any(count and not covered(price, unit) for unit, count in counts.items())
    return charge.status


def covered(price: Price, unit: str) -> bool:
    priced = {step.unit for step in price.card.steps}
    return unit in priced or not priced.isdisjoint(WHOLES[unit])


def assert_equal(exact: Fraction, expected: Decimal) -> None:
    if 10**200 % exact.denominator == 0:
        assert exact == Fraction(expected)
    else:
        assert abs(exact - Fraction(expected)) < Fraction(1, 10**60)


def random_usage(choose: random.Random, units: list[str], thresholds: list[int]) -> dict[str, int]:
    """Valid counts of a few ``units`` and their wholes; the input is often right at a tier's start."""
    counts: dict[str, int] = {}
    for unit in choose.sample(units, min(len(units), choose.randint(1, 4))):
        for name in (unit, *WHOLES[unit]):
            counts.setdefault(name, 0)
    for unit in sorted(counts, key=lambda name: (-len(UNITS[name]), name)):
        inside = sum(count for part, count in counts.items() if unit in WHOLES[part])
        counts[unit] = inside + choose.choice((0, 1, 7, choose.randint(0, 10**6), choose.randint(0, 10**10)))
    if thresholds and "input_tokens" in counts:
        edge = choose.choice(thresholds) + choose.randint(-1, 1)
        counts["input_tokens"] = max(counts["input_tokens"], edge)
    return counts


def units_of(model: ModelInfo) -> list[str]:
    priced = {BY_KEY[key] for prices in price_lists(model) for key in vars(prices)}
    return sorted((priced | {"input_tokens", "output_tokens"}) - {"requests"})


def full_usage(units: list[str]) -> dict[str, int]:
    """Every unit of ``units`` used once, and their wholes as often as that takes."""
    counts: dict[str, int] = {}
    names = {name for unit in units for name in (unit, *WHOLES[unit])}
    for unit in sorted(names, key=lambda name: (-len(UNITS[name]), name)):
        counts[unit] = 1 + sum(count for part, count in counts.items() if unit in WHOLES[part])
    return counts


def test_every_model_at_every_change_in_every_tier_costs_what_genai_prices_says(catalog: Catalog) -> None:
    choose = random.Random(20261122)
    for provider, model in MODELS:
        if provider.find_model(model.id, all_providers=providers) is None:
            continue
        units, thresholds = units_of(model), starts(model)
        for at in moments(model):
            for tier in TIERS if model.price_variants else ("", "default"):
                assert_same(catalog, provider, model.id, random_usage(choose, units, thresholds), at, tier)


def test_every_model_with_a_price_list_is_priced(catalog: Catalog) -> None:
    """Keeps the comparison above honest: it would also pass if everything were refused."""
    for provider, model in MODELS:
        found = provider.find_model(model.id, all_providers=providers)
        if found is None:
            continue
        at = moments(model)[-1]
        rates = {BY_KEY[key] for key, value in vars(found.get_prices(at)).items() if value is not None}
        if rates:
            status = assert_same(catalog, provider, model.id, full_usage(sorted(rates - {"requests"})), at, "")
            assert status is Status.PRICED


def test_resold_models_cost_what_genai_prices_says(catalog: Catalog) -> None:
    choose = random.Random(20261123)
    by_id = {provider.id: provider for provider in providers}
    resold = [
        (seller, model)
        for seller in providers
        for owner in seller.fallback_model_providers or ()
        for model in by_id[owner].models
        if seller.find_model(model.id, all_providers=providers) is model
    ]
    assert resold
    for seller, model in resold:
        for tier in ("", "batch"):
            counts = random_usage(choose, units_of(model), starts(model))
            assert_same(catalog, seller, model.id, counts, moments(model)[-1], tier)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_usage_any_time_costs_what_genai_prices_says(catalog: Catalog, data: st.DataObject) -> None:
    provider, model = data.draw(st.sampled_from(MODELS))
    if provider.find_model(model.id, all_providers=providers) is None:
        return
    at = data.draw(st.one_of(st.sampled_from(moments(model)), st.datetimes(timezones=st.just(UTC))))
    counts = data.draw(
        st.dictionaries(st.sampled_from(REPORTABLE), st.one_of(st.integers(0, 9), st.integers(0, 10**12)), max_size=6)
    )
    try:
        Usage.of(counts)
    except InvalidUsage:
        counts = random_usage(random.Random(str(counts)), list(counts), starts(model))
    if counts:
        assert_same(catalog, provider, model.id, counts, at, data.draw(st.sampled_from(TIERS)))


@given(
    st.lists(
        st.tuples(st.decimals(0, 10**4, places=18), st.one_of(st.integers(0, 9999), st.integers(0, 10**12))),
        min_size=5,
        max_size=5,
    ),
    st.sampled_from([1, 1000, 10**6]),
)
def test_parts_sum_to_the_total_which_is_the_product_rounded_once(rates: list[tuple[Decimal, int]], per: int) -> None:
    per_name = {1: "per_token", 1000: "per_1k", 10**6: "per_1m"}[per]
    names = ("input", "output", "cache_read", "cache_write", "web_searches")
    amounts = dict(zip(names, (rate for rate, _ in rates), strict=True))
    catalog = _overlay_only({"provider": "acme", "model": "m", per_name: amounts})
    plain = dict(zip(names, (count // 4 for _, count in rates), strict=True))
    usage = Usage.of(
        {
            "input_tokens": plain["input"] + plain["cache_read"] + plain["cache_write"],
            "output_tokens": plain["output"],
            "cache_read_tokens": plain["cache_read"],
            "cache_write_tokens": plain["cache_write"],
            "web_searches": plain["web_searches"],
        }
    )
    charge = catalog.price(usage, PriceQuery("acme", "m", 0))
    exact = {name: Fraction(amounts[name]) / per * plain[name] * NANO for name in names}
    total = sum(exact.values(), Fraction(0))
    if total > MAX_AMOUNT:
        assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.INVALID_USAGE)
        return
    assert charge.status is Status.PRICED
    assert charge.amount_nano == round(total)  # Fraction rounds half to even
    assert sum(charge.parts) == charge.amount_nano
    for name, part in zip(names, charge.parts, strict=True):
        assert exact[name] - 1 < part < exact[name] + 1


class _NoSnapshot:
    """A snapshot that knows nobody."""

    version = "none"

    def provider_named(self, name: str) -> None:
        return None

    provider_prefix = provider_at = provider_of = provider_named


def _overlay_only(entry: Mapping[str, object]) -> Catalog:
    return Catalog(_NoSnapshot(), load_overlays(inline=[entry]))  # type: ignore[arg-type]
