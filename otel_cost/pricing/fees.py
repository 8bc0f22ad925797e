"""What provisioned throughput costs by the hour, used or not."""

from __future__ import annotations

from typing import Final

from otel_cost.model import NANO
from otel_cost.pricing.adjustments import Fee
from otel_cost.pricing.calculator import round_half_even

_HOUR_NS: Final = 3600 * 10**9


def accrued(fee: Fee, from_ns: int, to_ns: int) -> int:
    """The nano-USD that ``fee`` comes to from ``from_ns`` (inclusive) to ``to_ns`` (exclusive), both UTC ns.

    Rounded so that the amounts of periods that follow each other sum to that of the whole: share them out over the
    calls of a period with :func:`otel_cost.pricing.calculator.share_out`, by their list prices for instance.
    """
    start = from_ns if fee.from_ns is None else max(from_ns, fee.from_ns)
    end = to_ns if fee.until_ns is None else min(to_ns, fee.until_ns)
    return max(0, _since_epoch(fee, end) - _since_epoch(fee, start))


def _since_epoch(fee: Fee, at_ns: int) -> int:
    exact = fee.usd_per_hour * NANO * max(0, at_ns) / _HOUR_NS
    return round_half_even(exact.numerator, exact.denominator)
