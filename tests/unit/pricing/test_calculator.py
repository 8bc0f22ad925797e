from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction

import pytest

from otel_cost.ledger.base import MAX_AMOUNT
from otel_cost.model import Charge, PricingModel, Reason, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.calculator import charge, round_half_even, unrounded_usd
from otel_cost.pricing.rates import Price, UnitPrice, compile_card

from .conftest import NOON
from .conftest import Price as PriceCall


def test_cached_tokens_are_taken_out_of_the_input_they_are_part_of(price: PriceCall) -> None:
    charge = price("gpt-chat", input_tokens=1000, cache_read_tokens=400, output_tokens=10)
    assert charge.parts == (600 * 2500, 10 * 10_000, 400 * 1250, 0, 0)
    assert charge.amount_nano == charge.list_nano == sum(charge.parts)


def test_a_part_without_a_rate_costs_what_its_whole_costs(price: PriceCall) -> None:
    with_reasoning = price("gpt-chat", input_tokens=1, output_tokens=100, output_reasoning_tokens=90)
    assert with_reasoning.amount_nano == price("gpt-chat", input_tokens=1, output_tokens=100).amount_nano


def test_a_charge_is_the_same_as_one_made_by_its_own_initialiser(price: PriceCall) -> None:
    made = price("gpt-chat", input_tokens=2, output_tokens=1)
    expected = Charge(
        status=Status.PRICED,
        reason=None,
        detail="",
        amount_nano=15_000,
        list_nano=15_000,
        parts=(5_000, 10_000, 0, 0, 0),
        pricing_model=PricingModel.ON_DEMAND,
        price_id="openai/gpt-chat",
        catalog="genai-prices test",
        source="genai-prices",
    )
    assert made == expected
    assert [getattr(made, field.name) for field in fields(Charge)] == [
        getattr(expected, field.name) for field in fields(Charge)
    ]


@pytest.mark.parametrize(("tokens", "nano"), [(1, 38), (2, 75), (3, 112), (4, 150), (5, 188), (13, 488), (15, 562)])
def test_half_a_nano_goes_to_the_even_neighbour(price: PriceCall, tokens: int, nano: int) -> None:
    """$0.0375 for a million tokens is 37.5 nano-USD for one."""
    assert price("gpt-mini", input_tokens=tokens).amount_nano == nano


