"""One ended operation in, one ``CostRecord`` out to every taker: read, match, price, label.

The same code runs in the app (spans that end in this process) and in the server (spans that arrive by OTLP). The server
*adopts* a verdict that was made in process and prices only what comes without one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from otel_cost import dialects, labelling, semconv, shield, tool_calls, wire
from otel_cost.config import Config
from otel_cost.dialects import Reading, opinions
from otel_cost.ended import EndedSpan, record_of, sighting_of, sighting_of_record, verdict_of
from otel_cost.forking import after_fork_in_child
from otel_cost.matching import Matcher, Verdict
from otel_cost.model import Charge, CostRecord, Kind, Layer, Reason, Status, Usage, Void, record_key
from otel_cost.pricing import Catalog, PriceQuery, Pricer
from otel_cost.sightings import Sighting
from otel_cost.weighing import Weigher

_log = logging.getLogger(semconv.LOGGER)
_charges_log = logging.getLogger(semconv.LOGGER_CHARGES)

_COSTLESS: Final = frozenset({"create_agent", "plan", "retrieval"})
"""Operations that cost nothing by themselves; memory operations are told by their suffix. Tools go by their prices."""


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
        clock_ns: UTC nanoseconds.
    """

    def __init__(
        self,
        *,
        config: Config,
        pricer: Pricer,
        takers: Sequence[Taker],
        matcher: Matcher,
        adopt: bool = False,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._pricer = pricer
        self._takers = tuple(takers)
        self._matcher = matcher
        self._adopt = adopt
        self._clock_ns = clock_ns
        self._resolver = labelling.Resolver(config)
        self._weigher = Weigher(config.prices.second_opinions)
        self._has_own_prices = bool(config.prices.files or config.prices.overlay)
        self._forget_waiting()
        after_fork_in_child(self._forget_waiting)
        self._told: set[tuple[str, str, str]] = set()
        pricer.on_ready(self._settle_waiting)

    def _forget_waiting(self) -> None:
        """Nothing waits (yet; or in a forked child, since what waited is its parent's to settle)."""
        self._waiting: list[tuple[CostRecord, PriceQuery, str]] = []
        self._in_flight = 0
        self._settling = threading.Condition()

    def process(self, span: EndedSpan) -> CostRecord | None:
        """Settle one ended span; None when it is no operation that can cost."""
        if self._adopt:
            self._take_back(self._matcher.pass_by(span.trace_id, span.span_id, span.parent_span_id))
        reading = dialects.read(span.scope, span.kind, span.attributes, span.scope_version)
        if reading is not None and reading.operation == semconv.OP_EXECUTE_TOOL:
            return self._process_tool(span, reading)
        if reading is None or not _can_cost(reading):
            return None
        who = self._resolver.resolve(span.resource, span.attributes, span.labels)
        key = record_key(span.trace_id, span.span_id)
        sighting = sighting_of(span, reading, key, who.get("tenant", ""))
        adopted = wire.verdict_on(span.attributes) if self._adopt else None
        if adopted is not None:
            record = record_of(span, reading, key, who, adopted.charge, adopted.counted_as)
            if adopted.opinions:
                record = replace(record, opinions=adopted.opinions)
            return self._adopted(record, sighting, _query(span, reading))
        if reading.follows and not span.error:
            verdict = _USAGE_FOLLOWS
            self._matcher.note(sighting, verdict, self._clock_ns())
        else:
            verdict = self._matcher.judge(sighting, self._clock_ns())
        return self._settle(span, reading, key, who, verdict)

    def take(self, record: CostRecord) -> None:
        """A record that arrives complete (an ``otel_cost.charge`` event): its verdict is adopted."""
        self._adopted(record, sighting_of_record(record))

    def remember(self, record: CostRecord) -> None:
        """Judge what comes against ``record`` as well, without handing it on (what the book had before a restart)."""
        self._matcher.note(sighting_of_record(record), verdict_of(record), self._clock_ns())

    def flush(self, timeout_s: float) -> bool:
        """Wait until records that wait for prices are settled. False when they are not in time."""
        deadline = time.monotonic() + timeout_s
        if self._waiting:
            self._settle_waiting(self._pricer.catalog(timeout_s))
        with self._settling:
            left = max(0.0, deadline - time.monotonic())
            return self._settling.wait_for(lambda: not self._waiting and not self._in_flight, left)

    def _adopted(self, record: CostRecord, sighting: Sighting, query: PriceQuery | None = None) -> CostRecord:
        """Book a verdict that was made in process, unless another process's span of the same call was booked."""
        made = verdict_of(record)
        if record.opinions:
            record = self._weigher.compare(record, self._own_charge(record, query))
        sighting = sighting._replace(priced=record.charge.status.counted)
        verdict = self._matcher.adopt(sighting, made, self._clock_ns())
        if verdict.status is not None and made.status is None:
            record = replace(record, charge=Charge(verdict.status, verdict.reason), counted_as=verdict.counted_as)
        self._take_back(verdict.voids)
        self._hand_on(record)
        return record

    # --- tools --------------------------------------------------------------------------------------------------------

    def _process_tool(self, span: EndedSpan, reading: Reading) -> CostRecord | None:
        """Settle a tool's call; None where no price file names the tool, which then is no operation that can cost.

        While prices load that is not known: the call waits, and its span says nothing.
        """
        reading = tool_calls.reading_of(reading, span.attributes)
        who = self._resolver.resolve(span.resource, span.attributes, span.labels)
        key = record_key(span.trace_id, span.span_id)
        sighting = sighting_of(span, reading, key, who.get("tenant", ""))
        adopted = wire.verdict_on(span.attributes) if self._adopt else None
        if adopted is not None:
            record = record_of(span, reading, key, who, adopted.charge, adopted.counted_as)
            return self._adopted(replace(record, kind=Kind.TOOL), sighting)
        catalog = self._pricer.catalog(0) if self._pricer.ready() else None
        call = (reading.model_requested, span.start_ns, span.error)
        charge = tool_calls.charge_of(catalog, *call) if catalog is not None else _LOADING
        if charge is None or not (self._has_own_prices and reading.model_requested):
            return None
        verdict = self._matcher.judge(sighting, self._clock_ns())
        if verdict.status is not None:
            charge = Charge(verdict.status, verdict.reason)
        record = replace(record_of(span, reading, key, who, charge, verdict.counted_as), kind=Kind.TOOL)
        if not self._adopt and verdict.again:
            return record
        self._take_back(verdict.voids)
        if charge is _LOADING:
            self._wait_for_prices(record, _query(span, reading), "")
            return None
        self._hand_on(record)
        return record

    # --- steps --------------------------------------------------------------------------------------------------------

    def _settle(
        self, span: EndedSpan, reading: Reading, key: str, who: Mapping[str, str], verdict: Verdict
    ) -> CostRecord:
        settles = self._adopt or not verdict.again
        query: PriceQuery | None = None
        if verdict.status is not None:
            charge = Charge(verdict.status, verdict.reason)
        else:
            charge = _charge_without_price(span, reading) or _LOADING
            if charge is _LOADING:
                query = _query(span, reading)
                if self._pricer.ready() and (catalog := self._pricer.catalog(0)) is not None:
                    charge = _price(reading.usage, query, catalog, _estimated(span, reading))
        record = record_of(span, reading, key, who, charge, verdict.counted_as)
        # A wrapper's cost is the sum of other calls': no opinion on one.
        if verdict.status is not Status.WRAPPER:
            said = opinions.read(span.attributes, reading.provider, reading.server_address)
            if said:
                own = self._own_charge(record, query or _query(span, reading))
                record = self._weigher.weigh(replace(record, opinions=said), own)
        if not settles:
            return record
        self._take_back(verdict.voids)
        if charge is _LOADING and query is not None:
            self._wait_for_prices(record, query, _estimated(span, reading))
        else:
            self._hand_on(record)
        return record

    def _own_charge(self, record: CostRecord, query: PriceQuery | None) -> Charge | None:
        """What a duplicate would cost by itself, for opinions to be compared with; no money. None while prices load."""
        if record.charge.status is not Status.DUPLICATE or record.usage is None or query is None:
            return None
        catalog = self._pricer.catalog(0) if self._pricer.ready() else None
        return catalog.price(record.usage, query) if catalog is not None else None

    def _wait_for_prices(self, record: CostRecord, query: PriceQuery, estimated: str) -> None:
        self._pricer.start_loading()
        with self._settling:
            self._waiting.append((record, query, estimated))
        # The load may have ended between the check and the append.
        if self._pricer.ready() or self._pricer.failed():
            self._settle_waiting(self._pricer.catalog(0))

    def _settle_waiting(self, catalog: Catalog | None) -> None:
        """Settle what waits, as unpriced where prices could not be loaded; nothing while they may still come."""
        if catalog is None and not self._pricer.failed():
            return
        with self._settling:
            waiting, self._waiting = self._waiting, []
            self._in_flight += len(waiting)
        try:
            for record, query, estimated in waiting:
                shield.run("settling what waited", None, self._settle_late, record, query, estimated, catalog)
        finally:
            with self._settling:
                self._in_flight -= len(waiting)
                self._settling.notify_all()

    def _settle_late(self, record: CostRecord, query: PriceQuery, estimated: str, catalog: Catalog | None) -> None:
        charge: Charge | None = Charge(Status.UNPRICED, Reason.NO_PRICES)
        if record.kind is Kind.TOOL:
            call = (record.model, record.start_ns, record.error)
            charge = tool_calls.charge_of(catalog, *call) if catalog is not None else None
        elif catalog is not None:
            charge = _price(record.usage, query, catalog, estimated)
        if charge is not None:
            self._hand_on(self._weigher.weigh(replace(record, charge=charge)))

    def _hand_on(self, record: CostRecord) -> None:
        self._tell(record)
        for taker in self._takers:
            # One that fails must not keep the record from the next, nor from those that wait behind it.
            shield.run(f"taker {type(taker).__name__}", None, taker.take, record)

    def _take_back(self, voids: Iterable[Void]) -> None:
        for void in voids:
            for taker in self._takers:
                shield.run(f"taker {type(taker).__name__}", None, taker.void, void)

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
_GIVEN_UP: Final = (
    *("Timeout", "Cancelled", "Canceled", "GeneratorExit", "KeyboardInterrupt"),  # the app stopped waiting
    *("ReadError", "RemoteProtocolError"),  # the connection was lost after the request was sent
)
"""Error types of calls that were given up on: the provider may have answered, and billed, all the same."""
_LOADING: Final = Charge(Status.UNPRICED, Reason.PRICES_LOADING)


def _can_cost(reading: Reading) -> bool:
    operation = reading.operation
    if operation in _COSTLESS or operation.endswith(("_memory", "_memory_store")):
        return False
    # fetch_response carries no tokens by convention; where one does, it is the first sight of a finished response.
    if operation == semconv.OP_FETCH_RESPONSE and reading.usage is None and not reading.problem:
        return False
    return bool(operation) or reading.usage is not None or bool(reading.problem)


def _charge_without_price(span: EndedSpan, reading: Reading) -> Charge | None:
    """The charge where no price is needed to say it: contradictory counts, nothing reported, failed calls."""
    if reading.problem:
        return Charge(Status.UNPRICED, Reason.INVALID_USAGE, reading.problem)
    if reading.usage is None:
        if span.error:
            if any(word in span.error for word in _GIVEN_UP):
                return Charge(Status.UNPRICED, Reason.ABORTED, span.error)
            return Charge(Status.PRICED, Reason.FAILED, span.error, source="rule")
        if reading.layer is Layer.AGENT:
            return Charge(Status.UNPRICED, Reason.REMOTE_AGENT)
        return Charge(Status.UNPRICED, Reason.NO_USAGE, f"{span.scope or 'the span'} reported no token counts")
    return None


def _query(span: EndedSpan, reading: Reading) -> PriceQuery:
    return PriceQuery(
        provider=reading.provider,
        model=reading.model_answered or reading.model_requested,
        at_ns=span.start_ns,
        service_tier=reading.service_tier,
        server_address=reading.server_address,
        requested_model=reading.model_requested,
    )


def _estimated(span: EndedSpan, reading: Reading) -> str:
    """Who estimated the counts and how, in words; empty where the provider counted."""
    if not reading.estimated:
        return ""
    how = span.attributes.get(semconv.USAGE_ESTIMATED_HOW)
    return how if isinstance(how, str) and how else reading.estimated


def _price(usage: Usage | None, query: PriceQuery, catalog: Catalog, estimated: str) -> Charge:
    charge = catalog.price(usage if usage is not None else _NO_COUNTS, query)
    if estimated and charge.status is Status.PRICED:
        detail = "; ".join(filter(None, (estimated, charge.detail)))
        return replace(charge, status=Status.ESTIMATED, reason=Reason.USAGE_ESTIMATED, detail=detail)
    return charge


_NO_COUNTS: Final = Usage.of({})
_USAGE_FOLLOWS: Final = Verdict(Status.WRAPPER, Reason.USAGE_FOLLOWS)
"""On a span that only opened a stream: its emitter tells what it used on a later span."""
