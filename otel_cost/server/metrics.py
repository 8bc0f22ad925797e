"""The book in Prometheus: counters fed by the rows that the ledger added, so a batch sent twice adds nothing.

Sums are kept as integers and become doubles only when they are scraped: adding doubles up would drift.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from otel_cost import semconv, shield
from otel_cost.label_bounds import LabelBounds
from otel_cost.ledger.base import Entry, Heard
from otel_cost.model import nano_to_usd
from otel_cost.units import disjoint_tokens

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_Labels = tuple[str, ...]


class BookMetrics(Collector):
    """Counters of one app, in a registry of their own. Thread-safe.

    Args:
        labels: Labels of few values that the counters carry beside the fixed ones.
        max_values: Distinct values that one label may have.
    """

    def __init__(self, labels: Sequence[str], max_values: int) -> None:
        self._bounds = LabelBounds(labels, max_values)
        self._lock = threading.Lock()
        self._spend: Counter[_Labels] = Counter()
        self._voided: Counter[_Labels] = Counter()
        self._tokens: Counter[_Labels] = Counter()
        self._operations: Counter[_Labels] = Counter()
        self._disagreements: Counter[_Labels] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def show(self, more: Collector) -> None:
        """Have another collector's metrics in the exposition as well."""
        self._registry.register(more)

    def book(self, entries: Iterable[Entry]) -> None:
        """Count rows that were added to the book. What a correction takes back and posts anew counts by its net."""
        net: Counter[_Labels] = Counter()
        tokens: Counter[_Labels] = Counter()
        with self._lock:
            for entry in entries:
                labels = self._labels(entry.dimensions)
                net[labels] += entry.amount_nano
                for token_type, count in disjoint_tokens(entry.usage):
                    tokens[*labels, token_type] += entry.operations * count
                if entry.operations > 0:
                    reason = entry.charge.reason
                    verdict = (entry.charge.status.value, reason.value if reason else "", entry.kind.value)
                    self._operations[*labels, *verdict] += 1
            for labels, amount in net.items():
                (self._spend if amount > 0 else self._voided)[labels] += abs(amount)
            for labels, count in tokens.items():
                self._tokens[labels] += max(0, count)

    def hear(self, opinions: Iterable[Heard]) -> None:
        """Count second opinions that were added to the book and that disagree with it."""
        with self._lock:
            for heard in opinions:
                if heard.opinion.disagrees:
                    labels = self._labels(heard.dimensions)[:2]
                    self._disagreements[*labels, heard.opinion.source.value] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        with self._lock:
            spend, voided = dict(self._spend), dict(self._voided)
            tokens, operations = dict(self._tokens), dict(self._operations)
            disagreements = dict(self._disagreements)
        names = self._bounds.names
        yield _usd(semconv.METRIC_BOOK_SPEND, "Booked spend in USD; subtract what was voided.", names, spend)
        yield _usd(semconv.METRIC_BOOK_VOIDED, "Booked spend in USD that was taken back again.", names, voided)
        yield _counts(semconv.METRIC_BOOK_TOKENS, "Tokens of booked operations.", (*names, "token_type"), tokens)
        yield _counts(
            semconv.METRIC_BOOK_OPERATIONS,
            "Verdicts booked, by the kind of entry that brought them.",
            (*names, "status", "reason", "entry"),
            operations,
        )
        yield _counts(
            semconv.METRIC_BOOK_DISAGREEMENTS,
            "Costs that others state and that differ from what is booked.",
            ("provider", "model", "source"),
            disagreements,
        )
        yield _counts(
            semconv.METRIC_LABEL_OVERFLOW,
            "Label values that became 'other'.",
            ("label",),
            {(label,): count for label, count in self._bounds.overflowed().items()},
        )
        yield _counts(
            semconv.METRIC_ERRORS,
            "Faults of otel-cost itself.",
            ("site",),
            {(site,): count for site, count in shield.faults().items()},
        )

    def exposition(self) -> bytes:
        """All counters in Prometheus's text format."""
        return generate_latest(self._registry)

    def _labels(self, dimensions: Mapping[str, str]) -> _Labels:
        get = dimensions.get
        return self._bounds.bounded(tuple([get(name, "") for name in self._bounds.names]))


def _usd(metric: str, text: str, names: Sequence[str], nano: Mapping[_Labels, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(prometheus_name(metric), text, labels=names)
    for labels, amount in sorted(nano.items()):
        if amount:
            family.add_metric(labels, nano_to_usd(amount))
    return family


def _counts(metric: str, text: str, names: Sequence[str], counts: Mapping[_Labels, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(prometheus_name(metric), text, labels=names)
    for labels, count in sorted(counts.items()):
        if count:
            family.add_metric(labels, count)
    return family


def prometheus_name(metric: str) -> str:
    """A metric's name as Prometheus can have it."""
    return metric.replace(".", "_")
