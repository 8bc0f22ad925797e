"""Prints benchmark rows with their targets; the exit code says whether all were met."""

from __future__ import annotations

import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure. ``at_most`` / ``at_least`` are targets; ``beside`` is the same work without otel-cost."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    beside: float | None = None

    @property
    def met(self) -> bool:
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    def text(self) -> str:
        target = (
            f"target ≤ {self.at_most:g}"
            if self.at_most is not None
            else f"target ≥ {self.at_least:g}"
            if self.at_least is not None
            else ""
        )
        beside = f"  (without: {self.beside:.2f} {self.unit})" if self.beside is not None else ""
        return f"{'ok  ' if self.met else 'MISS'}  {self.what}: {self.value:.2f} {self.unit}  {target}{beside}"


def report(title: str, rows: list[Row]) -> int:
    """Print the rows; 0 when all targets were met, else 1."""
    print(f"{title} — Python {platform.python_version()}, {platform.machine()}")
    for row in rows:
        print("  " + row.text())
    return 0 if all(row.met for row in rows) else 1
