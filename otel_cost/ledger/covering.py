"""How a period is put together from sums that are kept by the day and by the quarter of an hour. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from otel_cost.ledger.schema import DAY_NS, QUARTER_NS

_FARTHEST: Final = 2**63 - 2 * DAY_NS
"""No call is beyond it, and what is rounded up from it still has 64 bits."""


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start_ns`` (inclusive) to ``end_ns``: what is within is added to a part of a period, or (-1) taken off."""

    part: int
    sign: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Cover:
    """Which rows of which table make up the parts of a period: all of them summed, each call counts once."""

    days: tuple[Span, ...] = ()
    quarters: tuple[Span, ...] = ()
    entries: tuple[Span, ...] = ()


def by_entries(edges: Sequence[int]) -> Cover:
    """The parts between ``edges`` out of entries alone."""
    return Cover(entries=tuple(_spans((part, 1, start, end) for part, start, end in _parts(edges))))


def by_rollups(edges: Sequence[int]) -> Cover:
    """The parts between ``edges`` (UTC ns, ascending) out of whole days and whole quarters of an hour where there are
    any; what is left are entries of less than half an hour a part, never taken off again."""
    days: list[Span] = []
    quarters: list[Span] = []
    ragged: list[Span] = []
    for part, start, end in _parts(edges):
        first, last = _up(start, QUARTER_NS), _down(end, QUARTER_NS)
        if first >= last:
            ragged += _spans([(part, 1, start, end)])
            continue
        ragged += _spans([(part, 1, start, first), (part, 1, last, end)])
        _cover(part, first, last, days, quarters)
    return Cover(tuple(days), tuple(quarters), tuple(ragged))


def whole_days(from_ns: int, to_ns: int) -> tuple[int, int]:
    """The period widened to whole UTC days; empty stays empty."""
    return (_down(from_ns, DAY_NS), _up(to_ns, DAY_NS)) if from_ns < to_ns else (from_ns, from_ns)


def _cover(part: int, first: int, last: int, days: list[Span], quarters: list[Span]) -> None:
    """From the days' edges that are nearest, with quarters added or taken off between them and the period's: a day of
    another time zone is never a whole one of UTC, but mostly the same."""
    begins, ends = _down(first + DAY_NS // 2, DAY_NS), _down(last + DAY_NS // 2, DAY_NS)
    if begins >= ends or abs(first - begins) + abs(last - ends) >= last - first:
        quarters += _spans([(part, 1, first, last)])
        return
    days += _spans([(part, 1, begins, ends)])
    quarters += _spans(
        [
            (part, 1 if first < begins else -1, min(first, begins), max(first, begins)),
            (part, 1 if ends < last else -1, min(last, ends), max(last, ends)),
        ]
    )


def _parts(edges: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    for part, (start, end) in enumerate(pairwise(edges)):
        if start > end:
            raise ValueError(f"the edges of a series must ascend: {end} comes after {start}")
        yield part, max(start, -_FARTHEST), min(end, _FARTHEST)


def _spans(found: Iterable[tuple[int, int, int, int]]) -> Iterator[Span]:
    """Without the empty ones."""
    return (Span(*span) for span in found if span[2] < span[3])


def _down(at_ns: int, step: int) -> int:
    return at_ns - at_ns % step


def _up(at_ns: int, step: int) -> int:
    return -_down(-at_ns, step)
