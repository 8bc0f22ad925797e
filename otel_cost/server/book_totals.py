"""All that the book has, in Prometheus: gauges, read out of its roll-ups when they are scraped.

The counters of a server begin at 0 when it starts and grow with what it books, so that rates are right over restarts
and several servers add up. They say nothing of what came into the book otherwise (``otel-cost import``, an app that
writes it by itself, corrections by command). These gauges do: each server over one book shows the same figures, so that
one takes their ``max``, not their ``sum``.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from otel_cost import semconv
from otel_cost.errors import LedgerError
from otel_cost.label_bounds import FIXED, LabelBounds
from otel_cost.ledger.base import MAX_STORED, Ledger
from otel_cost.ledger.questions import LABEL_COLUMNS, SummaryQuery, SummaryRow
from otel_cost.model import NANO, nano_to_usd
from otel_cost.server.metrics import prometheus_name

FRESH_NS: Final = 15 * NANO
"""How long what was read is shown again: several scrapers do not read the book several times."""


class BookTotals(Collector):
    """Thread-safe. Where the book cannot be read there are no samples, and the other metrics are there all the same.

    Args:
        ledger: The book.
        labels: Labels of few values that the gauges carry beside the fixed ones; those that roll-ups are kept by.
        max_values: Distinct values that one label may have.
        clock: UTC nanoseconds.
    """

    def __init__(self, ledger: Ledger, labels: Sequence[str], max_values: int, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._bounds = LabelBounds([name for name in labels if name in LABEL_COLUMNS or name in FIXED], max_values)
        self._clock = clock
        self._lock = threading.Lock()
        self._read_ns = -FRESH_NS
        self._rows: Sequence[SummaryRow] = ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        spend: Counter[tuple[str, ...]] = Counter()
        operations: Counter[tuple[str, ...]] = Counter()
        for row in self._latest():
            labels = self._bounds.bounded(row.group)
            spend[labels] += row.amount_nano
            for status, count in row.operations.items():
                operations[*labels, status.value] += count
        usd = GaugeMetricFamily(
            prometheus_name(semconv.METRIC_BOOK_TOTAL_SPEND),
            "All spend in the book in USD, however it came there. The same on every server of one book: take its max.",
            labels=self._bounds.names,
        )
        for labels, nano in sorted(spend.items()):
            usd.add_metric(labels, nano_to_usd(nano))
        counts = GaugeMetricFamily(
            prometheus_name(semconv.METRIC_BOOK_TOTAL_OPERATIONS),
            "All operations in the book by their present status. The same on every server of one book: take its max.",
            labels=(*self._bounds.names, "status"),
        )
        for labels, count in sorted(operations.items()):
            if count:
                counts.add_metric(labels, count)
        yield usd
        yield counts

    def _latest(self) -> Sequence[SummaryRow]:
        with self._lock:
            now_ns = self._clock()
            if now_ns - self._read_ns >= FRESH_NS:
                try:
                    self._rows = self._ledger.summary(SummaryQuery(0, MAX_STORED, self._bounds.names)).rows
                except LedgerError:
                    self._rows = ()
                self._read_ns = now_ns
            return self._rows
