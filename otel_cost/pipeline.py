"""One ended operation in, one ``CostRecord`` out to every taker: read, match, price, label.

The same code runs in the app (spans that end in this process) and in the server (spans that arrive by OTLP). The server
*adopts* a verdict that was made in process and prices only what comes without one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from otel_cost import dialects, labelling, semconv, wire
from otel_cost.config import Config
from otel_cost.dialects import Reading
from otel_cost.forking import after_fork_in_child
from otel_cost.matching import NO_TOTALS, NOTHING_INSIDE, Inside, Matcher, Sighting, Verdict
from otel_cost.model import Charge, CostRecord, Layer, Reason, Status, Usage, Void, empty, record_key
from otel_cost.pricing import Catalog, PriceQuery, Pricer

_log = logging.getLogger(semconv.LOGGER)
_charges_log = logging.getLogger(semconv.LOGGER_CHARGES)

_COSTLESS: Final = frozenset({"create_agent", "execute_tool", "plan", "retrieval"})
"""Operations that cost nothing by themselves; memory operations are told by their suffix."""


@dataclass(frozen=True, slots=True)
class EndedSpan:
    """One ended span, from this process or from OTLP. Ids are lower-case hex, times UTC nanoseconds, ``error`` is the
    error type, empty when the operation went well. ``labels`` and ``inside`` are known in process only."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    scope: str
    scope_version: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, object]
    resource: Mapping[str, object]
    error: str = ""
    labels: Mapping[str, str] = field(default_factory=empty)
    sampled: bool = True
    enriched: bool = False
    inside: Inside = NOTHING_INSIDE


class Taker(Protocol):
    """Takes settled records: metrics, budgets, ledger. Called from whatever thread ended the span; must not block."""

    def take(self, record: CostRecord) -> None:
        """One operation, with its final verdict."""

    def void(self, void: Void) -> None:
        """Money of an earlier record is taken back (never happens in process: a counter cannot fall)."""


