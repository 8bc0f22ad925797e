"""What the API answers, as frozen values: the fields have the names that they have there, and are explained there.

Times are aware (UTC). ``start`` (inclusive) is ``from`` in the API, and ``end`` (exclusive) is ``to``. Shares and rates
are exact decimals. Mappings are not to be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from otel_cost.model import NANO

IN_API: Final[Mapping[str, str]] = {"start": "from", "end": "to"}
"""Fields whose name in the API is no name in Python, or says less."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Money:
    """An amount, in integer nano-USD (1e-9 USD)."""

    nano_usd: int

    @property
    def usd(self) -> Decimal:
        """The same in USD, exact."""
        return Decimal(self.nano_usd) / NANO

    def __str__(self) -> str:
        return f"{self.usd:.9f} USD"


# --- costs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over operations. A wrapper or a duplicate adds to ``operations`` only."""

    cost: Money
    list_cost: Money
    parts: Mapping[str, Money]
    calls: int
    operations: Mapping[str, int]
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Sums):
    key: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Calls of unknown cost: in no sum of money."""

    provider: str
    model: str
    reason: str
    detail: str
    calls: int
    input_tokens: int
    output_tokens: int
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Narrowed:
    start: datetime
    end: datetime
    currency: str
    filters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSummary(_Narrowed):
    as_of: datetime | None
    group_by: tuple[str, ...]
    total: Sums
    groups: tuple[Group, ...]
    groups_left_out: int
    unpriced: tuple[Unpriced, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One hour, day, week or month."""

    start: datetime
    end: datetime
    cost: Money
    calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    key: Mapping[str, str]
    cost: Money
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries(_Narrowed):
    interval: str
    timezone: str
    group_by: tuple[str, ...]
    total: Series
    groups: tuple[Series, ...]
    groups_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Sums):
    value: str
    share: Decimal | None
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown(_Narrowed):
    by: str
    total: Sums
    slices: tuple[Slice, ...]
    left_out: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Quantiles, within 5 % of the true ones."""

    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneySpread:
    """Quantiles, within 5 % of the true ones."""

    p50: Money
    p90: Money
    p95: Money
    p99: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics(Sums):
    key: Mapping[str, str]
    errors: int
    error_rate: Decimal | None
    mean_cost: Money | None
    duration_s: Spread | None
    cost_per_call: MoneySpread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsReport(_Narrowed):
    group_by: tuple[str, ...]
    total: Sums
    groups: tuple[Statistics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    route: str
    address: str
    token_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One call, as the book has it now."""

    key: str
    trace_id: str
    span_id: str
    parent_span_id: str
    response_id: str
    at: datetime
    duration_s: float
    time_to_first_chunk_s: float | None
    booked_at: datetime
    corrected: bool
    kind: str
    operation: str
    provider: str
    model: str
    model_requested: str
    status: str
    reason: str
    detail: str
    cost: Money
    list_cost: Money
    parts: Mapping[str, Money]
    pricing_model: str
    price_id: str
    catalog: str
    source: str
    usage: Mapping[str, int]
    labels: Mapping[str, str]
    caller: Caller
    streaming: bool
    finish_reason: str
    error: str
    counted_as: str
    scope: str
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage(_Narrowed):
    entries: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """All that one execution, session or trace cost."""

    kind: str
    id: str
    currency: str
    first: datetime | None
    last: datetime | None
    total: Sums
    by_kind: tuple[Group, ...]
    by_model: tuple[Group, ...]
    by_resource: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCosts(Whole):
    calls: tuple[Entry, ...]
    calls_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceCosts(_Narrowed):
    id: str
    period: str
    timezone: str
    days: int
    days_elapsed: int
    daily_average: Money
    total: Sums
    by_kind: tuple[Group, ...]
    by_model: tuple[Group, ...]
    by_resource: tuple[Group, ...]
    by_project: tuple[Group, ...]
    trend: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedCost:
    """A cost that was booked by hand, with its charge. ``created`` is False where it had been booked before."""

    id: str
    created: bool
    key: str
    trace_id: str
    at: datetime
    kind: str
    status: str
    reason: str
    detail: str
    cost: Money
    list_cost: Money
    parts: Mapping[str, Money]
    pricing_model: str
    price_id: str
    catalog: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedBatch:
    entries: tuple[BookedCost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPeriod:
    start: datetime
    end: datetime
    total: Sums
