"""Rules over prices are exact: nothing is rounded before the charge is."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_cost.model import NANO, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.calculator import round_half_even, share_out, unrounded_usd
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.rates import Price
from otel_cost.pricing.snapshot import Snapshot

AT = 1_780_000_000 * 10**9
MODELS = [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-pro")]

percents = st.decimals(min_value=0, max_value=100, places=6, allow_nan=False)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot.load()


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(st.integers(0, 10**7))
    cached = draw(st.integers(0, total))
    return Usage.of({"input_tokens": total, "cache_read_tokens": cached, "output_tokens": draw(st.integers(0, 10**6))})


@settings(max_examples=150, deadline=None)
@given(
    where=st.sampled_from(MODELS), usage=usages(), uplift=percents, discount=percents, markup=percents,
    share=st.decimals(min_value=0, max_value=2, places=3),
)  # fmt: skip
def test_what_is_paid_is_the_exact_product(
    snapshot: Snapshot,
    where: tuple[str, str],
    usage: Usage,
    uplift: Decimal,
    discount: Decimal,
    markup: Decimal,
    share: Decimal,
) -> None:
    rules = [{"uplift": f"{uplift}%"}, {"discount": f"{discount}%"}, {"markup": f"{markup}%"}]
    document = {"adjustments": rules, "tiers": {"here": str(share)}}
    query = PriceQuery(*where, AT)
    plain = Catalog(snapshot).resolve(query)
    ruled = Catalog(snapshot, load_overlays(inline=[document]), tier="here")
    price, charge = ruled.resolve(query), ruled.price(usage, query)
    assert isinstance(plain, Price)
    assert isinstance(price, Price)
    listed = unrounded_usd(plain, usage) * (1 + Fraction(str(uplift)) / 100)
    paid = listed * (1 - Fraction(str(discount)) / 100) * (1 + Fraction(str(markup)) / 100) * Fraction(str(share))
    assert unrounded_usd(price, usage) == paid
    assert charge.status is Status.PRICED
    for amount, exact in ((charge.amount_nano, paid * NANO), (charge.list_nano, listed * NANO)):
        assert amount == round_half_even(exact.numerator, exact.denominator)
    assert sum(charge.parts) == charge.amount_nano
    assert min(charge.parts) >= 0


@given(total=st.integers(0, 10**15), weights=st.lists(st.integers(0, 10**15), min_size=1, max_size=50))
def test_what_is_shared_out_sums_to_the_whole(total: int, weights: list[int]) -> None:
    shares = share_out(total, weights)
    assert sum(shares) == total
    assert min(shares) >= 0
    if whole := sum(weights):
        exact = [Fraction(total * weight, whole) for weight in weights]
        assert all(abs(share - wanted) < 1 for share, wanted in zip(shares, exact, strict=True))