class Pipeline:
    """Reads, matches, prices and hands on. Thread-safe.

    Args:
        config: Labels, mainly.
        pricer: Prices, perhaps still loading.
        takers: Who gets every record, in this order.
        matcher: What counts each call once; shared by all pipelines of a process.
        adopt: Take over verdicts that stand on spans already (the server).
    """

    def __init__(
        self, *, config: Config, pricer: Pricer, takers: Sequence[Taker], matcher: Matcher, adopt: bool = False
    ) -> None:
        self._pricer = pricer
        self._takers = tuple(takers)
        self._matcher = matcher
        self._adopt = adopt
        self._resolver = labelling.Resolver(config)
        self._forget_waiting()
        after_fork_in_child(self._forget_waiting)
        self._told: set[tuple[str, str, str]] = set()
        pricer.on_ready(self._settle_waiting)

    def _forget_waiting(self) -> None:
        """Nothing waits (yet; or in a forked child, since what waited is its parent's to settle)."""
        self._waiting: list[tuple[CostRecord, PriceQuery, bool]] = []
        self._waiting_lock = threading.Lock()

    def process(self, span: EndedSpan) -> CostRecord | None:
        """Settle one ended span; None when it is no operation that can cost."""
        reading = dialects.read(span.scope, span.kind, span.attributes)
        if reading is None or not _can_cost(reading, span):
            return None
        record = self._record(span, reading)
        sighting = _sighting(record, reading, span)
        adopted = wire.verdict_on(span.attributes) if self._adopt else None
        if adopted is not None:
            record = replace(record, charge=adopted.charge, counted_as=adopted.counted_as)
            self._matcher.note(sighting, Verdict(None if adopted.charge.status.counted else adopted.charge.status))
            self._hand_on(record)
            return record
        return self._settle(record, reading, self._matcher.judge(sighting))

    def take(self, record: CostRecord) -> None:
        """A record that arrives complete (an ``otel_cost.charge`` event): it is handed on as it is."""
        self._matcher.note(
            _sighting_of_record(record), Verdict(None if record.charge.status.counted else record.charge.status)
        )
        self._hand_on(record)

    def flush(self, timeout_s: float) -> bool:
        """Wait until records that wait for prices are settled. False when they are not in time."""
        if self._waiting:
            self._settle_waiting(self._pricer.catalog(timeout_s))
        with self._waiting_lock:
            return not self._waiting

    # --- steps --------------------------------------------------------------------------------------------------------

    def _settle(self, record: CostRecord, reading: Reading, verdict: Verdict) -> CostRecord:
        if verdict.status is not None:
            record = replace(record, charge=Charge(verdict.status, verdict.reason), counted_as=verdict.counted_as)
        elif (early := _charge_without_price(record, reading)) is not None:
            record = replace(record, charge=early)
        else:
            query = _query(record, reading)
            catalog = self._pricer.catalog(0) if self._pricer.ready() else None
            if catalog is None:
                record = replace(record, charge=Charge(Status.UNPRICED, Reason.PRICES_LOADING))
                if not verdict.again or self._adopt:
                    self._wait_for_prices(record, query, reading.estimated)
                return record
            record = _priced(record, query, catalog, reading.estimated)
        if not verdict.again or self._adopt:
            if verdict.voids and verdict.reason is not None:
                self._hand_on_void(Void(verdict.voids, verdict.reason, record.key))
            self._hand_on(record)
        return record

    def _wait_for_prices(self, record: CostRecord, query: PriceQuery, estimated: bool) -> None:
        self._pricer.start_loading()
        with self._waiting_lock:
            self._waiting.append((record, query, estimated))
        # The load may have ended between the check and the append.
        if self._pricer.ready() or self._pricer.failed():
            self._settle_waiting(self._pricer.catalog(0))

    def _settle_waiting(self, catalog: Catalog | None) -> None:
        """Settle what waits, as unpriced where prices could not be loaded; nothing while they may still come."""
        if catalog is None and not self._pricer.failed():
            return
        with self._waiting_lock:
            waiting, self._waiting = self._waiting, []
        for record, query, estimated in waiting:
            if catalog is None:
                self._hand_on(replace(record, charge=Charge(Status.UNPRICED, Reason.NO_PRICES)))
            else:
                self._hand_on(_priced(record, query, catalog, estimated))

    def _hand_on(self, record: CostRecord) -> None:
        self._tell(record)
        for taker in self._takers:
            taker.take(record)

    def _hand_on_void(self, void: Void) -> None:
        for taker in self._takers:
            taker.void(void)

    def _record(self, span: EndedSpan, reading: Reading) -> CostRecord:
        first_chunk = span.attributes.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK)
        return CostRecord(
            key=record_key(span.trace_id, span.span_id),
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            operation=reading.operation,
            provider=reading.provider,
            model_requested=reading.model_requested,
            model_answered=reading.model_answered,
            charge=_UNDECIDED,
            usage=reading.usage,
            response_id=reading.response_id,
            labels=self._resolver.resolve(span.resource, span.attributes, span.labels),
            scope=span.scope,
            layer=reading.layer,
            streaming=reading.streaming,
            sampled=span.sampled,
            enriched=span.enriched,
            finish_reason=reading.finish_reason,
            error=span.error,
            time_to_first_chunk_s=float(first_chunk) if isinstance(first_chunk, int | float) else None,
        )

    def _tell(self, record: CostRecord) -> None:
        if _charges_log.isEnabledFor(logging.DEBUG):
            charge = record.charge
            _charges_log.debug(
                "%s %s/%s %s usd=%s reason=%s key=%s",
                charge.status, record.provider, record.model, record.operation, charge.usd, charge.reason, record.key,
            )  # fmt: skip
        if record.charge.status is Status.UNPRICED:
            self._tell_unpriced(record)

    def _tell_unpriced(self, record: CostRecord) -> None:
        charge = record.charge
        what = (record.provider, record.model, str(charge.reason))
        if what in self._told or len(self._told) >= _TOLD_AT_MOST:
            return
        self._told.add(what)
        advice = ""
        if charge.reason in _WANTS_PRICE:
            advice = (
                ". To add a price, name a file in OTEL_COST_PRICES with: prices: [{provider: "
                f"{record.provider or '<provider>'}, model: {record.model or '<model>'}, "
                "per_1m: {input: <USD>, output: <USD>}}]"
            )
        _log.warning(
            "unpriced, not counted as 0: provider %r, model %r: %s%s%s (said once)",
            record.provider, record.model, charge.reason, f" ({charge.detail})" if charge.detail else "", advice,
        )  # fmt: skip


