"""What is due whether or not calls are made, as records for the book: provisioned throughput and commitments, by day.

One record for each fee and UTC day, of kind ``infrastructure``, with a key that says which: booking a day twice changes
nothing, and the days of a period sum to it exactly. Its list price is 0: what the calls would have cost on demand
stands with the calls.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from otel_cost.model import Charge, CostRecord, Kind, PricingModel, Status
from otel_cost.pricing import Catalog
from otel_cost.pricing.adjustments import ANY
from otel_cost.pricing.fees import accrued, committed
from otel_cost.pricing.overlay import SOURCE

DAY_NS: Final = 86_400 * 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Due(NamedTuple):
    """Whom a fixed cost is paid to, by its name in the price files. ``provider`` is "" where it is for any."""

    pricing_model: PricingModel
    provider: str
    name: str


def due(catalog: Catalog, from_ns: int, to_ns: int) -> Iterator[CostRecord]:
    """What is due for each whole UTC day within the period, in order of time; days on which nothing is are left out."""
    first, end = -(-from_ns // DAY_NS), to_ns // DAY_NS
    for day in range(first, end):
        for what, nano in sorted(_on(catalog, day * DAY_NS).items()):
            if nano:
                yield _record(catalog.version, what, nano, day * DAY_NS)


def _on(catalog: Catalog, start_ns: int) -> Counter[Due]:
    """Nano-USD of one day. A fee that changes its price within a day has two entries of one name."""
    sections, end_ns = catalog.overlays.sections, start_ns + DAY_NS
    found: Counter[Due] = Counter()
    for fee in sections.fees:
        found[Due(PricingModel.PROVISIONED, fee.provider, fee.name)] += accrued(fee, start_ns, end_ns)
    for schedule in sections.schedules:
        provider = "" if schedule.pattern.provider == ANY else schedule.pattern.provider
        found[Due(PricingModel.SUBSCRIPTION, provider, schedule.name)] += committed(schedule, start_ns, end_ns)
    return found


def _record(catalog: str, what: Due, nano: int, start_ns: int) -> CostRecord:
    return CostRecord(
        key=_key(what, start_ns),
        trace_id="",
        span_id="",
        parent_span_id="",
        start_ns=start_ns,
        end_ns=start_ns + DAY_NS,
        operation="",
        provider=what.provider,
        model_requested=what.name,
        model_answered="",
        charge=Charge(
            Status.PRICED,
            amount_nano=nano,
            parts=(0, 0, 0, 0, nano),
            pricing_model=what.pricing_model,
            price_id=f"{what.pricing_model}/{what.name}",
            catalog=catalog,
            source=SOURCE,
        ),
        kind=Kind.INFRASTRUCTURE,
    )


def _key(what: Due, start_ns: int) -> str:
    # Names may have any character; keys may not.
    digest = hashlib.sha256("\0".join(what).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{what.pricing_model}:{digest}:{_EPOCH + timedelta(seconds=start_ns // 10**9):%Y-%m-%d}"
