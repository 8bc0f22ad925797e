from __future__ import annotations

from fractions import Fraction

import pytest
from genai_prices.data_units import unit_data

from otel_cost.pricing.rates import RATE_SCALE, UnitPrice, compile_card, gaps, overlaps
from otel_cost.units import UNITS


def test_units_are_those_of_the_installed_price_data() -> None:
    theirs = {unit: frozenset(raw["dimensions"].items()) for unit, raw in unit_data.items()}
    assert theirs == UNITS


def test_rates_go_down_to_1e_24_usd() -> None:
    card = compile_card({"input_tokens": UnitPrice(Fraction(1, RATE_SCALE))})
    level = card.levels[0]
    assert Fraction(level.rates[0], level.per_nano) == Fraction(10**9, RATE_SCALE)


def test_common_factors_are_cancelled_so_that_usual_prices_are_small_whole_nano_usd() -> None:
    card = compile_card(
        {"input_tokens": UnitPrice(Fraction("2.5") / 10**6), "output_tokens": UnitPrice(Fraction(1, 10**5))}
    )
    assert card.levels[0].per_nano == 1
    assert sorted(card.levels[0].rates) == [2500, 10_000]


def test_a_part_needs_prices_for_its_wholes() -> None:
    assert list(gaps(["cache_read_tokens"])) == [
        "cache_read_tokens has a price, so input_tokens, which includes it, needs one too"
    ]


def test_overlapping_units_need_a_price_for_what_they_share() -> None:
    priced = ["input_tokens", "cache_read_tokens", "input_audio_tokens"]
    assert overlaps("cache_audio_read_tokens") == (("cache_read_tokens", "input_audio_tokens"),)
    assert any("cache_audio_read_tokens needs one too" in gap for gap in gaps(priced))
    assert not list(gaps([*priced, "cache_audio_read_tokens"]))
    with pytest.raises(ValueError, match="cache_audio_read_tokens"):
        compile_card(dict.fromkeys(priced, UnitPrice(Fraction(1))))


def test_tiers_with_different_starts_are_merged() -> None:
    card = compile_card(
        {
            "input_tokens": UnitPrice(Fraction(1), ((100, Fraction(2)), (300, Fraction(3)))),
            "output_tokens": UnitPrice(Fraction(5), ((200, Fraction(6)),)),
        }
    )
    usd = [
        {step.unit: Fraction(rate, level.per_nano * 10**9) for step, rate in zip(card.steps, level.rates, strict=True)}
        for level in card.levels
    ]
    assert card.starts == (100, 200, 300)
    assert [(int(level["input_tokens"]), int(level["output_tokens"])) for level in usd] == [
        (1, 5),
        (2, 5),
        (2, 6),
        (3, 6),
    ]
