"""The answers to one question over time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from otel_cost.model import Charge
from otel_cost.pricing.rates import Price
from otel_cost.pricing.windows import Window

_DAY_NS: Final = 86_400 * 10**9


class Timeline:
    """One question's answers. They only change at ``instants``, daily at ``times`` (ns, inclusive) and when one of the
    ``windows`` opens or closes, so that one answer worked out anywhere between two edges holds everywhere between them.
    """

    __slots__ = ("_cells", "_choose", "_instants", "_times", "_windows")

    def __init__(
        self,
        instants: tuple[int, ...],
        times: tuple[int, ...],
        choose: Callable[[int], Price | Charge],
        windows: tuple[Window, ...] = (),
    ) -> None:
        self._instants = instants
        self._times = times
        self._windows = windows
        self._choose = choose
        self._cells: dict[int, Price | Charge] = {}

    @classmethod
    def constant(cls, charge: Charge) -> Timeline:
        return cls((), (), lambda _: charge)

    @property
    def instants(self) -> tuple[int, ...]:
        """When the answer may change for good, UTC ns, ascending."""
        return self._instants

    def at(self, at_ns: int) -> Price | Charge:
        cell = bisect_right(self._instants, at_ns) if self._instants else 0
        if self._times:
            cell += (len(self._instants) + 1) * bisect_right(self._times, at_ns % _DAY_NS)
        if self._windows:
            cell = self._with_windows(cell, at_ns)
        found = self._cells.get(cell)
        if found is None:
            found = self._cells[cell] = self._choose(at_ns)
        return found

    def _with_windows(self, cell: int, at_ns: int) -> int:
        for window in self._windows:
            cell = 2 * cell + window.active(at_ns)
        return cell
