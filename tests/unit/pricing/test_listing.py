"""What a catalog shows of itself, and what the doctor remarks."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from otel_cost.errors import ConfigError
from otel_cost.model import Reason
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.doctor import Examination, Finding, examine
from otel_cost.pricing.listing import listed, rates_of, shown, usd_text
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.rates import Price
from otel_cost.pricing.snapshot import Snapshot

from .conftest import NOON, ns

With = Callable[..., Catalog]
MILLIONTH = Fraction(1, 10**6)


def test_every_model_with_a_price_is_listed_once(with_overlays: With) -> None:
    """A6."""
    own = {"provider": "openai", "model": "gpt-chat", "from": "2026-01-01", "per_1m": {"input": 1}, "context_window": 9}
    rows = {(row.provider, row.model): row for row in listed(with_overlays(own), NOON)}
    assert rows["openai", "gpt-chat"].rates == {0: {"input_tokens": MILLIONTH}}
    assert (rows["openai", "gpt-chat"].source, rows["openai", "gpt-chat"].context_window) == ("overlay", 9)
    assert rows["openai", "gpt-chat"].from_ns == ns(2026, 1, 1)
    assert rows["openai", "gpt-mini"].source == "genai-prices"
    assert rows["openai", "gpt-mini"].context_window == 1000, "B16"
    assert ("openai", "gpt-empty") not in rows, "no price is no price of 0"
    assert rows["openai", "gpt-long"].rates[200_000] == {"input_tokens": 2 * MILLIONTH}


def test_a_listed_price_is_that_of_its_time(with_overlays: With) -> None:
    def rate(at_ns: int) -> Fraction:
        rows = {row.model: row for row in listed(with_overlays(), at_ns)}
        return rows["gpt-dated"].rates[0]["input_tokens"] / MILLIONTH

    assert (rate(ns(2026, 2, 1)), rate(ns(2026, 3, 1))) == (10, 4)


def test_listed_rates_are_of_the_list_and_what_is_paid_stands_beside(with_overlays: With) -> None:
    catalog = with_overlays({"adjustments": [{"provider": "openai", "discount": "50%"}]})
    rows = {(row.provider, row.model): row for row in listed(catalog, NOON)}
    row = rows["openai", "gpt-embed"]
    assert row.rates[0]["input_tokens"] == Fraction(2, 10**8)
    assert row.paid is not None
    assert row.paid[0]["input_tokens"] == Fraction(1, 10**8)
    assert rows["deepseek", "deepseek-chat"].paid is None


def test_service_tiers_are_listed(with_overlays: With) -> None:
    own = {"provider": "openai", "model": "gpt-mini", "service_tier": "flex", "per_1m": {"input": 1}}
    catalog = with_overlays(own)
    assert {row.model: row.service_tiers for row in listed(catalog, NOON)}["gpt-chat"] == ("batch", "flex")
    found = shown(catalog, PriceQuery("openai", "gpt-mini", NOON))
    assert {tier: price.source for tier, price in found.tiers.items()} == {"flex": "overlay"}


def test_one_model_shows_its_past(with_overlays: With) -> None:
    found = shown(with_overlays(), PriceQuery("openai", "gpt-dated", NOON))
    assert [(at, rates_of(price.card)[0]["input_tokens"] / MILLIONTH) for at, price in found.history] == [
        (0, 10),
        (ns(2026, 3, 1), 4),
    ]


def test_one_model_without_a_price_says_why(with_overlays: With) -> None:
    found = shown(with_overlays(), PriceQuery("openai", "nope", NOON))
    assert found.price is None
    assert found.unpriced is not None
    assert found.unpriced.reason is Reason.UNKNOWN_MODEL


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(5, 2), "2.5"),
        (Fraction(1, 10**24), "0.000000000000000000000001"),
        (Fraction(10**9), "1000000000"),
        (Fraction(1, 3), "0.333333333333333333333333"),
    ],
)
def test_amounts_show_all_their_digits(usd: Fraction, text: str) -> None:
    assert usd_text(usd) == text


# --- doctor -----------------------------------------------------------------------------------------------------------


def entry(provider: str, **costs: object) -> dict[str, object]:
    return {"litellm_provider": provider, **costs}


def against(tmp_path: Path, catalog: Catalog, theirs: object) -> Examination:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(theirs), encoding="utf-8")
    return examine(catalog, NOON, path)


def test_the_second_opinion_is_compared_rate_by_rate(tmp_path: Path, with_overlays: With) -> None:
    """The doctor: missing and disputed against LiteLLM's file."""
    catalog = with_overlays({"adjustments": [{"discount": "50%"}]})  # what is paid is nobody's dispute
    found = against(
        tmp_path,
        catalog,
        {
            "gpt-chat": entry("openai", input_cost_per_token=2.5e-6, output_cost_per_token=9e-6),
            "gpt-mini": entry("openai", input_cost_per_token=0.0375e-6, output_cost_per_token=0.3e-6),
            "gpt-long": entry("openai", input_cost_per_token=1e-6, input_cost_per_token_above_200k_tokens=3e-6),
            "gpt-embed": entry("openai", input_cost_per_token=0.02000001e-6, output_cost_per_token=1e-6),
            "gpt-brand-new": entry("openai", input_cost_per_token=1e-6),
            "gpt-dated": entry("openai", input_cost_per_token=4e-6, input_cost_per_token_batches=2e-6),
            "m": entry("strange-ai", input_cost_per_token=1e-6),
        },
    )
    assert (found.compared, found.agreed, found.foreign) == (7, 2, 1)
    assert {(r.finding, r.model, r.service_tier, r.unit, r.above) for r in found.remarks} == {
        (Finding.DISPUTED, "gpt-chat", "", "output_tokens", 0),
        (Finding.DISPUTED, "gpt-long", "", "input_tokens", 200_000),
        (Finding.MISSING, "gpt-embed", "", "output_tokens", 0),
        (Finding.MISSING, "gpt-brand-new", "", "", 0),
        (Finding.MISSING, "gpt-dated", "batch", "", 0),
    }
    disputed = next(r for r in found.remarks if r.model == "gpt-chat")
    assert (disputed.ours, disputed.theirs) == (Fraction(1, 10**5), Fraction(9, 10**6))
    assert disputed.text == "output_tokens: ours 10/1M, theirs 9/1M"


