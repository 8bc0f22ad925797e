"""``install()``: the only place where the parts are put together, and the process's one handle on them."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast
from weakref import ref

from opentelemetry import context, trace
from opentelemetry._logs import LoggerProvider
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, Tracer
from opentelemetry.trace.span import format_trace_id

from otel_cost import dialects, labelling, semconv, shield
from otel_cost.budgets import NO_HOLD, BudgetEvent, Budgets, Decision, Hold
from otel_cost.budgets.listening import Listeners
from otel_cost.budgets.reserving import Reserving
from otel_cost.budgets.spec import budget_of
from otel_cost.budgets.stores import Store, store_of
from otel_cost.config import Config, load_config
from otel_cost.errors import ConfigError
from otel_cost.estimating import Estimator, installed_tokenizer
from otel_cost.forking import at_end_of_child
from otel_cost.matching import Matcher
from otel_cost.model import EMPTY, Layer, PlannedCall
from otel_cost.off_loop import aside, in_asyncio
from otel_cost.pipeline import Pipeline, Taker
from otel_cost.planned_prices import PlannedPrices
from otel_cost.pricing import Pricer, pricer_of
from otel_cost.processor import CostSpanProcessor, labels_around, node_of
from otel_cost.sampling import record_sampled_out
from otel_cost.sdk_setup import has_sdk, when_sdk_is_set
from otel_cost.settings_values import parse_duration
from otel_cost.telemetry import Telemetry

if TYPE_CHECKING:
    from otel_cost.ledger.writer import LedgerWriter

__all__ = [
    "Hold",
    "Runtime",
    "current",
    "install",
    "install_at_startup",
    "listeners",
    "uninstall",
]

_log = logging.getLogger(semconv.LOGGER)
_AT_END_S: Final = 5.0
"""How long the end of a child process may wait for what it has spent to be settled."""


class Runtime:
    """What a process works with once otel-cost is installed."""

    def __init__(
        self,
        config: Config,
        provider: TracerProvider,
        *,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        pricer: Pricer | None = None,
        store: Store | None = None,
    ) -> None:
        self.config = config
        self.provider = provider
        self.estimator = Estimator(installed_tokenizer())
        self.pricer = pricer if pricer is not None else pricer_of(config)
        prices = PlannedPrices(self.pricer)
        self.budgets = Budgets(
            [budget_of(settings) for settings in config.budgets],
            on_event=self._on_budget_event,
            reserving=Reserving(prices.cost_nano, prices.context_window),
            has_price=prices.has_price,
            store=store if store is not None else store_of(config),
            hold_ttl_s=parse_duration(config.budget_store.hold_ttl),
            cache_s=config.budget_store.cache_s,
        )
        self.book = _book_of(config)
        self.telemetry = Telemetry(
            config,
            budgets=self.budgets,
            book=None if self.book is None else self.book.counts,
            meter_provider=meter_provider,
            logger_provider=logger_provider,
        )
        takers: tuple[Taker, ...] = (self.budgets, self.telemetry, *self._takers_of_the_book())
        self.pipeline = Pipeline(config=config, pricer=self.pricer, takers=takers, matcher=Matcher())
        self.processor = CostSpanProcessor(
            self.pipeline, config, instance_id=str(uuid.uuid4()), on_genai=self.prices_needed
        )
        self._resolver = labelling.Resolver(config)
        self._attached: list[ref[TracerProvider]] = []
        at_end_of_child(self._flush_at_end)

    def _takers_of_the_book(self) -> Iterator[Taker]:
        """What the app writes by itself, if anything."""
        if self.book is not None:
            yield self.book
        path = self.config.ledger.export_on_exit
        if path is not None:
            from otel_cost.exit_export import ExitExport

            yield ExitExport(path, settle=self.force_flush)

    def attach(self, provider: TracerProvider) -> None:
        """Count the spans of ``provider`` as well. Idempotent."""
        # By identity: Logfire's provider cannot be hashed.
        if not any(known() is provider for known in self._attached):
            self._attached.append(ref(provider))
            provider.add_span_processor(self.processor)
            shield.run("sampling", None, record_sampled_out, provider)

    def prices_needed(self) -> None:
        """Start loading prices in the background. Cheap once they are there."""
        if not self.pricer.ready():
            self.pricer.start_loading()

    def _on_budget_event(self, event: BudgetEvent) -> None:
        self.telemetry.budget_event(event)
        listeners.tell(event, self.budgets.budgets[event.budget])

    def admit(self, call: PlannedCall) -> Hold:
        """Ask the budgets for room for one call; its labels are completed from the context.

        Raises:
            BudgetExceeded: a blocking budget says no; the call must not be made.
        """
        if not self.budgets.present:
            return NO_HOLD
        return self.budgets.admit(self._labelled(call), self._trace_id())

    async def admit_async(self, call: PlannedCall) -> Hold:
        """As :meth:`admit`, without ever blocking the event loop. Raises the same."""
        if not self.budgets.present:
            return NO_HOLD
        labelled, trace_id = self._labelled(call), self._trace_id()
        if not self.budgets.may_block or not in_asyncio():
            # Under another async library there is no executor to be had without depending on it.
            return self.budgets.admit(labelled, trace_id)
        return await aside(partial(self.budgets.admit, labelled, trace_id), late=Hold.release)

    def facts(self) -> Mapping[str, str]:
        """What budgets can match and split by, of the code that asks: its labels, and its trace."""
        return {**self._labels(EMPTY), "trace": self._trace_id()}

    def reserve(self, amount_nano: int) -> Hold:
        """Ask the budgets for room for a block of code.

        Raises:
            BudgetExceeded: a blocking budget says no.
        """
        return self.budgets.reserve(self.facts(), amount_nano)

    async def reserve_async(self, amount_nano: int) -> Hold:
        """As :meth:`reserve`, without ever blocking the event loop. Raises the same."""
        if self.budgets.store.local or not in_asyncio():
            return self.reserve(amount_nano)
        return await aside(partial(self.budgets.reserve, self.facts(), amount_nano), late=Hold.release)

    async def check_async(self, amount_nano: int) -> Decision:
        """What the budgets would say to an amount, without ever blocking the event loop."""
        if self.budgets.store.local or not in_asyncio():
            return self.budgets.check(self.facts(), amount_nano)
        return await aside(partial(self.budgets.check, self.facts(), amount_nano))

    def tracer(self, scope: str, version: str) -> Tracer:
        """A tracer of the provider that this was installed into."""
        return self.provider.get_tracer(scope, version)

    def claimable(self, operation: str, model: str) -> Span | None:
        """Somebody else's open span for the request that is about to be made, so that it gets enriched instead of
        doubled; None when there is none. Each span can be claimed once."""
        span = trace.get_current_span()
        node = node_of(span)
        if node is None or node.enriched or not node.genai or not span.is_recording():
            return None
        attributes: Mapping[str, object] = getattr(span, "attributes", None) or {}
        scope = getattr(getattr(span, "instrumentation_scope", None), "name", "")
        if scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX):
            return None
        reading = dialects.read(scope, _kind_of(span), attributes)
        if reading is None or reading.layer is not Layer.WIRE or reading.operation != operation:
            return None
        if reading.dialect not in dialects.CONVENTIONAL:  # its counts may not include each other as ours do
            return None
        if reading.model_requested and model and reading.model_requested != model:
            return None
        return span if node.claim() else None

    def force_flush(self, timeout_s: float = 30.0) -> bool:
        """Settle everything that ended so far, and tell what that led to. False when that took longer."""
        deadline = time.monotonic() + timeout_s
        settled = self.pipeline.flush(timeout_s)
        return listeners.flush(max(0.0, deadline - time.monotonic())) and settled

    def _flush_at_end(self) -> None:
        self.force_flush(_AT_END_S)

    def _labelled(self, call: PlannedCall) -> PlannedCall:
        return replace(call, labels=self._labels(call.labels))

    def _labels(self, own: Mapping[str, str]) -> Mapping[str, str]:
        said = {**labelling.from_baggage(self.config.labels.baggage), **labelling.current(), **own}
        around = labels_around(self._resolver, context.get_current())
        return self._resolver.resolve(self.provider.resource.attributes, around, said)

    def _trace_id(self) -> str:
        span_context = trace.get_current_span().get_span_context()
        return format_trace_id(span_context.trace_id) if span_context.is_valid else ""


def _book_of(config: Config) -> LedgerWriter | None:
    """The writer of the book, where the app writes one. Raises ConfigError where that is not possible."""
    if not config.ledger.url:
        return None
    from otel_cost.ledger.writer import writer_of  # an app without a book carries none of it

    return writer_of(config.ledger)


_lock: Final = threading.Lock()
_current: Runtime | None = None
listeners: Final = Listeners()
"""Whoever listens to budgets. Of the process rather than of a runtime, so that callbacks may be there before one is."""


def current() -> Runtime | None:
    """The process's runtime; None when nothing was installed, or it is switched off."""
    return _current


