"""Rules over prices: what is paid, and what the list says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import pytest

from otel_cost.errors import ConfigError
from otel_cost.model import Charge, PricingModel, Reason, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.calculator import share_out
from otel_cost.pricing.fees import accrued
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.snapshot import Snapshot

from .conftest import NOON, ns

USAGE = Usage.of({"input_tokens": 1_000_000, "output_tokens": 100_000})  # 2.50 + 1.00 USD of gpt-chat
LISTED = 3_500_000_000
With = Callable[..., Catalog]


def pay(catalog: Catalog, model: str = "gpt-chat", at_ns: int = NOON, provider: str = "openai", **more: str) -> Charge:
    return catalog.price(USAGE, PriceQuery(provider, model, at_ns, **more))


def amounts(charge: Charge) -> tuple[int, int]:
    assert charge.status is Status.PRICED, charge
    assert sum(charge.parts) == charge.amount_nano
    return charge.amount_nano, charge.list_nano


def rules(*items: dict[str, object]) -> dict[str, object]:
    return {"adjustments": list(items)}


def test_without_rules_list_and_effective_are_the_same(with_overlays: With) -> None:
    assert amounts(pay(with_overlays())) == (LISTED, LISTED)


def test_a_discount_and_a_markup_change_what_is_paid_and_not_the_list(with_overlays: With) -> None:
    catalog = with_overlays(rules({"provider": "openai", "discount": "20%"}, {"markup": "5%"}))
    charge = pay(catalog)
    assert amounts(charge) == (LISTED * 80 * 105 // 10_000, LISTED)
    assert charge.price_id == "openai/gpt-chat+discount:20%+markup:5%"


def test_an_uplift_is_part_of_the_list(with_overlays: With) -> None:
    catalog = with_overlays(rules({"uplift": "10%"}, {"discount": "50%"}))
    assert amounts(pay(catalog)) == (LISTED * 11 // 20, LISTED * 11 // 10)


def test_a_rule_can_be_for_some_units_only(with_overlays: With) -> None:
    catalog = with_overlays(rules({"uplift": "10%", "units": ["output_*"]}))
    assert amounts(pay(catalog)) == (2_500_000_000 + 1_100_000_000,) * 2


def test_of_each_kind_the_most_specific_rule_applies_once(with_overlays: With) -> None:
    first = rules({"discount": "1%"}, {"provider": "openai", "discount": "2%"}, {"model": "gpt-*", "discount": "3%"})
    assert amounts(pay(with_overlays(first)))[0] == LISTED * 97 // 100
    later = rules({"discount": "4%"})
    assert amounts(pay(with_overlays(first, later)))[0] == LISTED * 96 // 100


def test_rules_by_host_tier_and_date(with_overlays: With) -> None:
    catalog = with_overlays(
        rules(
            {"host": "eu.api.*", "uplift": "10%"},
            {"service_tier": "batch", "discount": "50%"},
            {"from": "2026-06-01", "until": "2026-07-01", "markup": "100%"},
        )
    )
    assert amounts(pay(catalog, at_ns=ns(2026, 5, 31, 23))) == (LISTED, LISTED)
    assert amounts(pay(catalog, at_ns=ns(2026, 6, 1))) == (2 * LISTED, LISTED)
    assert amounts(pay(catalog, at_ns=ns(2026, 7, 1))) == (LISTED, LISTED)
    uplifted = pay(catalog, at_ns=ns(2026, 5, 1), server_address="EU.api.openai.com:443")
    assert amounts(uplifted) == (LISTED * 11 // 10,) * 2
    batch = pay(catalog, at_ns=ns(2026, 5, 1), service_tier="batch")
    assert amounts(batch) == (750_000_000, 1_500_000_000)


def test_a_rule_is_for_who_is_paid_and_not_for_whose_sdk_is_used(with_overlays: With) -> None:
    """DeepSeek's API is called through openai's SDK: a contract with openai is none with DeepSeek."""
    catalog = with_overlays(rules({"provider": "openai", "discount": "50%"}))
    charge = pay(catalog, model="deepseek-chat", server_address="api.deepseek.com")
    assert amounts(charge) == (400_000_000, 400_000_000)


def test_a_price_may_be_given_under_the_spans_own_word(with_overlays: With) -> None:
    """It is what the log tells people to write, also where the host says who is paid."""
    catalog = with_overlays({"provider": "openai", "model": "deepseek-9", "per_1m": {"input": 1, "output": 1}})
    assert amounts(pay(catalog, model="deepseek-9", server_address="api.deepseek.com"))[0] == 1_100_000_000


def test_a_discount_of_everything_is_free_and_keeps_the_list(with_overlays: With) -> None:
    charge = pay(with_overlays(rules({"discount": "100%"})))
    assert amounts(charge) == (0, LISTED)
    assert (charge.pricing_model, charge.reason) == (PricingModel.FREE, Reason.FREE)


def test_a_rule_makes_no_price_where_there_is_none(with_overlays: With) -> None:
    assert pay(with_overlays(rules({"discount": "100%"})), model="gpt-nope").reason is Reason.UNKNOWN_MODEL


def test_a_rule_is_exact_where_it_does_not_come_out_even(with_overlays: With) -> None:
    """One token of gpt-chat is 2500 nano-USD in the list."""
    catalog = with_overlays(rules({"discount": "33.333333%"}))
    charge = catalog.price(Usage.of({"input_tokens": 1}), PriceQuery("openai", "gpt-chat", NOON))
    assert charge.amount_nano == round(2500 * (1 - Fraction("0.33333333")))


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "when", "inside"),
    [
        ({"weekdays": ["sat", "sun"]}, (2026, 6, 6), True),  # a Saturday
        ({"weekdays": ["sat", "sun"]}, (2026, 6, 8), False),
        ({"weekdays": ["sat", "sun"]}, (2026, 6, 7, 23, 59, 59), True),
        ({"hours": "22:00-06:00"}, (2026, 6, 8, 22), True),
        ({"hours": "22:00-06:00"}, (2026, 6, 8, 5, 59, 59), True),
        ({"hours": "22:00-06:00"}, (2026, 6, 8, 6), False),
        ({"hours": "09:00-17:00"}, (2026, 6, 8, 17), False),
        ({"hours": "18:00-24:00"}, (2026, 6, 8, 23, 59, 59), True),
        ({"weekdays": ["fri"], "hours": "22:00-06:00"}, (2026, 6, 6, 3), True),  # began on Friday
        ({"weekdays": ["fri"], "hours": "22:00-06:00"}, (2026, 6, 5, 3), False),  # began on Thursday
        ({"hours": "00:00-06:00", "timezone": "Europe/Berlin"}, (2026, 6, 7, 22), True),  # summer: UTC+2
        ({"hours": "00:00-06:00", "timezone": "Europe/Berlin"}, (2026, 1, 7, 22, 30), False),  # winter: UTC+1
        ({"hours": "00:00-06:00", "timezone": "Europe/Berlin"}, (2026, 1, 7, 23), True),
        ({"weekdays": ["Monday"], "timezone": "Asia/Kolkata"}, (2026, 6, 7, 18, 30), True),  # half an hour's zone
        ({"weekdays": ["Monday"], "timezone": "Asia/Kolkata"}, (2026, 6, 7, 18, 29), False),
    ],
)
def test_weekdays_and_hours(
    with_overlays: With, window: dict[str, object], when: tuple[int, ...], inside: bool
) -> None:
    catalog = with_overlays(rules({"discount": "50%", **window}))
    for _ in range(2):  # worked out, and remembered
        assert amounts(pay(catalog, at_ns=ns(2026, 6, 10, 12, 34)))[1] == LISTED
        assert amounts(pay(catalog, at_ns=ns(*when)))[0] == (LISTED // 2 if inside else LISTED)


def test_a_price_of_its_own_can_have_a_window(with_overlays: With) -> None:
    entry = {"provider": "openai", "model": "gpt-chat", "weekdays": ["sun"], "per_1m": {"input": 1, "output": 1}}
    catalog = with_overlays(entry)
    assert amounts(pay(catalog, at_ns=ns(2026, 6, 7, 12)))[0] == 1_100_000_000
    assert amounts(pay(catalog, at_ns=ns(2026, 6, 8, 12)))[0] == LISTED


# --- aliases ----------------------------------------------------------------------------------------------------------


def test_a_deployment_by_alias(with_overlays: With) -> None:
    """B19's Azure deployments: a name of one's own stands for a model."""
    catalog = with_overlays({"aliases": [{"provider": "azure_openai", "model": "prod-*", "is": "gpt-chat"}]})
    assert amounts(pay(catalog, model="prod-eu", provider="azure.ai.openai"))[0] == LISTED
    assert pay(catalog, model="prod-eu").reason is Reason.UNKNOWN_MODEL, "openai's own call is none of azure's"
    assert pay(catalog, model="test-eu", provider="azure").reason is Reason.UNKNOWN_MODEL


def test_an_alias_wins_over_what_the_name_seems_to_say(with_overlays: With) -> None:
    catalog = with_overlays({"aliases": [{"provider": "azure", "model": "gpt-mini", "is": "gpt-chat"}]})
    assert pay(catalog, model="gpt-mini", provider="azure").price_id == "openai/gpt-chat"
    assert pay(catalog, model="gpt-mini").price_id == "openai/gpt-mini"


def test_an_alias_may_point_to_another_provider(with_overlays: With) -> None:
    target = {"provider": "deepseek", "model": "deepseek-chat"}
    catalog = with_overlays({"aliases": [{"provider": "our-gateway", "model": "chat", "is": target}]})
    assert pay(catalog, model="chat", provider="our-gateway").price_id == "deepseek/deepseek-chat"


def test_an_alias_may_point_to_a_price_of_ones_own(with_overlays: With) -> None:
    entry = {"provider": "acme", "model": "big", "per_1m": {"input": 1, "output": 1}}
    alias = {"aliases": [{"model": "b", "is": {"provider": "acme", "model": "big"}}]}
    assert amounts(pay(with_overlays(entry, alias), model="b"))[0] == 1_100_000_000


def test_the_answered_model_is_believed_before_the_deployment(with_overlays: With) -> None:
    catalog = with_overlays({"aliases": [{"provider": "azure", "model": "prod", "is": "gpt-mini"}]})
    assert pay(catalog, model="gpt-chat", provider="azure", requested_model="prod").price_id == "openai/gpt-chat"
    assert pay(catalog, model="", provider="azure", requested_model="prod").price_id == "openai/gpt-mini"


# --- provisioned throughput -------------------------------------------------------------------------------------------

PROVISIONED = {
    "provisioned": [
        {
            "name": "chat-eu", "provider": "openai", "model": "ptu-*", "is": "gpt-chat", "usd_per_hour": 12.5,
            "units": 2, "from": "2026-06-01", "until": "2026-07-01",
        }
    ]
}  # fmt: skip


def test_provisioned_throughput_costs_nothing_more_and_keeps_its_list_price(with_overlays: With) -> None:
    charge = pay(with_overlays(PROVISIONED), model="ptu-1")
    assert amounts(charge) == (0, LISTED)
    assert charge.pricing_model is PricingModel.PROVISIONED
    assert "provisioned:chat-eu" in charge.price_id


def test_outside_its_period_it_is_on_demand(with_overlays: With) -> None:
    charge = pay(with_overlays(PROVISIONED), model="ptu-1", at_ns=ns(2026, 7, 1))
    assert (amounts(charge), charge.pricing_model) == ((LISTED, LISTED), PricingModel.ON_DEMAND)


def test_the_fixed_fee_accrues_within_its_period(with_overlays: With) -> None:
    (fee,) = with_overlays(PROVISIONED).overlays.sections.fees
    assert accrued(fee, ns(2026, 5, 1), ns(2026, 8, 1)) == 30 * 24 * 25 * 10**9
    assert accrued(fee, ns(2026, 6, 10), ns(2026, 6, 10, 1)) == 25 * 10**9
    assert accrued(fee, ns(2026, 8, 1), ns(2026, 9, 1)) == 0


def test_amounts_of_short_periods_sum_to_the_whole(with_overlays: With) -> None:
    odd = {"provisioned": [{**PROVISIONED["provisioned"][0], "usd_per_hour": "0.0000123457"}]}
    (fee,) = with_overlays(odd).overlays.sections.fees
    edges = [ns(2026, 6, 1) + step * 777_777_777 for step in range(200)]
    parts = [accrued(fee, start, end) for start, end in itertools.pairwise(edges)]
    assert sum(parts) == accrued(fee, edges[0], edges[-1]) > 0


def test_a_fee_is_shared_out_over_calls_without_a_rest() -> None:
    assert share_out(100, [1, 1, 1]) == [34, 33, 33]
    assert share_out(7, [0, 0]) == [7, 0]
    assert sum(share_out(10**12 + 1, [3, 5, 11, 0])) == 10**12 + 1


# --- deployment tiers -------------------------------------------------------------------------------------------------


def tiered(snapshot: Snapshot, tier: str, *documents: dict[str, object]) -> Catalog:
    return Catalog(snapshot, load_overlays(inline=documents), tier=tier)


def test_development_costs_nothing_and_production_everything(snapshot: Snapshot) -> None:
    """E1: development at $0, with the list price on record; production at real prices."""
    charge = pay(tiered(snapshot, "Development"))
    assert amounts(charge) == (0, LISTED)
    assert (charge.pricing_model, charge.reason) == (PricingModel.FREE, Reason.FREE)
    assert "tier:development" in charge.price_id
    assert charge.catalog.endswith("+tier:development")
    assert amounts(pay(tiered(snapshot, "production"))) == (LISTED, LISTED)


def test_tiers_of_ones_own(snapshot: Snapshot) -> None:
    """E1: ``tiers:`` in an overlay."""
    assert amounts(pay(tiered(snapshot, "staging", {"tiers": {"staging": 0.5}}))) == (LISTED // 2, LISTED)
    assert amounts(pay(tiered(snapshot, "development", {"tiers": {"development": 1}}))) == (LISTED, LISTED)
    with pytest.raises(ConfigError, match="tier: 'satging' is not known; allowed: development, production, staging"):
        tiered(snapshot, "satging", {"tiers": {"staging": 0.5}})


def test_a_tier_hides_no_unknown_model(snapshot: Snapshot) -> None:
    assert pay(tiered(snapshot, "development"), model="gpt-nope").status is Status.UNPRICED


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        ({"adjustments": 3}, ["adjustments", "expected a list"]),
        ({"adjustments": [3]}, ["adjustments[0]", "a mapping of provider"]),
        ({"adjustments": [{"discuont": "1%"}]}, ["adjustments[0]", "'discuont'", "discount"]),
        ({"adjustments": [{}]}, ["exactly one of uplift, discount, markup, found none"]),
        ({"adjustments": [{"discount": "1%", "markup": "1%"}]}, ["found discount, markup"]),
        ({"adjustments": [{"discount": 15}]}, ["discount: expected a percentage from 0% to 100%, not 15"]),
        ({"adjustments": [{"discount": "101%"}]}, ["discount: expected a percentage from 0% to 100%"]),
        ({"adjustments": [{"uplift": "-1%"}]}, ["uplift: expected a percentage"]),
        ({"adjustments": [{"markup": "1%", "units": ["inputs"]}]}, ["units", "'inputs'", "input_tokens"]),
        ({"adjustments": [{"markup": "1%", "model": []}]}, ["model: the list is empty"]),
        ({"adjustments": [{"markup": "1%", "weekdays": ["caturday"]}]}, ["weekdays: 'caturday' is no day", "mon"]),
        ({"adjustments": [{"markup": "1%", "hours": "9-5"}]}, ["hours: expected for instance"]),
        ({"adjustments": [{"markup": "1%", "hours": "09:00-09:00"}]}, ["hours: starts before"]),
        ({"adjustments": [{"markup": "1%", "timezone": "UTC"}]}, ["timezone: says nothing without"]),
        ({"adjustments": [{"markup": "1%", "hours": "1:00-2:00", "timezone": "Mars"}]}, ["timezone: 'Mars'"]),
        ({"adjustments": [{"markup": "1%", "from": "2026-02-01", "until": "2026-01-01"}]}, ["until: must be after"]),
        ({"aliases": [{"provider": "azure", "is": "gpt-4o"}]}, ["aliases[0]", "model: missing"]),
        ({"aliases": [{"model": "a"}]}, ["aliases[0]", "is: expected a text"]),
        ({"aliases": [{"model": "a", "is": {"modle": "b"}}]}, ["aliases[0].is", "'modle'"]),
        ({"provisioned": [{"name": "n", "provider": "p", "model": "m"}]}, ["usd_per_hour: expected USD"]),
        ({"provisioned": [{"provider": "p", "model": "m", "usd_per_hour": 1}]}, ["name: expected a text"]),
        ({"tiers": {"a": -1}}, ["tiers: a: expected a number from 0 to 100"]),
        ({"tiers": []}, ["tiers: expected a mapping"]),
        ({"tiers": {}, "tires": {}}, ["unknown key 'tires'", "tiers"]),
    ],
)
def test_errors_name_the_entry_the_key_and_what_is_allowed(document: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_overlays(inline=[document])
    for part in ("inline prices, number 1", *parts):
        assert part in str(caught.value)


# --- rules that people write --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_a_rule_for_a_service_tier_is_more_exact_than_one_for_all(with_overlays: With, order: int) -> None:
    """Wherever it stands in the file."""
    items = [
        {"provider": "openai", "discount": "50%", "service_tier": "batch"},
        {"provider": "openai", "discount": "10%"},
    ]
    catalog = with_overlays(rules(*items[::order]))
    assert amounts(pay(catalog, service_tier="batch")) == (750_000_000, 1_500_000_000)
    assert amounts(pay(catalog)) == (LISTED * 9 // 10, LISTED)


@pytest.mark.parametrize("word", ["standard", "Default", "on_demand"])
def test_a_rule_for_the_standard_tier_goes_by_any_of_its_names(with_overlays: With, word: str) -> None:
    catalog = with_overlays(rules({"provider": "openai", "discount": "10%", "service_tier": word}))
    assert amounts(pay(catalog, service_tier="default")) == amounts(pay(catalog)) == (LISTED * 9 // 10, LISTED)
    assert amounts(pay(catalog, service_tier="batch")) == (1_500_000_000, 1_500_000_000)


@pytest.mark.parametrize("host", ["API.OpenAI.com", "https://api.openai.com/v1", "api.openai.com:443", "*.openai.com"])
def test_a_host_may_be_written_as_an_address(with_overlays: With, host: str) -> None:
    catalog = with_overlays(rules({"provider": "openai", "host": host, "uplift": "10%"}))
    assert amounts(pay(catalog, server_address="api.openai.com"))[0] == LISTED * 11 // 10


def test_a_host_that_says_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"adjustments\[0\]: host: .*'localhost:80'"):
        load_overlays(inline=[rules({"host": "localhost:80", "discount": "1%"})])


def test_units_of_a_rule_go_by_their_short_names_too(with_overlays: With) -> None:
    catalog = with_overlays(rules({"provider": "openai", "discount": "10%", "units": ["input"]}))
    assert amounts(pay(catalog)) == (LISTED - 250_000_000, LISTED)


# --- aliases and provisioned throughput ---------------------------------------------------------------------------


def test_an_alias_to_a_provider_that_nobody_knows_is_no_price(with_overlays: With) -> None:
    """Not that of the provider that was called: the name may be misspelt."""
    alias = {"provider": "openai", "model": "gw", "is": {"provider": "deepseak", "model": "gpt-chat"}}
    charge = pay(with_overlays({"aliases": [alias]}), "gw")
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.UNKNOWN_PROVIDER)
    assert charge.detail == "provider openai, model gw (alias of deepseak/gpt-chat)"


def test_an_alias_to_a_model_that_nobody_knows_says_what_it_stands_for(with_overlays: With) -> None:
    charge = pay(with_overlays({"aliases": [{"provider": "openai", "model": "gw", "is": "gpt-chatt"}]}), "gw")
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.UNKNOWN_MODEL)
    assert charge.detail == "openai/gw (alias of gpt-chatt)"


def test_an_alias_is_one_step(with_overlays: With) -> None:
    """Deployments may have the names of other models: what ``is`` says is the model itself, and no circle goes on."""
    names = [
        {"provider": "openai", "model": a, "is": b} for a, b in (("gpt-chat", "gpt-mini"), ("gpt-mini", "gpt-chat"))
    ]
    catalog = with_overlays({"aliases": [*names, {"provider": "openai", "model": "self", "is": "self"}]})
    assert pay(catalog, "gpt-chat").price_id == "openai/gpt-mini"
    assert pay(catalog, "gpt-mini").price_id == "openai/gpt-chat"
    assert pay(catalog, "self").reason is Reason.UNKNOWN_MODEL


FEE = {"name": "p", "provider": "openai", "model": "gpt-chat", "usd_per_hour": 2}


@pytest.mark.parametrize(
    ("second", "text"),
    [
        ({}, r"provisioned\[1\]: name: .*provisioned\[0\]"),
        ({"from": "2026-01-01"}, r"provisioned\[1\]: name: .*provisioned\[0\]"),
        ({"name": "q", "model": []}, r"provisioned\[1\]: model: "),
        ({"name": "q", "model": None}, r"provisioned\[1\]: model: "),
    ],
)
def test_provisioned_throughput_that_would_be_paid_twice_or_never_matches_is_refused(
    second: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        load_overlays(inline=[{"provisioned": [FEE, {**FEE, **second}]}])


def test_provisioned_throughput_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"provisioned\[0\]: model: missing"):
        load_overlays(inline=[{"provisioned": [{k: v for k, v in FEE.items() if k != "model"}]}])


def test_a_fee_may_change_and_a_later_file_replaces_it() -> None:
    parts = [{**FEE, "until": "2026-06-01"}, {**FEE, "from": "2026-06-01", "usd_per_hour": 3}]
    assert len(load_overlays(inline=[{"provisioned": parts}]).sections.fees) == 2
    (fee,) = load_overlays(inline=[{"provisioned": parts}, {"provisioned": [{**FEE, "usd_per_hour": 1}]}]).sections.fees
    assert fee.usd_per_hour == 1


def test_a_later_file_that_moves_provisioned_throughput_leaves_nothing_at_no_cost(with_overlays: With) -> None:
    catalog = with_overlays({"provisioned": [FEE]}, {"provisioned": [{**FEE, "model": "gpt-mini"}]})
    assert pay(catalog, "gpt-mini").amount_nano == 0
    assert pay(catalog).amount_nano == LISTED
