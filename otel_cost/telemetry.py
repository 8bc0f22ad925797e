"""Cost records to metrics and events: the only place that emits.

Counters are kept as integers in dictionaries, keyed by a bounded tuple of label values, and read by observable
instruments: exact, and some fifty times cheaper than a synchronous ``add``. One synchronous instrument stays, the cost
histogram, because exemplars need the call's own context. Instruments are registered at the first charge, so that an app
that makes no call carries none.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_cost import semconv, shield, wire
from otel_cost.budget_metrics import BudgetMetrics, Observed
from otel_cost.budgets import BudgetEvent, Budgets
from otel_cost.config import Config
from otel_cost.forking import after_fork_in_child
from otel_cost.label_bounds import LabelBounds
from otel_cost.ledger_metrics import CountsOf, LedgerMetrics
from otel_cost.model import NANO, CostRecord, Status, Void, nano_to_usd
from otel_cost.units import disjoint_tokens
from otel_cost.version import VERSION

_SEVERITY: Final = {
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "critical": SeverityNumber.ERROR,
}
_ATTRIBUTE_OF: Final = {
    "provider": semconv.PROVIDER_NAME,
    "model": semconv.RESPONSE_MODEL,
    "operation": semconv.OPERATION_NAME,
    "kind": semconv.KIND,
}
Key = tuple[str, ...]


class Telemetry:
    """Takes records and budget events; owns the process's instruments. Thread-safe; never blocks.

    Args:
        config: Labels, and which charges become events.
        budgets: Asked at collection: gauges of budgets whose rows are bounded, and how asking them goes.
        book: Asked at collection: what became of records, where the app writes a book by itself.
        meter_provider: None takes the global one at the first charge.
        logger_provider: Likewise, for events.
    """

    def __init__(
        self,
        config: Config,
        *,
        budgets: Budgets | None = None,
        book: CountsOf | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self._bounds = LabelBounds(config.labels.metrics, config.labels.max_values)
        self._keys = tuple(_ATTRIBUTE_OF.get(name) or semconv.label_attribute(name) for name in self._bounds.names)
        self._charge_events = config.charge_events
        self._budget_metrics = BudgetMetrics(budgets)
        self._ledger_metrics = LedgerMetrics(book)
        self._meter_provider = meter_provider
        self._logger_provider = logger_provider
        self._lock = threading.Lock()
        self._registering = threading.Lock()
        self._registered_in = 0
        self._clear()
        after_fork_in_child(self._after_fork)

    def _clear(self) -> None:
        self._spend: dict[Key, int] = {}
        self._tokens: dict[Key, int] = {}
        self._operations: dict[Key, int] = {}
        self._disagreements: dict[Key, int] = {}
        self._unreadable: dict[Key, int] = {}
        self._histogram_cache: dict[Key, Mapping[str, str]] = {}

    def _after_fork(self) -> None:
        """A child starts from zero, with instruments of its own: it would count its parent's totals again."""
        self._lock = threading.Lock()
        self._registering = threading.Lock()
        self._clear()
        self._budget_metrics.clear()
        self._bounds.clear()
        if self._registered_in:
            self._registered_in = -1

    # --- taking -------------------------------------------------------------------------------------------------------

    def take(self, record: CostRecord) -> None:
        """Count one settled operation, and send its event where configured."""
        self._register()
        labels = self._labels(record)
        charge = record.charge
        reason = charge.reason.value if charge.reason is not None else ""
        with self._lock:
            _add(self._operations, (*labels, charge.status.value, reason), 1)
            if charge.status.counted:
                _add(self._spend, (*labels, charge.status.value), charge.amount_nano)
            if record.usage is not None and charge.status not in (Status.WRAPPER, Status.DUPLICATE):
                for token_type, count in disjoint_tokens(record.usage.counts):
                    _add(self._tokens, (*labels, token_type), count)
            for opinion in record.opinions:
                if opinion.disagrees:
                    _add(self._disagreements, (labels[0], labels[1], opinion.source.value), 1)
                if opinion.amount_nano is None:
                    _add(self._unreadable, (opinion.source.value,), 1)
        attributes = self._histogram_attributes(labels)
        span_context = _context_of(record)
        if charge.status.counted:
            self._cost_histogram.record(nano_to_usd(charge.amount_nano), attributes, span_context)
        if record.scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX):
            self._record_conventional(record, attributes, span_context)
        if self._charge_events == "all" or (self._charge_events == "unsampled" and not record.sampled):
            charged = wire.record_to_attributes(record)
            self._emit(semconv.EVENT_CHARGE, charged, SeverityNumber.INFO, span_context, f"{charge.usd} USD")

    def _labels(self, record: CostRecord) -> Key:
        who = record.labels
        return self._bounds.bounded(
            (
                record.provider,
                record.model,
                record.operation,
                record.kind.value,
                *[who.get(name, "") for name in self._bounds.names[4:]],
            )
        )

    def _attributes(self, labels: Key) -> dict[str, str]:
        """Metric attributes for label values; empty ones are left out."""
        return {key: value for key, value in zip(self._keys, labels, strict=True) if value}

    def _histogram_attributes(self, labels: Key) -> Mapping[str, str]:
        """Without what the resource says anyway: each attribute of a synchronous instrument costs the app's thread."""
        found = self._histogram_cache.get(labels)
        if found is None:
            attributes = self._attributes(labels)
            for key in (semconv.KIND, semconv.SERVICE_NAME, semconv.ENVIRONMENT):
                attributes.pop(key, None)
            found = self._histogram_cache[labels] = attributes
        return found

    def void(self, void: Void) -> None:
        """In process nothing is ever voided: the first to end is the one that counts."""

    def flush(self, timeout_s: float) -> bool:
        """Nothing waits here: what is taken is counted."""
        return True

    def budget_event(self, event: BudgetEvent) -> None:
        """Count a budget event and send it as a log event."""
        self._register()
        self._budget_metrics.count(event)
        where = context_api.get_current()
        self._emit(event.name, event.attributes(), _SEVERITY[event.severity], where, event.message())

    def _record_conventional(self, record: CostRecord, attributes: Mapping[str, str], where: Context) -> None:
        """The duration and token histograms of the GenAI conventions, for spans that our instrumentors opened."""
        with_error = {**attributes, semconv.ERROR_TYPE: record.error} if record.error else attributes
        self._duration_histogram.record(record.duration_s, with_error, where)
        if record.usage is not None:
            for token_type, count in (("input", record.usage.input_tokens), ("output", record.usage.output_tokens)):
                if count is not None:
                    self._token_histogram.record(count, {**attributes, semconv.GEN_AI_TOKEN_TYPE: token_type}, where)

    def _emit(
        self, name: str, attributes: Mapping[str, wire.Value], severity: SeverityNumber, where: Context, body: str
    ) -> None:
        logger = get_logger(semconv.SCOPE, VERSION, logger_provider=self._logger_provider)
        logger.emit(event_name=name, attributes=dict(attributes), severity_number=severity, context=where, body=body)

    # --- instruments --------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        if self._registered_in > 0:
            return
        with self._registering:
            if self._registered_in <= 0:
                self._create_instruments(forked=self._registered_in < 0)
                self._registered_in = os.getpid()

    def _create_instruments(self, *, forked: bool) -> None:
        # The SDK remembers what instruments of the parent last showed; under delta temporality a child's fresh totals
        # would come out negative. A scope of its own gives a forked child instruments without that memory.
        attributes = {"process.pid": os.getpid()} if forked else None
        self._create(get_meter(semconv.SCOPE, VERSION, self._meter_provider, attributes=attributes), os.getpid())

    def _create(self, meter: Meter, pid: int) -> None:
        def only_here(
            observe: Callable[[], Iterable[Observation]],
        ) -> Callable[[CallbackOptions], Iterable[Observation]]:
            # A child inherits its parent's callbacks; they stay silent there.
            return lambda _options: observe() if os.getpid() == pid else ()

        for name, unit, description, observe in (
            *self._counters(),
            *self._budget_metrics.counters(),
            *self._ledger_metrics.counters(),
        ):
            meter.create_observable_counter(name, [only_here(observe)], unit=unit, description=description)
        for name, unit, description, observe in (*self._budget_metrics.gauges(), *self._ledger_metrics.gauges()):
            meter.create_observable_gauge(name, [only_here(observe)], unit=unit, description=description)
        self._create_histograms(meter)

    def _counters(self) -> tuple[Observed, ...]:
        differing = "Costs that others state and that differ from what is charged"
        unreadable = "Costs that others wrote and that are no amount of money"
        tokens = "Tokens of counted calls, disjoint types"
        return (
            Observed(semconv.METRIC_SPEND, semconv.UNIT_USD, "Spend, counted once per call", self._observe_spend),
            Observed(semconv.METRIC_TOKENS, semconv.UNIT_TOKEN, tokens, self._observe_tokens),
            Observed(
                semconv.METRIC_OPERATIONS, semconv.UNIT_OPERATION, "Operations by status", self._observe_operations
            ),
            Observed(semconv.METRIC_DISAGREEMENTS, "{opinion}", differing, self._observe_disagreements),
            Observed(semconv.METRIC_UNREADABLE_OPINIONS, "{opinion}", unreadable, self._observe_unreadable),
            Observed(semconv.METRIC_ERRORS, "{error}", "Faults inside otel-cost", _observe_faults),
            Observed(
                semconv.METRIC_LABEL_OVERFLOW, "{value}", "Label values replaced by 'other'", self._observe_overflow
            ),
        )

    def _create_histograms(self, meter: Meter) -> None:
        self._cost_histogram = meter.create_histogram(
            semconv.METRIC_OPERATION_COST,
            unit=semconv.UNIT_COST,
            description="Cost of GenAI operations in USD",
            explicit_bucket_boundaries_advisory=semconv.COST_BUCKETS_USD,
        )
        self._duration_histogram = meter.create_histogram(
            semconv.METRIC_OPERATION_DURATION,
            unit=semconv.UNIT_SECONDS,
            description="Duration of GenAI operations",
            explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS_S,
        )
        self._token_histogram = meter.create_histogram(
            semconv.METRIC_TOKEN_USAGE,
            unit=semconv.UNIT_TOKEN,
            description="Input and output tokens used",
            explicit_bucket_boundaries_advisory=semconv.TOKEN_BUCKETS,
        )

    def _snapshot(self, totals: dict[Key, int]) -> list[tuple[Key, int]]:
        with self._lock:
            return list(totals.items())

    def _observe_spend(self) -> Iterable[Observation]:
        for (*labels, status), nano in self._snapshot(self._spend):
            yield Observation(nano / NANO, {**self._attributes(tuple(labels)), semconv.STATUS: status})

    def _observe_tokens(self) -> Iterable[Observation]:
        for (*labels, token_type), count in self._snapshot(self._tokens):
            yield Observation(count, {**self._attributes(tuple(labels)), semconv.TOKEN_TYPE: token_type})

    def _observe_operations(self) -> Iterable[Observation]:
        for (*labels, status, reason), count in self._snapshot(self._operations):
            attributes = {**self._attributes(tuple(labels)), semconv.STATUS: status}
            if reason:
                attributes[semconv.REASON] = reason
            yield Observation(count, attributes)

    def _observe_disagreements(self) -> Iterable[Observation]:
        for key, count in self._snapshot(self._disagreements):
            attributes = zip((semconv.PROVIDER_NAME, semconv.RESPONSE_MODEL, semconv.OPINION_SOURCE), key, strict=True)
            yield Observation(count, {name: value for name, value in attributes if value})

    def _observe_unreadable(self) -> Iterable[Observation]:
        for (source,), count in self._snapshot(self._unreadable):
            yield Observation(count, {semconv.OPINION_SOURCE: source})

    def _observe_overflow(self) -> Iterable[Observation]:
        for label, count in self._bounds.overflowed().items():
            yield Observation(count, {semconv.LABEL_NAME: label})


def _observe_faults() -> Iterable[Observation]:
    for site, count in shield.faults().items():
        yield Observation(count, {semconv.ERROR_SITE: site})


def _add(totals: dict[Key, int], key: Key, amount: int) -> None:
    totals[key] = totals.get(key, 0) + amount


def _context_of(record: CostRecord) -> Context:
    """The record's own span as context: without it an exemplar would point at the parent."""
    if not record.trace_id or not record.span_id:
        return _NOTHING
    flags = TraceFlags(TraceFlags.SAMPLED if record.sampled else TraceFlags.DEFAULT)
    span_context = SpanContext(int(record.trace_id, 16), int(record.span_id, 16), is_remote=False, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(span_context), _NOTHING)


_NOTHING: Final = Context()
