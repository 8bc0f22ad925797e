"""Keeps metric labels bounded: a metric has few series, whatever the app sends."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from otel_cost import semconv

MAX_SERIES: Final = 380
"""Label tuples in one process: the SDK gives up at 2,000 attribute sets an instrument, and a tuple has up to five token
types."""
FIXED: Final = ("provider", "model", "operation", "kind", "service", "environment")
"""Labels that every metric has, in this order, before the configured ones."""


class LabelBounds:
    """Label values with everything past the bounds replaced by ``other``, and counted. Thread-safe.

    Args:
        labels: Configured labels beside the fixed ones.
        max_values: Distinct values that one label may have.
    """

    def __init__(self, labels: Sequence[str], max_values: int) -> None:
        self.names = (*FIXED, *(name for name in labels if name not in FIXED))
        self._max_values = max_values
        self.clear()

    def clear(self) -> None:
        """Forget everything (after a fork: a child has series of its own)."""
        self._seen: dict[str, set[str]] = {name: set() for name in self.names}
        self._series: set[tuple[str, ...]] = set()
        self._overflowed: dict[str, int] = {}
        self._lock = threading.Lock()

    def bounded(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """``values``, in the order of ``names``, as they may appear on a metric."""
        if values in self._series:
            return values
        with self._lock:
            bounded = tuple(self._one(name, value) for name, value in zip(self.names, values, strict=True))
            if len(self._series) >= MAX_SERIES and bounded not in self._series:
                self._overflowed["series"] = self._overflowed.get("series", 0) + 1
                return (semconv.OVERFLOW_VALUE,) * len(bounded)
            self._series.add(bounded)
            return bounded

    def _one(self, name: str, value: str) -> str:
        seen = self._seen[name]
        if not value or value in seen:
            return value
        if len(seen) >= self._max_values:
            self._overflowed[name] = self._overflowed.get(name, 0) + 1
            return semconv.OVERFLOW_VALUE
        seen.add(value)
        return value

    def overflowed(self) -> Mapping[str, int]:
        """Values replaced so far, by label."""
        with self._lock:
            return dict(self._overflowed)