def test_rounding_happens_once_and_the_parts_still_sum_up(price: PriceCall) -> None:
    card = compile_card({unit: UnitPrice(Fraction(4, 10**10)) for unit in ("input_tokens", "output_tokens")})
    usage = Usage.of({"input_tokens": 1, "output_tokens": 1})
    assert charge(Price("p", "s", card), usage, "c").parts == (1, 0, 0, 0, 0)  # 0.4 + 0.4 rounds to 1, not to 0 + 0


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"), [(0, 3, 0), (1, 2, 0), (3, 2, 2), (5, 2, 2), (4, 3, 1), (5, 3, 2)]
)
def test_round_half_even(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_even(numerator, denominator) == rounded


@pytest.mark.parametrize(("tokens", "rate"), [(199_999, 1000), (200_000, 1000), (200_001, 2000)])
def test_a_tier_starts_strictly_above_its_start_and_covers_the_whole_request(
    price: PriceCall, tokens: int, rate: int
) -> None:
    assert price("gpt-long", input_tokens=tokens, output_tokens=1).parts == (tokens * rate, 8000, 0, 0, 0)


def test_an_hourly_rate_stays_exact_per_second(catalog: Catalog) -> None:
    found = catalog.resolve(PriceQuery("openai", "gpt-listen", NOON))
    assert isinstance(found, Price)
    assert (
        unrounded_usd(found, Usage.of({"audio_seconds": 7, "input_audio_seconds": 7})) == Fraction(36, 100) * 7 / 3600
    )
    assert unrounded_usd(found, Usage.of({"audio_seconds": 1})) == Fraction(1, 10**4)


def test_a_rate_that_does_not_come_out_even_is_not_rounded_before_the_sum() -> None:
    card = compile_card({"audio_seconds": UnitPrice(Fraction(1, 3600 * 10**3))})
    found = Price("p", "s", card)
    assert unrounded_usd(found, Usage.of({"audio_seconds": 3600})) == Fraction(1, 1000)
    assert charge(found, Usage.of({"audio_seconds": 3600}), "c").amount_nano == 10**6


@pytest.mark.parametrize(
    ("seconds", "billed"), [({"audio_seconds": 3}, 10), ({"input_audio_seconds": 3, "audio_seconds": 3}, 10),
                            ({"audio_seconds": 11}, 11), ({"audio_seconds": 0}, 0)]
)  # fmt: skip
def test_groq_bills_at_least_ten_seconds(price: PriceCall, seconds: dict[str, int], billed: int) -> None:
    assert price("whisper-large-v3", provider="groq", **seconds).amount_nano == billed * 100_000
    assert price("gpt-listen", audio_seconds=3).amount_nano == 300_000


def test_requests_count_as_one_unless_they_are_reported(price: PriceCall) -> None:
    assert price("gpt-search", input_tokens=5).parts == (0, 0, 0, 0, 5_000_000)
    assert price("gpt-search", input_tokens=5, requests=3).amount_nano == 15_000_000


@pytest.mark.parametrize(
    ("model", "counts", "detail"),
    [
        ("gpt-embed", {"input_tokens": 5, "output_tokens": 7}, "output_tokens (7)"),
        ("gpt-chat", {"input_tokens": 5, "web_searches": 2}, "web_searches (2)"),
        ("gpt-empty", {"input_tokens": 5}, "input_tokens (5)"),
        ("gpt-gift:free", {"input_tokens": 5, "web_searches": 1}, "web_searches (1)"),
        ("gpt-listen", {"input_tokens": 5}, "input_tokens (5)"),
    ],
)
def test_a_used_unit_without_a_rate_leaves_the_call_unpriced(
    price: PriceCall, model: str, counts: dict[str, int], detail: str
) -> None:
    refused = price(model, **counts)
    assert (refused.status, refused.reason, refused.amount_nano) == (Status.UNPRICED, Reason.NO_RATE, 0)
    assert detail in refused.detail
    assert model in refused.detail


def test_an_unused_unit_needs_no_rate(price: PriceCall) -> None:
    assert price("gpt-embed", input_tokens=5, output_tokens=0, web_searches=0).amount_nano == 100


@pytest.mark.parametrize(
    ("counts", "figures"),
    [
        ({"input_tokens": 10, "cache_read_tokens": 8, "input_audio_tokens": 5, "cache_audio_read_tokens": 0},
         ("cache_read_tokens (8)", "input_audio_tokens (5)", "input_tokens (10)")),
        ({"cache_read_tokens": 8}, ("cache_read_tokens is 8", "input_tokens")),
        ({"input_tokens": 10, "cache_read_tokens": 4, "input_audio_tokens": 5},
         ("cache_read_tokens (4)", "input_audio_tokens (5)", "cache_audio_read_tokens")),
        ({"output_tokens": 1, "input_tool_tokens": 3}, ("input_tool_tokens is 3", "input_tokens")),
    ],
)  # fmt: skip
def test_counts_that_cannot_be_told_apart_are_refused_with_their_figures(
    price: PriceCall, counts: dict[str, int], figures: tuple[str, ...]
) -> None:
    refused = price("gpt-audio", **counts)
    assert (refused.status, refused.reason) == (Status.UNPRICED, Reason.INVALID_USAGE)
    for figure in figures:
        assert figure in refused.detail


def test_a_missing_whole_does_not_matter_when_its_parts_are_zero(price: PriceCall) -> None:
    assert price("gpt-chat", cache_read_tokens=0, output_tokens=1).amount_nano == 10_000


def test_a_tier_needs_to_know_the_input(price: PriceCall) -> None:
    refused = price("gpt-long", output_tokens=5, cache_read_tokens=9)
    assert refused.reason is Reason.INVALID_USAGE
    assert price("gpt-long", output_tokens=5).amount_nano == 40_000


def test_no_usage(price: PriceCall) -> None:
    assert price("gpt-chat").reason is Reason.NO_USAGE
    assert price("unheard-of").reason is Reason.NO_USAGE


def test_an_explicit_zero_is_priced(price: PriceCall) -> None:
    zero = price("gpt-chat", input_tokens=0, output_tokens=0)
    assert (zero.status, zero.reason, zero.amount_nano) == (Status.PRICED, None, 0)


def test_known_to_be_free(price: PriceCall, with_overlays: Callable[..., Catalog]) -> None:
    free = price("gpt-gift:free", input_tokens=5)
    assert (free.status, free.reason, free.pricing_model) == (Status.PRICED, Reason.FREE, PricingModel.FREE)
    own = with_overlays({"provider": "acme", "model": "own", "per_token": {"input": 0, "output": 0}})
    charge = own.price(Usage.of({"input_tokens": 9}), PriceQuery("acme", "own", NOON))
    assert (charge.status, charge.reason, charge.pricing_model) == (Status.PRICED, Reason.FREE, PricingModel.FREE)


def test_an_amount_that_rounds_to_nothing_is_not_called_free(with_overlays: Callable[..., Catalog]) -> None:
    own = with_overlays({"provider": "acme", "model": "own", "per_1m": {"input": "0.0001"}})
    charge = own.price(Usage.of({"input_tokens": 1}), PriceQuery("acme", "own", NOON))
    assert (charge.amount_nano, charge.reason) == (0, None)


def test_an_amount_beyond_what_a_call_can_cost_is_no_amount(with_overlays: Callable[..., Catalog]) -> None:
    """The book refuses it too: metrics and budgets must not have spend that the book has not."""
    entry = {"provider": "p", "model": "m", "per_1m": {"input": 1}, "per_unit": {"web_searches": "0.01"}}
    catalog = with_overlays({"prices": [entry], "resources": {"gpu_hour": 1}, "tools": {"t": 10**9}})
    most = catalog.price(Usage.of({"web_searches": 10**8}), PriceQuery("p", "m", NOON))
    assert (most.status, most.amount_nano) == (Status.PRICED, MAX_AMOUNT)
    for made in (
        catalog.price(Usage.of({"web_searches": 10**8 + 1}), PriceQuery("p", "m", NOON)),
        catalog.resource("gpu_hour", 10**30, NOON),
        catalog.tool("t", NOON),
    ):
        assert made is not None
        assert (made.status, made.reason, made.amount_nano) == (Status.UNPRICED, Reason.INVALID_USAGE, 0)
        assert "nano-USD" in made.detail


def test_a_discount_to_nothing_hides_no_impossible_count(with_overlays: Callable[..., Catalog]) -> None:
    catalog = with_overlays({"adjustments": [{"discount": "100%"}]})
    made = catalog.price(Usage.of({"input_tokens": 10**12}), PriceQuery("openai", "gpt-chat", NOON))
    assert made.reason is Reason.INVALID_USAGE
