"""What rows of other people's logs have in common: spans are made of them, which are settled like any other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from otel_cost import semconv
from otel_cost.ended import EndedSpan
from otel_cost.ledger.base import Correction
from otel_cost.model import EMPTY, CostRecord, Status, Void


@dataclass(frozen=True, slots=True)
class Kept:
    """A record of a book that was kept elsewhere. ``first``: it was new there; else another verdict on one that was."""

    record: CostRecord
    first: bool


Call = EndedSpan | CostRecord | Kept | Void | Correction
"""What a row says: a call that is still to be settled, or a step of a book that was kept elsewhere."""
_RESOURCE: Final[Mapping[str, object]] = {}
_NO_PARTS: Final[Mapping[str, int | None]] = {}
_LONGEST_LABEL: Final = 256
KNOWN_LABELS: Final = (*semconv.OWN_LABELS, *(set(semconv.LABEL_ATTRIBUTES) - {"user", "session"}))
"""Labels that other people's metadata may carry under their own names."""


class Costs(StrEnum):
    """Whose figure is booked, where a row states a cost."""

    OURS = "ours"  # our price of that day; theirs is a second opinion
    THEIRS = "theirs"  # what the row states, if that is more than 0; ours where it states none


def call(
    ids: tuple[str, str],
    times: tuple[int, int],
    scope: str,
    attributes: Mapping[str, object],
    *,
    name: str = "",
    parent: str = "",
    error: str = "",
    labels: Mapping[str, str] = EMPTY,
) -> EndedSpan:
    """A row as the span that its call would have had. Attributes that are None or empty are left out."""
    start_ns, end_ns = times
    return EndedSpan(
        trace_id=ids[0],
        span_id=ids[1],
        parent_span_id=parent,
        name=name,
        kind="CLIENT",
        scope=scope,
        scope_version="",
        start_ns=start_ns,
        end_ns=max(start_ns, end_ns),
        attributes={key: value for key, value in attributes.items() if value is not None and value != ""},
        resource=_RESOURCE,
        error=error,
        labels={key: value[:_LONGEST_LABEL] for key, value in labels.items() if value},
    )


def stated(nano: int | None, source: str, parts: Mapping[str, int | None] = _NO_PARTS) -> dict[str, object]:
    """The verdict that a row's own cost (nano-USD) is; nothing where that is 0, which is written for "not known" too.

    ``parts``: some of ``input``, ``output``, ``cache_read``, ``cache_write``, ``other``.
    """
    if not nano:
        return {}
    split = {f"{semconv.CHARGE_PART_NANO_PREFIX}{part}": amount or 0 for part, amount in parts.items()}
    return {
        semconv.STATUS: Status.PRICED.value,
        semconv.CHARGE_AMOUNT_NANO: nano,
        semconv.COST_SOURCE: source,
        **split,
    }
