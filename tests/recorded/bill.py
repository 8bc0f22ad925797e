"""What the provider's own numbers cost by the price list of that time, worked out without otel-cost.

Prices come from ``genai-prices``, asked directly. Where it has none there is nothing to compare an amount with.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN
from typing import Final

from genai_prices import Usage, calc_price
from genai_prices.types import PriceCalculation, PriceContext

from otel_cost.model import NANO
from tests.recorded.answers import Answer
from tests.recorded.exchanges import Exchange

UNDATED: Final = datetime(2026, 8, 8, tzinfo=UTC)
"""When an answer that bears no date is taken to have come: just after the newest that bears one. A test checks that no
amount depends on it."""
_SELLERS: Final[Mapping[str, str]] = {"bedrock": "aws", "gemini": "google", "vertex": "google"}
"""Recorded provider to its id in ``genai-prices``, where the two differ."""


def seller(exchange: Exchange) -> str:
    """Who sells the call, by id in ``genai-prices``."""
    return _SELLERS.get(exchange.provider, exchange.provider)


def nano_usd(exchange: Exchange, answer: Answer) -> int | None:
    """The bill in nano-USD, rounded half-even once; None where there is no price."""
    price = price_of(exchange, answer)
    return None if price is None else int((price.total_price * NANO).to_integral_value(ROUND_HALF_EVEN))


def price_of(exchange: Exchange, answer: Answer) -> PriceCalculation | None:
    """The price list's own calculation; None where it lacks the provider, the model, or a price of the tier."""
    if "output_tokens" in answer.counts and "input_tokens" not in answer.counts:
        return None  # half of it is no bill: the prompt was billed as well, whatever it came to
    # An inference profile is billed as the model that its name ends with.
    for model in dict.fromkeys((answer.model, answer.model.rpartition("/")[2], exchange.model_requested)):
        try:
            price = _asked(exchange, answer, model, {"service_tier": answer.tier} if answer.tier else {})
            standard = _asked(exchange, answer, model, {})
        except LookupError:
            continue
        # For a tier that it does not know at that time the list answers with the standard price: not that tier's.
        same = vars(price.model_price) == vars(standard.model_price)
        return None if answer.tier and same else price
    return None


def _asked(exchange: Exchange, answer: Answer, model: str, context: PriceContext) -> PriceCalculation:
    return calc_price(
        Usage(**answer.counts),
        model,
        provider_id=seller(exchange),
        genai_request_timestamp=answer.at or UNDATED,
        price_context=context,
    )
