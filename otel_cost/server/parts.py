"""A period cut into hours, days, weeks or months of a time zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Final

from otel_cost.budgets.periods import period_span
from otel_cost.ledger.questions import SeriesRow, SummaryRow
from otel_cost.server.reading import added

MAX_PARTS: Final = 3000


def edges_of(from_ns: int, to_ns: int, interval: str, zone: tzinfo) -> list[int]:
    """Where the parts begin, and the end of the last: UTC ns, ascending. The first and the last part may be cut.

    Raises:
        ValueError: there would be more than ``MAX_PARTS``.
    """
    edges = [from_ns]
    while edges[-1] < to_ns:
        if len(edges) > MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS} parts: ask for a shorter period, or for longer parts")
        edges.append(min(to_ns, period_span(interval, zone, edges[-1]).end_ns))
    return edges


def filled(rows: Iterable[SeriesRow], edges: Sequence[int]) -> Mapping[tuple[str, ...], list[SummaryRow]]:
    """A row for every part, by group; nothing where there was nothing."""
    place = {start: number for number, start in enumerate(edges[:-1])}
    found: dict[tuple[str, ...], list[SummaryRow]] = {}
    for one in rows:
        group = one.row.group
        parts = found.setdefault(group, [SummaryRow(group)] * len(place))
        parts[place[one.start_ns]] = one.row
    return found


def over_all(groups: Iterable[Sequence[SummaryRow]], parts: int) -> list[SummaryRow]:
    """The sum of all groups, part by part."""
    some = list(groups)
    return [added([rows[number] for rows in some]) for number in range(parts)]
