"""Keeps metric labels bounded: a metric has few series, whatever the app sends."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.config import LabelSettings
from otel_cost.model import CostRecord

MAX_SERIES: Final = 1500
"""Label tuples in one process. The SDK gives up at 2,000 attribute sets an instrument; token types multiply."""
_FIXED: Final = ("provider", "model", "operation", "kind", "service", "environment")
_ATTRIBUTES: Final = {
    "provider": semconv.PROVIDER_NAME,
    "model": semconv.RESPONSE_MODEL,
    "operation": semconv.OPERATION_NAME,
    "kind": semconv.KIND,
}


class LabelBounds:
    """Label values of a record, with every value past the bounds replaced by ``other``. Thread-safe."""

    def __init__(self, settings: LabelSettings) -> None:
        self._names = (*_FIXED, *(name for name in settings.metrics if name not in _FIXED))
        self._keys = tuple(_ATTRIBUTES.get(name) or semconv.label_attribute(name) for name in self._names)
        self._max_values = settings.max_values
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything (after a fork: a child has series of its own)."""
        self._seen: dict[str, set[str]] = {name: set() for name in self._names}
        self._tuples: set[tuple[str, ...]] = set()
        self._overflowed: dict[str, int] = {}
        self._lock = threading.Lock()

    def values(self, record: CostRecord) -> tuple[str, ...]:
        """The record's label values in a fixed order; absent ones are empty."""
        labels = record.labels
        wanted = (
            record.provider,
            record.model,
            record.operation,
            record.kind.value,
            *(labels.get(name, "") for name in self._names[4:]),
        )
        if wanted in self._tuples:
            return wanted
        with self._lock:
            bounded = tuple(self._bounded(name, value) for name, value in zip(self._names, wanted, strict=True))
            if len(self._tuples) >= MAX_SERIES and bounded not in self._tuples:
                self._overflowed["series"] = self._overflowed.get("series", 0) + 1
                return tuple(semconv.OVERFLOW_VALUE for _ in bounded)
            self._tuples.add(bounded)
            return bounded

    def _bounded(self, name: str, value: str) -> str:
        seen = self._seen[name]
        if not value or value in seen:
            return value
        if len(seen) >= self._max_values:
            self._overflowed[name] = self._overflowed.get(name, 0) + 1
            return semconv.OVERFLOW_VALUE
        seen.add(value)
        return value

    def attributes(self, values: tuple[str, ...]) -> Mapping[str, str]:
        """Metric attributes for label values; empty ones are left out."""
        return {key: value for key, value in zip(self._keys, values, strict=True) if value}

    def overflowed(self) -> Mapping[str, int]:
        """Values replaced so far, by label."""
        with self._lock:
            return dict(self._overflowed)
