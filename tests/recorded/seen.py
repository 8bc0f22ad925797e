"""What otel-cost made of one call, in the terms that it is compared in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from otel_cost.model import NANO, Usage
from otel_cost.pricing import PriceQuery
from tests.recorded.answers import Answer
from tests.recorded.bill import UNDATED
from tests.recorded.exchanges import Exchange
from tests.support.world import PRICES


@dataclass(frozen=True)
class Seen:
    """``nano_usd`` is None unless the status carries an amount."""

    counts: Mapping[str, int]
    status: str
    reason: str = ""
    detail: str = ""
    nano_usd: int | None = None


_CONVENTIONAL: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
}
"""Recorded provider to its name in OpenTelemetry's conventions, where the two differ."""


def priced_without_span(exchange: Exchange, answer: Answer) -> Seen:
    """The provider's own counts, priced as a span would be that says what the conventions ask for."""
    catalog = PRICES.catalog(60)
    assert catalog is not None
    query = PriceQuery(
        provider=_CONVENTIONAL.get(exchange.provider, exchange.provider),
        model=answer.model,
        at_ns=int((answer.at or UNDATED).timestamp() * NANO),
        service_tier=answer.tier,
        server_address=exchange.host,
        requested_model=exchange.model_requested,
    )
    charge = catalog.price(Usage.of(answer.counts), query)
    return Seen(
        counts=answer.counts,
        status=str(charge.status),
        reason=str(charge.reason or ""),
        detail=charge.detail,
        nano_usd=charge.amount_nano if charge.status.counted else None,
    )
