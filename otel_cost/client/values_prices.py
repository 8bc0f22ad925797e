"""Prices, as ``otel_cost.client.values`` has costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    unit: str
    above_input_tokens: int
    usd: Decimal
    usd_per_1m: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """One model, at the standard service tier."""

    provider: str
    model: str
    rates: tuple[Rate, ...]
    paid: tuple[Rate, ...] | None
    context_window: int | None
    service_tiers: tuple[str, ...]
    start: datetime | None
    until: datetime | None
    aliases: tuple[str, ...]
    deprecated: bool
    price_id: str
    source: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    at: datetime
    currency: str
    catalog: str
    models: tuple[ModelPrice, ...]
    models_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePrice:
    rates: tuple[Rate, ...]
    paid: tuple[Rate, ...]
    pricing_model: str
    price_id: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPrice(OnePrice):
    start: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceShown(OnePrice):
    provider: str
    model: str
    at: datetime
    currency: str
    context_window: int | None
    service_tiers: Mapping[str, OnePrice]
    history: tuple[PastPrice, ...]
    catalog: str
