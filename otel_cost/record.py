"""Costs by hand: what no instrumentation sees, as spans like all others.

Each function writes a span, which is priced, counted once, held against budgets and exported as any instrumented call
is, and returns the :class:`~otel_cost.Charge`. Nothing here raises into the app, wrong figures included: these end as
``unpriced: invalid_usage``, with the figure in ``detail``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from otel_cost import labelling, runtime, semconv, shield
from otel_cost.model import NANO, Charge, Kind, Reason, Status
from otel_cost.processor import charge_of
from otel_cost.runtime import Runtime
from otel_cost.units import UNITS
from otel_cost.version import VERSION

__all__ = ["Meter", "compute", "record_infrastructure", "record_llm", "record_tool", "tool"]

Amount = Decimal | int | float | str
"""USD, or a quantity. A ``Decimal`` or text is exact; a float is taken at its shortest decimal form."""

_NOT_RECORDED: Final = Charge(Status.UNPRICED, Reason.NOT_RECORDED)
_PRICES_WAIT_S: Final = 10.0
_HOUR_S: Final = 3600
_log = logging.getLogger(semconv.LOGGER)
_told: Final[set[str]] = set()


def record_llm(
    provider: str,
    model: str,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    *,
    usage: Mapping[str, int] | None = None,
    operation: str = semconv.OP_CHAT,
    started: datetime | None = None,
    duration_s: float = 0.0,
    response_id: str = "",
    service_tier: str = "",
    error: str = "",
    **labels: str | int,
) -> Charge:
    """Record one model call that no instrumentation saw.

    Args:
        provider: As in the price data: ``openai``, ``anthropic``, ``aws.bedrock``, ...
        model: The model that answered.
        input_tokens, output_tokens: Totals; they include their parts.
        usage: Further counts by unit (``otel_cost.units.UNITS``), for instance ``{"cache_read_tokens": 900}``.
        operation: ``chat``, ``embeddings``, ``rerank``, ...
        started: When the call began, with a time zone; None is ``duration_s`` ago. Decides price and budget period.
        duration_s: How long it took.
        response_id: The provider's id: a call that an instrumentation saw as well is then counted once.
        service_tier: The answered tier (``batch``, ``flex``, ``priority``).
        error: The error's type, for a call that failed.
        **labels: Who it is for: ``team="search"``.

    Returns:
        What it cost. Waits for prices that are still loading, 10 s at most.
    """
    attributes: dict[str, object] = {
        semconv.OPERATION_NAME: operation,
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: model,
        semconv.RESPONSE_MODEL: model,
        semconv.USAGE_INPUT_TOKENS: input_tokens,
        semconv.USAGE_OUTPUT_TOKENS: output_tokens,
        semconv.RESPONSE_ID: response_id,
        semconv.SERVICE_TIER: service_tier,
    }
    unknown = sorted(str(unit) for unit in usage or {} if unit not in UNITS)
    if unknown:
        _tell_once(f"record_llm: there is no unit {unknown[0]!r} of usage; there are {', '.join(sorted(UNITS))}")
    attributes.update({f"{semconv.UNIT_PREFIX}{unit}": count for unit, count in (usage or {}).items()})
    what = _Recorded(f"{operation} {model}", SpanKind.CLIENT, attributes, labels)
    return what.record(started, duration_s, error)


def record_tool(
    name: str,
    usd: Amount | None = None,
    *,
    operation: str = "",
    request_id: str = "",
    started: datetime | None = None,
    duration_s: float = 0.0,
    error: str = "",
    **labels: str | int,
) -> Charge:
    """Record one call of a paid tool or API, as an ``execute_tool`` span.

    Args:
        name: The tool's name.
        usd: What the call cost; None takes the price under ``tools:`` in a price file.
        operation: What was asked of it, kept as the label ``tool_operation``.
        request_id: The call's id, written as ``gen_ai.tool.call.id``.
        started, duration_s, error, **labels: As for :func:`record_llm`.
    """
    return _tool(name, usd, operation, request_id, labels).record(started, duration_s, error)


@contextmanager
def tool(
    name: str, usd: Amount | None = None, *, operation: str = "", request_id: str = "", **labels: str | int
) -> Iterator[Meter]:
    """The same around the call itself: ``with otel_cost.tool("github_api", usd=0.01) as call: ...``.

    The block may set ``call.usd`` once it knows. A block that raises ends the span as failed; what it cost stays
    recorded where ``usd`` says so, and is 0 otherwise. ``call.charge`` is there afterwards.
    """
    meter = Meter(usd)
    what = _tool(name, None, operation, request_id, labels)
    with what.around(meter):
        yield meter


def record_infrastructure(
    resource: str,
    usd: Amount | None = None,
    *,
    quantity: Amount = 1,
    unit: str = "",
    started: datetime | None = None,
    duration_s: float = 0.0,
    **labels: str | int,
) -> Charge:
    """Record the use of a resource: its cost in USD, or a quantity that a price file has a price for.

    Args:
        resource: Its name; with ``unit``, the name that is priced is ``<resource>_<unit>`` (``cpu_core`` and ``hour``).
        usd: What it cost in all; None takes the price under ``resources:`` in a price file, times ``quantity``.
        quantity: How much, in the unit that the name says; fractions are fine.
        started, duration_s, **labels: As for :func:`record_llm`.
    """
    return _resource(resource, usd, quantity, unit, labels).record(started, duration_s, "")


@contextmanager
def compute(
    *,
    cpu_cores: float = 0,
    memory_gb: float = 0,
    gpus: float = 0,
    sandbox: bool = False,
    **labels: str | int,
) -> Iterator[Meter]:
    """Record what a block of work held for as long as it ran: ``with otel_cost.compute(cpu_cores=2, memory_gb=1): ...``

    One span a resource, priced under ``resources:`` as ``cpu_core_hour``, ``memory_gb_hour``, ``gpu_hour`` and
    ``sandbox_minute`` (``examples/prices/compute.yaml`` has rates to start from). What has no price there is
    ``unpriced``. ``meter.charges`` and ``meter.usd`` are there afterwards.
    """
    meter = Meter(None)
    began, began_ns = time.perf_counter_ns(), time.time_ns()
    try:
        yield meter
    finally:
        held_ns = time.perf_counter_ns() - began
        held = {
            "cpu_core_hour": (cpu_cores, _HOUR_S),
            "memory_gb_hour": (memory_gb, _HOUR_S),
            "gpu_hour": (gpus, _HOUR_S),
            "sandbox_minute": (1 if sandbox else 0, 60),
        }
        for name, (count, unit_s) in held.items():
            if count:
                what = _resource(name, None, _used(count, held_ns, unit_s), "", labels)
                meter.charges += (what.record_at(began_ns, began_ns + held_ns, ""),)


def _used(count: object, held_ns: int, unit_s: int) -> Decimal:
    """``count`` for as long as that, in its unit; NaN where it is no number, which its record then says."""
    number = _QUIET.create_decimal(str(_written(count)))
    return _QUIET.divide(_QUIET.multiply(number, Decimal(held_ns)), Decimal(unit_s * NANO))


_QUIET: Final = Context(prec=40, traps=[])  # the app's own may raise, and round in its own way


@dataclass(slots=True)
class Meter:
    """What a ``with`` block cost; filled in when the block ends."""

    usd: Amount | None
    """Set it inside a :func:`tool` block to say what the call cost."""
    charges: tuple[Charge, ...] = field(default=())

    @property
    def charge(self) -> Charge:
        """The one charge of a :func:`tool` block.

        Raises:
            RuntimeError: the block has not ended.
        """
        if not self.charges:
            raise RuntimeError("the charge is known once the block has ended")
        return self.charges[0]

    @property
    def total_usd(self) -> Decimal:
        """The sum of all charges, exact."""
        return sum((charge.usd for charge in self.charges), Decimal(0))


# --- one span ---------------------------------------------------------------------------------------------------------


def _tool(name: str, usd: Amount | None, operation: str, request_id: str, labels: Mapping[str, str | int]) -> _Recorded:
    attributes: dict[str, object] = {
        semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
        semconv.KIND: Kind.TOOL.value,
        semconv.TOOL_NAME: name,
        semconv.TOOL_CALL_ID: request_id,
        semconv.USD: _written(usd),
    }
    if operation:
        labels = {"tool_operation": operation, **labels}
    return _Recorded(f"{semconv.OP_EXECUTE_TOOL} {name}", SpanKind.INTERNAL, attributes, labels)


def _resource(
    resource: str, usd: Amount | None, quantity: Amount, unit: str, labels: Mapping[str, str | int]
) -> _Recorded:
    name = f"{resource}_{unit}" if unit else resource
    attributes: dict[str, object] = {
        semconv.OPERATION_NAME: semconv.OP_USE_RESOURCE,
        semconv.KIND: Kind.INFRASTRUCTURE.value,
        semconv.RESOURCE: name,
        semconv.QUANTITY: _written(quantity),
        semconv.USD: _written(usd),
    }
    return _Recorded(f"{semconv.OP_USE_RESOURCE} {name}", SpanKind.INTERNAL, attributes, labels)


def _written(amount: object) -> bool | str | None:
    """An amount as a span attribute: as text, which is exact."""
    if amount is None or isinstance(amount, bool):
        return amount
    try:
        return str(amount)
    except ValueError:
        return "an integer of thousands of digits"


def _interval(started: datetime | None, duration_s: float) -> tuple[int, int]:
    """Start and end in UTC ns; now where they cannot be, as an exporter would refuse a whole batch for such a span."""
    now_ns = time.time_ns()
    try:
        length_ns = max(0, int(float(duration_s) * NANO))
        start_ns = now_ns - length_ns if started is None else int(started.timestamp() * 1_000_000) * 1000
        if 0 < start_ns <= start_ns + length_ns <= _LATEST_NS:
            return start_ns, start_ns + length_ns
    except (ArithmeticError, AttributeError, OSError, TypeError, ValueError):
        pass
    _tell_once("a cost was recorded by hand with a start or a length that cannot be: it is booked as of now")
    return now_ns, now_ns


_LATEST_NS: Final = 2**62  # the year 2116: the book has no later time


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A span to be."""

    name: str
    kind: SpanKind
    attributes: Mapping[str, object]
    labels: Mapping[str, str | int]

    def record(self, started: datetime | None, duration_s: float, error: str) -> Charge:
        return self.record_at(*_interval(started, duration_s), error)

    def record_at(self, start_ns: int, end_ns: int, error: str) -> Charge:
        return shield.run("record", _NOT_RECORDED, self._record_at, start_ns, end_ns, error)

    def _record_at(self, start_ns: int, end_ns: int, error: str) -> Charge:
        installed = _installed()
        if installed is None:
            return _NOT_RECORDED
        with labelling.labels.of(self.labels):
            span = self._start(installed, start_ns)
            if error:
                span.set_attribute(semconv.ERROR_TYPE, error)
                span.set_status(StatusCode.ERROR)
            span.end(end_ns)
        return charge_of(span) or _NOT_RECORDED

    @contextmanager
    def around(self, meter: Meter) -> Iterator[None]:
        span = shield.run("record", trace.INVALID_SPAN, self._open)
        # The invalid span must not become the current one: it would cut the app's trace.
        inside = trace.use_span(span, record_exception=False) if span.is_recording() else nullcontext()
        try:
            with inside:
                yield
        except BaseException as error:
            span.set_attribute(semconv.ERROR_TYPE, type(error).__qualname__)
            raise
        finally:
            if (usd := _written(meter.usd)) is not None:
                span.set_attribute(semconv.USD, usd)
            span.end()
            meter.charges = (charge_of(span) or _NOT_RECORDED,)

    def _open(self) -> Span:
        installed = _installed()
        if installed is None:
            return trace.INVALID_SPAN
        with labelling.labels.of(self.labels):
            return self._start(installed, None)

    def _start(self, installed: Runtime, start_ns: int | None) -> Span:
        known: dict[str, AttributeValue] = {
            name: value if isinstance(value, bool | int | float) else str(value)
            for name, value in self.attributes.items()
            if value is not None and value != ""
        }
        tracer = installed.tracer(semconv.SCOPE, VERSION)
        return tracer.start_span(self.name, kind=self.kind, attributes=known, start_time=start_ns)


def _installed() -> Runtime | None:
    installed = runtime.current()
    if installed is None:
        _tell_once("otel-cost is not installed in this process, or switched off: what is recorded by hand is not kept")
        return None
    installed.prices_needed()
    installed.pricer.catalog(_PRICES_WAIT_S)
    return installed


def _tell_once(text: str) -> None:
    if text not in _told:
        _told.add(text)
        _log.warning("%s (said once)", text)
