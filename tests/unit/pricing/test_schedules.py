"""Prices that depend on what was used before: pure, marginal, and the same however usage is cut into calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from otel_cost.errors import ConfigError
from otel_cost.model import Charge, PricingModel, Reason, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.fees import committed
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.schedules import Schedule, SoFar

from .conftest import NOON, ns

With = Callable[..., Catalog]
QUERY = PriceQuery("openai", "gpt-chat", NOON)
USAGE = Usage.of({"input_tokens": 1_000_000, "output_tokens": 100_000})  # 2.50 + 1.00 USD
USD = 10**9


def under(**rules: object) -> dict[str, object]:
    return {"schedules": [{"name": "s", "provider": "openai", **rules}]}


def pay(catalog: Catalog, so_far: SoFar | None, usage: Usage = USAGE) -> Charge:
    charge = catalog.price(usage, QUERY, so_far)
    assert charge.status is Status.PRICED, charge
    assert sum(charge.parts) == charge.amount_nano
    return charge


def test_without_what_was_used_before_no_schedule_applies(with_overlays: With) -> None:
    catalog = with_overlays(under(free={"input": 10**9}))
    assert pay(catalog, None) == with_overlays(under(free={"input": 10**9})).price(USAGE, QUERY)
    assert pay(catalog, None).amount_nano == 3_500_000_000


def test_a_free_allowance_is_used_up(with_overlays: With) -> None:
    catalog = with_overlays(under(free={"input": 1_500_000}))
    first = pay(catalog, SoFar())
    assert (first.amount_nano, first.list_nano) == (1 * USD, 3_500_000_000)
    second = pay(catalog, SoFar({"input_tokens": 1_000_000, "output_tokens": 100_000}, 1 * USD))
    assert second.amount_nano == 1 * USD + 1_250_000_000
    third = pay(catalog, SoFar({"input_tokens": 2_000_000, "output_tokens": 200_000}, 3 * USD))
    assert third.amount_nano == 3_500_000_000
    assert first.price_id == "openai/gpt-chat+schedule:s"


def test_within_the_allowance_a_call_is_free(with_overlays: With) -> None:
    catalog = with_overlays(under(free={"input": 10**7, "output": 10**7}))
    charge = pay(catalog, SoFar())
    assert (charge.amount_nano, charge.list_nano) == (0, 3_500_000_000)
    assert (charge.reason, charge.pricing_model) == (Reason.FREE, PricingModel.FREE)


def test_cached_tokens_have_an_allowance_of_their_own(with_overlays: With) -> None:
    """They are charged at their own rate, so that one for input does not reach them."""
    usage = Usage.of({"input_tokens": 1_000_000, "cache_read_tokens": 400_000})
    assert pay(with_overlays(under(free={"input": 10**9})), SoFar(), usage).amount_nano == 500_000_000
    assert pay(with_overlays(under(free={"cache_read": 10**9})), SoFar(), usage).amount_nano == 1_500_000_000


def test_volume_discounts_are_marginal(with_overlays: With) -> None:
    catalog = with_overlays(under(volume=[{"above_usd": 5, "discount": "10%"}, {"above_usd": 6, "discount": "50%"}]))
    assert pay(catalog, SoFar()).amount_nano == 3_500_000_000
    third = pay(catalog, SoFar(list_nano=4 * USD))  # 1 USD in full, 1 at 10 % off, 1.50 at half
    assert (third.amount_nano, third.list_nano) == (USD + 900_000_000 + 750_000_000, 3_500_000_000)
    assert pay(catalog, SoFar(list_nano=100 * USD)).amount_nano == 1_750_000_000


def test_a_commitment_covers_calls_until_it_is_used_up(with_overlays: With) -> None:
    """8 USD at 20 % off are 10 USD of list prices."""
    catalog = with_overlays(under(commitment={"usd": 8, "discount": "20%", "beyond": "10%"}))
    covered = pay(catalog, SoFar(list_nano=6 * USD))
    assert (covered.amount_nano, covered.list_nano) == (0, 3_500_000_000)
    assert covered.pricing_model is PricingModel.SUBSCRIPTION
    assert pay(catalog, SoFar(list_nano=9 * USD)).amount_nano == 2_500_000_000 * 9 // 10
    assert pay(catalog, SoFar(list_nano=90 * USD)).amount_nano == 3_500_000_000 * 9 // 10


def test_a_discount_comes_on_top(with_overlays: With) -> None:
    catalog = with_overlays(under(volume=[{"above_usd": 0, "discount": "50%"}]), {"adjustments": [{"discount": "10%"}]})
    charge = pay(catalog, SoFar())
    assert (charge.amount_nano, charge.list_nano) == (3_500_000_000 * 45 // 100, 3_500_000_000)


@pytest.mark.parametrize("cuts", [1, 3, 7, 50])
def test_the_sum_does_not_depend_on_how_usage_is_cut_into_calls(with_overlays: With, cuts: int) -> None:
    catalog = with_overlays(
        under(free={"input": 333_333}, volume=[{"above_usd": 1, "discount": "7%"}, {"above_usd": 2, "discount": "31%"}])
    )
    whole = pay(catalog, SoFar()).amount_nano
    done = {"input_tokens": 0, "output_tokens": 0}
    listed, paid = 0, 0
    for cut in range(cuts):
        counts = {unit: count * (cut + 1) // cuts - done[unit] for unit, count in USAGE.counts.items()}
        charge = catalog.price(Usage.of(counts), QUERY, SoFar(dict(done), listed))
        paid += charge.amount_nano
        free = max(0, min(done["input_tokens"] + counts["input_tokens"], 333_333) - done["input_tokens"])
        listed += charge.list_nano - free * 2500
        done = {unit: done[unit] + counts[unit] for unit in done}
    assert abs(paid - whole) <= cuts, "half a nano-USD of rounding for each call"


def test_the_most_specific_schedule_applies_in_its_time(with_overlays: With) -> None:
    rules = {
        "schedules": [
            {"name": "all"},
            {"name": "chat", "provider": "openai", "model": "gpt-c*", "from": "2026-06-01", "until": "2026-07-01"},
        ]
    }
    catalog = with_overlays(rules)

    def name(at_ns: int, model: str = "gpt-chat") -> str:
        found = catalog.schedule(PriceQuery("openai", model, at_ns))
        assert found is not None
        return found.name

    assert (name(NOON), name(ns(2026, 7, 1)), name(NOON, "gpt-mini")) == ("chat", "all", "all")
    assert with_overlays().schedule(QUERY) is None


def schedule(**rules: object) -> Schedule:
    (found,) = load_overlays(inline=[under(**rules)]).sections.schedules
    return found


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", (2026, 2, 28), (2026, 3, 1)),
        ("month", (2026, 2, 1), (2026, 3, 1)),
        ("year", (2026, 1, 1), (2027, 1, 1)),
    ],
)
def test_periods_follow_the_calendar(period: str, start: tuple[int, ...], end: tuple[int, ...]) -> None:
    found = schedule(period=period)
    for moment in (ns(2026, 2, 28), ns(2026, 2, 28, 23, 59, 59)):
        assert found.period_around(moment) == (ns(*start), ns(*end))


def test_a_commitment_is_spread_over_its_period() -> None:
    found = schedule(commitment={"usd": 2800}, until="2026-03-01")
    assert committed(found, ns(2026, 2, 1), ns(2026, 2, 2)) == 100 * USD
    assert committed(found, ns(2026, 1, 1), ns(2026, 5, 1)) == 2 * 2800 * USD
    thirds = [ns(2026, 2, 1) + part * 7_777_777_777_777 for part in range(100)]
    parts = [committed(found, start, end) for start, end in itertools.pairwise(thirds)]
    assert sum(parts) == committed(found, thirds[0], thirds[-1])
    assert committed(schedule(free={"input": 1}), ns(2026, 1, 1), ns(2027, 1, 1)) == 0


def test_what_was_used_before_may_make_no_sense(with_overlays: With) -> None:
    catalog = with_overlays(under(free={"input": 1}))
    charge = catalog.price(USAGE, QUERY, SoFar({"cache_read_tokens": 5}))
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.INVALID_USAGE)
    assert "used before" in charge.detail


def test_a_model_without_a_price_stays_without_one(with_overlays: With) -> None:
    catalog = with_overlays(under(free={"input": 10**9}))
    charge = catalog.price(USAGE, PriceQuery("openai", "nope", NOON), SoFar())
    assert charge.reason is Reason.UNKNOWN_MODEL


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        ({"schedules": {}}, ["schedules: expected a list"]),
        (under(period="week"), ["schedules[0]", "period: 'week' is none; allowed: day, month, year, total"]),
        (under(free={"inptu": 1}), ["free: unknown unit 'inptu'"]),
        (under(free={"input": -1}), ["schedules[0].free: input: expected a whole number above 0"]),
        (under(volume=[{"above_usd": 5, "discuont": "1%"}]), ["schedules[0].volume[0]", "'discuont'"]),
        (under(volume=[{"above_usd": 5, "discount": 3}]), ["discount: expected a percentage"]),
        (under(volume=[{"above_usd": 5, "discount": "1%"}] * 2), ["volume[1]", "another one begins there too"]),
        (under(volume=[], commitment={"usd": 1}), ["volume and commitment: give one of them"]),
        (under(commitment={"usd": 0}), ["commitment: usd: must be above 0"]),
        (under(commitment={"usd": 1, "discount": "100%"}), ["discount: expected a percentage from 0% to 99%"]),
        ({"schedules": [{"name": "a"}, {"name": "b"}]}, ["schedules[1]: conflicts with", "schedules[0]"]),
        ({"schedules": [{"provider": "openai"}]}, ["name: expected a text"]),
    ],
)
def test_errors_name_the_entry_the_key_and_what_is_allowed(document: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_overlays(inline=[document])
    for part in ("inline prices, number 1", *parts):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"volume": {"above_usd": 1, "discount": "5%"}}, "volume: expected a list"),
        ({"free": {"input": None}}, r"free: input: expected a whole number"),
        ({"free": {"input": 1, "input_tokens": 2}}, r"free: input_tokens: has an allowance already"),
        (
            {"volume": [{"above_usd": 0, "discount": "1%"}, {"above_usd": 0, "discount": "2%"}]},
            r"volume\[1\]: above_usd: another one begins there too",
        ),
    ],
)
def test_a_schedule_that_would_silently_do_nothing_is_refused(rules: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=rf"schedules\[0\].*{text}"):
        load_overlays(inline=[under(**rules)])


def test_free_requests_need_a_count_of_those_before(with_overlays: With) -> None:
    """Calls do not report that they are one request: without that count the allowance may be used up."""
    price = {
        "provider": "openai",
        "model": "gpt-chat",
        "per_1m": {"input": 0, "output": 0},
        "per_unit": {"requests": 1},
    }
    catalog = with_overlays({"prices": [price], **under(free={"requests": 2})})
    assert pay(catalog, SoFar()).amount_nano == 0
    assert pay(catalog, SoFar({"input_tokens": 10, "requests": 1})).amount_nano == 0
    assert pay(catalog, SoFar({"input_tokens": 10, "requests": 2})).amount_nano == USD
    assert pay(catalog, SoFar({"input_tokens": 10})).amount_nano == USD
