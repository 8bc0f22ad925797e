"""Questions to a ledger and its answers: values, and the names that can be grouped and filtered by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from otel_cost.model import COST_PARTS, Called, CostRecord, OpinionSource, Status, empty

RECORD_FIELDS: Final = ("provider", "model", "operation", "kind", "layer", "scope")
"""What a call was: fixed when its record is first booked."""
VERDICT_FIELDS: Final = ("status", "reason", "pricing_model", "price_id", "catalog", "source")
"""What was said of it: taken back and posted anew by a correction."""
LABEL_COLUMNS: Final = ("service", "environment", "tenant", "workspace", "team", "project", "feature", "agent")
"""Labels of few values, which have a column of their own. Any other label is found by its name too."""
ENTITY_KINDS: Final = ("session", "conversation", "execution", "user", "agent_id", "trace")
"""What calls belong to beside their dimensions: of many values each, so that sums are kept by the day only."""
MAX_PAGE: Final = 1000
"""Calls that one page may have."""

_LABEL_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_NO_PARTS: Final = (0,) * len(COST_PARTS)


def check_dimension(name: str) -> str:
    """``name`` if it can be grouped or filtered by: a field above, or any well-formed label name.

    Raises:
        ValueError: it is neither; the text lists the fields.
    """
    if name in RECORD_FIELDS or name in VERDICT_FIELDS or _LABEL_NAME.fullmatch(name):
        return name
    fields = ", ".join((*RECORD_FIELDS, *VERDICT_FIELDS))
    raise ValueError(f"{name!r:.80} is not a field ({fields}) nor the name of a label")


@dataclass(frozen=True, slots=True)
class Used:
    """What calls of one kind come to: their counts, and the list prices that no allowance covered, in nano-USD.

    ``counts`` has ``requests`` for each call that reported none, as pricing has it.
    """

    called: Called
    counts: Mapping[str, int]
    list_nano: int


@dataclass(frozen=True, slots=True)
class SummaryQuery:
    """Which rows to sum, and by what.

    ``from_ns`` is inclusive, ``to_ns`` exclusive (start of the call, UTC ns). ``as_of_ns``: what the book said then
    (rows booked up to and including it); None is now. ``filters`` are exact values, "" meaning "has none".
    """

    from_ns: int
    to_ns: int
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=empty)
    as_of_ns: int | None = None

    def __post_init__(self) -> None:
        for name in (*self.group_by, *self.filters):
            check_dimension(name)
        if len(set(self.group_by)) != len(self.group_by):
            raise ValueError(f"grouped twice by the same name: {', '.join(self.group_by)}")
        if self.from_ns > self.to_ns:
            raise ValueError("the period ends before it starts")


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Sums over one group. Amounts in nano-USD; ``parts`` in the order of ``COST_PARTS``.

    ``operations`` counts by status. Tokens are those of calls that stand for themselves: none is counted twice.
    """

    group: tuple[str, ...]
    amount_nano: int = 0
    list_nano: int = 0
    parts: tuple[int, ...] = _NO_PARTS
    operations: Mapping[Status, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def calls(self) -> int:
        """Operations that stand for themselves: priced, estimated and unpriced ones."""
        return sum(self.operations.get(status, 0) for status in (Status.PRICED, Status.ESTIMATED, Status.UNPRICED))


@dataclass(frozen=True, slots=True)
class Summary:
    """``rows`` by amount, the largest first; ``total`` over all of them."""

    query: SummaryQuery
    total: SummaryRow
    rows: tuple[SummaryRow, ...]


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """Sums over one group in one part of the period: from ``start_ns`` (inclusive, UTC) to the next part's start."""

    start_ns: int
    row: SummaryRow


@dataclass(frozen=True, slots=True)
class EntitySums:
    """What one session, execution, user, ... came to within the days that were asked for.

    ``first_ns`` and ``last_ns`` are starts of calls (UTC ns) within these days.
    """

    entity: str
    row: SummaryRow
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a measure was spread over the calls of a group. ``quantiles`` by share (0.5: the median), within 5 % of the
    true ones; in seconds for durations, in nano-USD for costs."""

    group: tuple[str, ...]
    calls: int
    errors: int
    duration_s: Mapping[float, float]
    amount_nano: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which calls to list: newest first, at most ``limit``.

    ``from_ns``, ``to_ns``, ``filters`` as in :class:`SummaryQuery`. ``after``: the (start, key) of the last one of the
    page before.
    """

    from_ns: int
    to_ns: int
    filters: Mapping[str, str] = field(default_factory=empty)
    after: tuple[int, str] | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        for name in self.filters:
            check_dimension(name)
        if self.from_ns > self.to_ns:
            raise ValueError("the period ends before it starts")
        if not 1 <= self.limit <= MAX_PAGE:
            raise ValueError(f"limit is {self.limit}; allowed: 1 to {MAX_PAGE}")


@dataclass(frozen=True, slots=True)
class BookedCall:
    """One call as the book has it now: its record with the present verdict, and when that was booked (UTC ns).

    ``record.opinions`` are left out. ``corrected`` says whether another verdict was booked before this one.
    """

    record: CostRecord
    booked_ns: int
    corrected: bool


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Calls whose cost is not known, by provider, model and reason. ``detail`` is one call's, as an example."""

    provider: str
    model: str
    reason: str
    detail: str
    operations: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Opinions of one source on the calls of one model, as far as they were compared.

    ``compared`` calls in all, ``disagreeing`` of them beyond the tolerance; the sums (nano-USD) are over the latter:
    ``stated_nano`` by the source, ``against_nano`` what that was compared with. ``example`` is the key of the one that
    is farthest off.
    """

    provider: str
    model: str
    source: OpinionSource
    compared: int
    disagreeing: int
    stated_nano: int
    against_nano: int
    example: str