def install(
    provider: TracerProvider | None = None,
    *,
    config: Config | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    pricer: Pricer | None = None,
) -> Runtime | None:
    """Count the cost of every GenAI span of ``provider`` from now on.

    Idempotent: a second call returns the runtime of the first, which then counts the spans of another ``provider`` as
    well. ``opentelemetry-instrument`` calls it by itself.

    Args:
        provider: The SDK's tracer provider; None takes the global one.
        config: Settings; None reads ``OTEL_COST_CONFIG`` and the other variables.
        meter_provider, logger_provider: Where metrics and events go; None takes the global ones.
        pricer: Where prices come from; None takes what ``config`` says.

    Returns:
        The runtime, or None when ``enabled`` is false or the provider is not the SDK's (there is nothing to price).

    Raises:
        ConfigError: settings are wrong. Under ``opentelemetry-instrument`` that is logged and the app starts without.
    """
    global _current
    with _lock:
        if _current is not None:
            if provider is not None and hasattr(provider, "add_span_processor"):
                _current.attach(provider)
            return _current
        config = config if config is not None else load_config()
        if not config.enabled:
            return None
        target = _usable(provider if provider is not None else trace.get_tracer_provider())
        if target is None:
            return None
        _current = Runtime(
            config, target, meter_provider=meter_provider, logger_provider=logger_provider, pricer=pricer
        )
        _current.attach(target)
        return _current


