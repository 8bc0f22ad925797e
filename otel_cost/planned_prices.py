"""What a call that is about to be made would cost, as far as prices are there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from otel_cost.model import PlannedCall, Status, Usage
from otel_cost.pricing import PriceQuery, Pricer
from otel_cost.pricing.catalog import Catalog
from otel_cost.pricing.rates import Price

WAIT_S: Final = 10.0
"""How long a call waits for prices that are still loading, where a budget depends on them."""
_ONE_TOKEN: Final = Usage.of({"input_tokens": 1})


class PlannedPrices:
    """Answers for budgets. Each method may wait for prices that are loading; None where there are none.

    Args:
        pricer: Where prices come from.
        clock_ns: UTC nanoseconds.
    """

    def __init__(self, pricer: Pricer, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._pricer = pricer
        self._clock_ns = clock_ns

    def cost_nano(self, call: PlannedCall, usage: Usage) -> int | None:
        """What the call would cost with that usage, in nano-USD; None where it has no price."""
        catalog = self._catalog()
        if catalog is None:
            return None
        charge = catalog.price(usage, self._query(call))
        return charge.amount_nano if charge.status is not Status.UNPRICED else None

    def context_window(self, call: PlannedCall) -> int | None:
        """What the model can read and write in one call, in tokens; None where that is not known."""
        catalog = self._catalog()
        price = catalog.resolve(self._query(call)) if catalog is not None else None
        return price.context_window if isinstance(price, Price) else None

    def has_price(self, call: PlannedCall) -> bool | None:
        """None while that is not known."""
        if self._catalog() is None:
            return None
        return self.cost_nano(call, _ONE_TOKEN) is not None

    def _catalog(self) -> Catalog | None:
        return self._pricer.catalog(WAIT_S)

    def _query(self, call: PlannedCall) -> PriceQuery:
        return PriceQuery(
            provider=call.provider, model=call.model, at_ns=self._clock_ns(), service_tier=call.service_tier
        )