def test_a_rate_that_the_other_list_does_not_state_is_no_dispute(tmp_path: Path, with_overlays: With) -> None:
    batch = {"input": 1, "output": 5, "cache_read": 0.5}
    catalog = with_overlays({"provider": "openai", "model": "gpt-chat", "service_tier": "batch", "per_1m": batch})
    standard = {"input_cost_per_token": 2.5e-6, "output_cost_per_token": 1e-5, "cache_read_input_token_cost": 1.25e-6}
    tier = {"input_cost_per_token_batches": 1e-6, "output_cost_per_token_batches": 5e-6}
    found = against(tmp_path, catalog, {"gpt-chat": entry("openai", **standard, **tier)})
    assert (found.compared, found.remarks) == (2, ())


def test_stale_entries_of_ones_own(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "- {provider: openai, model: gpt-mini, until: 2026-02-01, per_1m: {input: 1}}\n"
        "- {provider: openai, model: gpt-long, until: 2026-02-01, per_1m: {input: 1}}\n"
        "- {provider: openai, model: gpt-long, from: 2026-02-01, per_1m: {input: 2}}\n"
        "- {provider: openai, model: gpt-embed, per_1m: {input: 0.02}}\n"
        "- {provider: acme, model: old, per_1m: {input: 1}, checked: 2025-01-01, source: acme's page}\n"
        "- {provider: acme, model: new, per_1m: {input: 1}, checked: 2026-05-01}\n",
        encoding="utf-8",
    )
    found = examine(Catalog(snapshot, load_overlays([path])), NOON)
    texts = {remark.model: remark.text for remark in found.of(Finding.STALE)}
    assert set(texts) == {"gpt-mini", "gpt-embed", "old"}
    assert texts["gpt-mini"] == f"{path}: prices[0] (openai/gpt-mini): ended on 2026-02-01, and nothing follows"
    assert "the price data says the same by now" in texts["gpt-embed"]
    assert "last checked on 2025-01-01; look again: acme's page" in texts["old"]


def test_a_second_opinion_without_prices_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(ConfigError, match="has no prices to compare with"):
        against(tmp_path, catalog, {"prices": []})


def test_rates_come_back_as_they_were_written(with_overlays: With) -> None:
    own = {"provider": "p", "model": "m", "per_1m": {"input": "0.1", "output": 3}, "per_1k": {"web_searches": 10}}
    price = with_overlays(own).resolve(PriceQuery("p", "m", NOON))
    assert isinstance(price, Price)
    assert rates_of(price.card) == {
        0: {"input_tokens": Fraction(1, 10**7), "output_tokens": 3 * MILLIONTH, "web_searches": Fraction(1, 100)}
    }


@pytest.mark.parametrize("model", ["m+x", "m"])
def test_what_is_shown_names_the_entry_that_the_price_is_from(with_overlays: With, model: str) -> None:
    """Also where a name, a window or a tier has a plus in it."""
    entry = {"provider": "p", "model": model, "per_1m": {"input": 1}}
    window = {"hours": "11:00-13:00", "timezone": "Etc/GMT+1", "source": "at noon"}
    catalog = with_overlays(
        {
            "prices": [{**entry, "source": "plain"}, {**entry, "service_tier": "batch", "source": "batch"},
                       {**entry, **window, "source": "at noon"}],
            "adjustments": [{"discount": "5%"}],
        }
    )  # fmt: skip
    origins = {}
    for tier, at_ns in (("", NOON), ("batch", NOON), ("", NOON + 3 * 3600 * 10**9)):
        entry_of = shown(catalog, PriceQuery("p", model, at_ns, tier)).entry
        origins[tier, at_ns] = entry_of.origin if entry_of is not None else None
    assert list(origins.values()) == ["at noon", "batch", "plain"]


def test_an_own_price_takes_the_place_of_the_listed_one_under_any_name_of_the_provider(with_overlays: With) -> None:
    for name in ("x-ai", "xai", "grok"):
        rows = [row for row in listed(with_overlays({"provider": name, "model": "m", "per_1m": {"input": 1}}), NOON)
                if row.provider in ("x-ai", "x_ai")]  # fmt: skip
        assert [(row.model, row.source) for row in rows] == [("m", "overlay")]
