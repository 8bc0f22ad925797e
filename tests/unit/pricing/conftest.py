"""A small price list of its own, so that no test depends on what a provider charges this month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ClauseContains,
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from otel_cost.model import Charge, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.snapshot import Snapshot

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * 10**9


def ns(*when: int) -> int:
    """UTC nanoseconds of a date and time."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[arg-type, misc]


def usd(**rates: str) -> ModelPrice:
    return ModelPrice(**{key: Decimal(rate) for key, rate in rates.items()})


def model(
    name: str, prices: ModelPrice | list[ConditionalPrice], variants: list[PriceVariant] | None = None
) -> ModelInfo:
    match = ClauseOr(or_=[ClauseEquals(equals=name), ClauseStartsWith(starts_with=name + "-20")])
    return ModelInfo(id=name, match=match, prices=prices, price_variants=variants, context_window=1000)


def providers() -> list[Provider]:
    chat = usd(input_mtok="2.5", output_mtok="10", cache_read_mtok="1.25")
    flex = PriceVariant(
        when={"service_tier": "flex"}, prices=usd(input_mtok="1.25"), constraint=StartDateConstraint(date(2026, 2, 1))
    )
    batch = PriceVariant(when={"processing": "batch"}, prices=usd(input_mtok="1", output_mtok="5"))
    long = TieredPrices(base=Decimal(1), tiers=[Tier(start=200_000, price=Decimal(2))])
    dated = [
        ConditionalPrice(prices=usd(input_mtok="10")),
        ConditionalPrice(StartDateConstraint(date(2026, 3, 1)), prices=usd(input_mtok="4")),
    ]
    nightly = [
        ConditionalPrice(prices=usd(input_mtok="2")),
        ConditionalPrice(TimeOfDateConstraint(time(22), time(6)), prices=usd(input_mtok="1")),
    ]
    return [
        Provider(
            id="openai",
            name="OpenAI",
            api_pattern=r"https://api\.openai\.com",
            model_match=ClauseStartsWith(starts_with="gpt-"),
            provider_match=ClauseContains(contains="openai"),
            models=[
                model("gpt-chat", chat, [flex, batch]),
                model("gpt-mini", usd(input_mtok="0.0375", output_mtok="0.3")),
                model("gpt-long", ModelPrice(input_mtok=long, output_mtok=Decimal(8))),
                model("gpt-dated", dated),
                model("gpt-nightly", nightly),
                model("gpt-embed", usd(input_mtok="0.02")),
                model("gpt-audio", usd(input_mtok="1", cache_read_mtok="0.5", input_audio_mtok="8",
                                       cache_audio_read_mtok="4", output_mtok="2")),
                model("gpt-listen", usd(audio_hours="0.36", input_audio_hours="0.36")),
                model("gpt-empty", ModelPrice()),
                model("gpt-gift:free", ModelPrice()),
                model("gpt-search", usd(input_mtok="0", output_mtok="0", requests_kcount="5")),
            ],
        ),
        Provider(
            id="azure",
            name="Azure",
            api_pattern=r"https://[^.]+\.openai\.azure\.com",
            fallback_model_providers=["openai"],
        ),
        Provider(
            id="deepseek",
            name="DeepSeek",
            api_pattern=r"https://api\.deepseek\.com",
            models=[model("deepseek-chat", usd(input_mtok="0.3", output_mtok="1"))],
        ),
        Provider(
            id="groq",
            name="Groq",
            api_pattern=r"https://api\.groq\.com",
            models=[
                model("whisper-large-v3", usd(audio_hours="0.36", input_audio_hours="0.36")),
                model("llama", usd(input_mtok="1", output_mtok="1")),
            ],
        ),
        *(
            Provider(id=name, name=name, api_pattern=rf"https://{name}\.example", models=[model("m", chat)])
            for name in ("anthropic", "aws", "google", "mistral", "x-ai", "cohere", "perplexity", "moonshotai", "zai")
        ),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    units = {raw["price_key"]: (unit, raw["per"]) for unit, raw in unit_data.items()}
    return Snapshot(providers(), units, "test")


@pytest.fixture(scope="session")
def catalog(snapshot: Snapshot) -> Catalog:
    return Catalog(snapshot)


@pytest.fixture
def with_overlays(snapshot: Snapshot) -> Callable[..., Catalog]:
    """A catalog over the small price list with inline overlays, each a layer."""
    return lambda *documents: Catalog(snapshot, load_overlays(inline=documents))


Price = Callable[..., Charge]


@pytest.fixture
def price(catalog: Catalog) -> Price:
    """``price("gpt-chat", input_tokens=...)``: one call to openai at noon."""

    def priced(name: str, *, provider: str = "openai", at_ns: int = NOON, tier: str = "", **counts: int) -> Charge:
        return catalog.price(Usage.of(counts), PriceQuery(provider, name, at_ns, service_tier=tier))

    return priced
