"""Fixed costs: provisioned throughput by the hour, commitments by the period, used or not.

Amounts are rounded so that those of periods that follow each other sum to that of the whole. Share them out over the
calls of a period with :func:`otel_cost.pricing.calculator.share_out`, by their list prices for instance.
"""

from __future__ import annotations

from typing import Final

from otel_cost.model import NANO
from otel_cost.pricing.adjustments import Fee
from otel_cost.pricing.calculator import round_half_even
from otel_cost.pricing.schedules import Schedule

_HOUR_NS: Final = 3600 * 10**9


def accrued(fee: Fee, from_ns: int, to_ns: int) -> int:
    """The nano-USD that ``fee`` comes to from ``from_ns`` (inclusive) to ``to_ns`` (exclusive), both UTC ns."""
    start = from_ns if fee.from_ns is None else max(from_ns, fee.from_ns)
    end = to_ns if fee.until_ns is None else min(to_ns, fee.until_ns)
    return max(0, _since_epoch(fee, end) - _since_epoch(fee, start))


def committed(schedule: Schedule, from_ns: int, to_ns: int) -> int:
    """The same of a schedule's commitment, spread evenly over each of its periods; 0 where a period has no end."""
    if not schedule.committed_usd or schedule.period == "total":
        return 0
    total, at_ns = 0, from_ns if schedule.from_ns is None else max(from_ns, schedule.from_ns)
    last_ns = to_ns if schedule.until_ns is None else min(to_ns, schedule.until_ns)
    while at_ns < last_ns:
        start, end = schedule.period_around(at_ns)
        stop = min(end, last_ns)
        total += _within(schedule, start, end, stop) - _within(schedule, start, end, at_ns)
        at_ns = stop
    return total


def _within(schedule: Schedule, start: int, end: int, at_ns: int) -> int:
    exact = schedule.committed_usd * NANO * (at_ns - start) / (end - start)
    return round_half_even(exact.numerator, exact.denominator)


def _since_epoch(fee: Fee, at_ns: int) -> int:
    exact = fee.usd_per_hour * NANO * max(0, at_ns) / _HOUR_NS
    return round_half_even(exact.numerator, exact.denominator)
