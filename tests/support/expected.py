"""What calls cost, asked from genai-prices itself: the yardstick that otel-cost is held against."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN

from genai_prices import Usage, calc_price

from otel_cost.model import NANO


@dataclass(frozen=True)
class Call:
    """One call to the stand-in provider, and what it is told to answer.

    ``kind`` is ``chat``, ``stream``, ``responses`` or ``embeddings``. Counts are in tokens; input includes cached ones,
    output includes reasoning, which has no rate of its own on the models used here.
    """

    kind: str
    model: str
    input: int
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    web_searches: int = 0
    provider: str = "openai"

    @property
    def prompt(self) -> str:
        names = ("input", "output", "cached", "cache_write", "reasoning", "web_searches")
        told = {name: getattr(self, name) for name in names}
        return "usage:" + json.dumps({unit: count for unit, count in told.items() if count})

    @property
    def nano_usd(self) -> int:
        """Its price in nano-USD, rounded half-even once.

        Raises:
            LookupError: genai-prices does not know the model.
        """
        usage = Usage(
            input_tokens=self.input,
            output_tokens=self.output or None,
            cache_read_tokens=self.cached or None,
            cache_write_tokens=self.cache_write or None,
            web_searches=self.web_searches or None,
        )
        price = calc_price(usage, self.model, provider_id=self.provider).total_price
        return int((price * NANO).to_integral_value(ROUND_HALF_EVEN))


def total_nano(calls: Iterable[Call]) -> int:
    """Sum of :attr:`Call.nano_usd`."""
    return sum(call.nano_usd for call in calls)