_WANTS_PRICE: Final = (Reason.UNKNOWN_MODEL, Reason.UNKNOWN_PROVIDER, Reason.NO_RATE)
_TOLD_AT_MOST: Final = 1000
_UNDECIDED: Final = Charge(Status.UNPRICED, Reason.FAULT)


def _can_cost(reading: Reading, span: EndedSpan) -> bool:
    operation = reading.operation
    if operation in _COSTLESS or operation.endswith(("_memory", "_memory_store")):
        return False
    # fetch_response carries no tokens by convention; where one does, it is the first sight of a finished response.
    if operation == semconv.OP_FETCH_RESPONSE and reading.usage is None and not reading.problem:
        return False
    return bool(operation) or reading.usage is not None or bool(reading.problem)


def _charge_without_price(record: CostRecord, reading: Reading) -> Charge | None:
    """The charge where no price is needed to say it: contradictory counts, nothing reported, failed calls."""
    if reading.problem:
        return Charge(Status.UNPRICED, Reason.INVALID_USAGE, reading.problem)
    if record.usage is None:
        if record.error:
            return Charge(Status.PRICED, Reason.FAILED, record.error, source="rule")
        if record.layer is Layer.AGENT:
            return Charge(Status.UNPRICED, Reason.REMOTE_AGENT)
        return Charge(Status.UNPRICED, Reason.NO_USAGE, f"{record.scope or 'the span'} reported no token counts")
    return None


def _query(record: CostRecord, reading: Reading) -> PriceQuery:
    return PriceQuery(
        provider=record.provider,
        model=record.model,
        at_ns=record.start_ns,
        service_tier=reading.service_tier,
        server_address=reading.server_address,
        requested_model=record.model_requested,
    )


def _priced(record: CostRecord, query: PriceQuery, catalog: Catalog, estimated: bool) -> CostRecord:
    charge = catalog.price(record.usage or Usage.of({}), query)
    if estimated and charge.status is Status.PRICED:
        charge = replace(charge, status=Status.ESTIMATED, reason=Reason.USAGE_ESTIMATED)
    return replace(record, charge=charge)


def _sighting(record: CostRecord, reading: Reading, span: EndedSpan) -> Sighting:
    process = span.resource.get(semconv.SERVICE_INSTANCE_ID)
    return replace(
        _sighting_of_record(record),
        process=str(process) if process else record.trace_id,
        kind=span.kind,
        inside=span.inside,
    )


def _sighting_of_record(record: CostRecord) -> Sighting:
    usage = record.usage
    return Sighting(
        key=record.key,
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id,
        process=record.trace_id,
        tenant=record.labels.get("tenant", ""),
        scope=record.scope,
        layer=record.layer,
        kind="CLIENT",
        operation=record.operation,
        response_id=record.response_id,
        totals=NO_TOTALS if usage is None else (usage.get("input_tokens"), usage.get("output_tokens")),
        models=tuple(name for name in (record.model_answered, record.model_requested) if name),
        start_ns=record.start_ns,
        end_ns=record.end_ns,
    )
