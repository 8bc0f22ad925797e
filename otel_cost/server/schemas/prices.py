"""What models cost: their rates, since when, and from where."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from otel_cost.ledger.asking import iso
from otel_cost.pricing.listing import Listed, Rates, Shown, rates_of, usd_text
from otel_cost.pricing.rates import Price


class Rate(BaseModel):
    unit: str = Field(examples=["input_tokens"])
    above_input_tokens: int = Field(description="Holds for calls with more input than this", examples=[0])
    usd: str = Field(description="A unit, exact", examples=["0.0000025"])
    usd_per_1m: str = Field(description="A million units, exact", examples=["2.5"])


class PriceOf(BaseModel):
    """One model, at the standard service tier."""

    provider: str = Field(examples=["openai"])
    model: str = Field(examples=["gpt-4o"])
    rates: list[Rate] = Field(description="At list price")
    paid: list[Rate] | None = Field(description="After discounts, where they differ", examples=[None])
    context_window: int | None = Field(description="Tokens, where known", examples=[128_000])
    service_tiers: list[str] = Field(description="With prices of their own", examples=[["batch", "priority"]])
    from_: str | None = Field(alias="from", serialization_alias="from", examples=["2024-10-02T00:00:00Z"])
    until: str | None = Field(examples=[None])
    aliases: list[str] = Field(examples=[[]])
    deprecated: bool = Field(examples=[False])
    price_id: str = Field(examples=["openai:gpt-4o"])
    source: str = Field(description="genai-prices, supplement or overlay", examples=["genai-prices"])
    origin: str = Field(examples=["0.2.3"])

    @classmethod
    def of(cls, row: Listed) -> Self:
        return cls.model_validate(
            {
                "provider": row.provider,
                "model": row.model,
                "rates": rates(row.rates),
                "paid": None if row.paid is None else rates(row.paid),
                "context_window": row.context_window,
                "service_tiers": list(row.service_tiers),
                "from": _instant(row.from_ns),
                "until": _instant(row.until_ns),
                "aliases": list(row.aliases),
                "deprecated": row.deprecated,
                "price_id": row.price_id,
                "source": row.source,
                "origin": row.origin,
            }
        )


class PriceList(BaseModel):
    """``GET /api/v1/prices``."""

    at: str = Field(examples=["2026-09-21T14:13:20Z"])
    currency: str = Field(default="USD", examples=["USD"])
    catalog: str = Field(description="The price data's version", examples=["genai-prices 0.2.3"])
    models: list[PriceOf] = Field(description="By provider and model")
    models_left_out: int = Field(description="Models beyond the limit", examples=[0])


class OnePrice(BaseModel):
    rates: list[Rate] = Field(description="At list price")
    paid: list[Rate] = Field(description="After discounts")
    pricing_model: str = Field(examples=["on_demand"])
    price_id: str = Field(examples=["openai:gpt-4o"])
    source: str = Field(examples=["genai-prices"])

    @classmethod
    def of(cls, price: Price) -> Self:
        return cls.model_validate(price_fields(price))


class PastPrice(OnePrice):
    from_: str = Field(alias="from", serialization_alias="from", examples=["1970-01-01T00:00:00Z"])


class PriceShown(OnePrice):
    """``GET /api/v1/prices/{provider}/{model}``."""

    provider: str = Field(examples=["openai"])
    model: str = Field(examples=["gpt-4o"])
    at: str = Field(examples=["2026-09-21T14:13:20Z"])
    currency: str = Field(default="USD", examples=["USD"])
    context_window: int | None = Field(description="Tokens, where known", examples=[128_000])
    service_tiers: dict[str, OnePrice] = Field(description="With prices of their own")
    history: list[PastPrice] = Field(description="Each price, where it ever changed, with the time from which it holds")
    catalog: str = Field(examples=["genai-prices 0.2.3"])

    @classmethod
    def of_model(cls, found: Shown, price: Price, catalog: str) -> Self:
        history = [
            PastPrice.model_validate({"from": iso(at_ns), **price_fields(past)}) for at_ns, past in found.history
        ]
        return cls.model_validate(
            {
                **price_fields(price),
                "provider": found.query.provider,
                "model": found.query.model,
                "at": iso(found.query.at_ns),
                "context_window": price.context_window,
                "service_tiers": {tier: OnePrice.of(other) for tier, other in found.tiers.items()},
                "history": history,
                "catalog": catalog,
            }
        )


def price_fields(price: Price) -> dict[str, object]:
    """The fields of :class:`OnePrice`."""
    return {
        "rates": rates(rates_of(price.list_card or price.card)),
        "paid": rates(rates_of(price.card)),
        "pricing_model": price.pricing_model.value,
        "price_id": price.id,
        "source": price.source,
    }


def rates(found: Rates) -> list[Rate]:
    return [
        Rate(unit=unit, above_input_tokens=start, usd=usd_text(rate), usd_per_1m=usd_text(rate * 10**6))
        for start, table in found.items()
        for unit, rate in table.items()
    ]


def _instant(at_ns: int | None) -> str | None:
    return None if at_ns is None else iso(at_ns)