def _usable(provider: trace.TracerProvider) -> TracerProvider | None:
    """The provider if spans of it can be priced. Duck-typed: wrappers of the SDK's provider have the method as well."""
    if hasattr(provider, "add_span_processor"):
        return cast("TracerProvider", provider)
    _log.warning(
        "no OpenTelemetry SDK is set up, so there are no spans to price: start the app with opentelemetry-instrument,"
        " or pass your TracerProvider to otel_cost.install()"
    )
    return None


def install_at_startup(installed: Callable[[Runtime], None] = lambda _runtime: None) -> None:
    """``install()`` for start-up hooks: whatever goes wrong is one clear error in the log, never a failed start.

    ``installed`` is called once there is a runtime: at once, or when the app sets its own tracer provider.
    """
    shield.run("start-up", None, _install_or_explain, installed)


def _install_or_explain(installed: Callable[[Runtime], None]) -> None:
    try:
        config = load_config()
    except ConfigError as error:
        _explain(error)
        return

    def install_now() -> None:
        try:
            runtime = install(config=config)
        except (
            ConfigError
        ) as error:  # what only shows in doing: a driver that is not installed, a later release's store
            _explain(error)
            return
        if runtime is not None:
            installed(runtime)

    if has_sdk() or not config.enabled:
        install_now()
    elif "waiting" not in _explained:
        _explained.add("waiting")
        when_sdk_is_set(partial(shield.run, "start-up", None, install_now))


def _explain(error: ConfigError) -> None:
    if str(error) not in _explained:  # both entry points come by here
        _explained.add(str(error))
        _log.error("otel-cost is off, the app runs without it: %s", error)


_explained: Final[set[str]] = set()


def uninstall() -> None:
    """Forget the runtime, so that the next ``install()`` makes a new one. For tests; spans keep their processor."""
    global _current
    with _lock:
        _current = None
        _explained.clear()
        listeners.start_anew()


def _kind_of(span: Span) -> str:
    kind = getattr(span, "kind", None)
    return kind.name if isinstance(kind, trace.SpanKind) else "INTERNAL"
