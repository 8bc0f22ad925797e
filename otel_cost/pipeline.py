"""One ended operation in, one ``CostRecord`` out to every taker: read, match, price, label.

The same code runs in the app (spans that end in this process) and in the server (spans that arrive by OTLP). The server
*adopts* a verdict that was made in process and prices only what comes without one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, Protocol

from otel_cost import charging, dialects, items, labelling, semconv, shield, wire
from otel_cost.charging import LOADING, NO_PRICES
from otel_cost.config import Config
from otel_cost.dialects import Reading, opinions
from otel_cost.ended import EndedSpan, record_of, sighting_of, sighting_of_record, verdict_of
from otel_cost.items import Item
from otel_cost.matching import Matcher, Verdict
from otel_cost.model import Charge, CostRecord, Kind, Reason, Status, Void, record_key
from otel_cost.pricing import Catalog, PriceQuery, Pricer
from otel_cost.pricing.schedules import SoFar
from otel_cost.sightings import Sighting
from otel_cost.telling import Teller
from otel_cost.waiting_room import Price, Waiting, WaitingRoom
from otel_cost.weighing import Weigher


class Taker(Protocol):
    """Takes settled records: metrics, budgets, ledger. Called from whatever thread ended the span; must not block."""

    def take(self, record: CostRecord) -> None:
        """One operation, with its final verdict."""

    def void(self, void: Void) -> None:
        """Money of an earlier record is taken back (never happens in process: a counter cannot fall)."""

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was taken is where it belongs. False when that took longer."""
        ...


UsedBefore = Callable[[Catalog, PriceQuery, str], SoFar | None]
"""What was used before the call of a key under its price schedule; None where it is under none."""


class _Seen(NamedTuple):
    """A span that is settled: what it says, whose it is, and what it is to matching."""

    span: EndedSpan
    reading: Reading
    kind: Kind
    who: Mapping[str, str]
    sighting: Sighting

    def record(self, charge: Charge, counted_as: str = "") -> CostRecord:
        record = record_of(self.span, self.reading, self.sighting.key, self.who, charge, counted_as)
        return record if self.kind is Kind.LLM else replace(record, kind=self.kind)


class Pipeline:
    """Reads, matches, prices and hands on. Thread-safe.

    Args:
        config: Labels, mainly.
        pricer: Prices, perhaps still loading.
        takers: Who gets every record, in this order.
        matcher: What counts each call once; shared by all pipelines of a process.
        adopt: Take over verdicts that stand on spans already (the server).
        used_before: For prices that depend on it. None: schedules do not apply (an app knows its own use only, and an
            allowance that another process may have used up is none).
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
        used_before: UsedBefore | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._pricer = pricer
        self._takers = tuple(takers)
        self._matcher = matcher
        self._adopt = adopt
        self._used_before = used_before
        self._clock_ns = clock_ns
        self._resolver = labelling.Resolver(config)
        self._weigher = Weigher(config.prices.second_opinions)
        self._has_own_prices = bool(config.prices.files or config.prices.overlay)
        self._teller = Teller()
        self._waiting = WaitingRoom(pricer, lambda record: self._hand_on(self._weigher.weigh(record)))

    def process(self, span: EndedSpan) -> CostRecord | None:
        """Settle one ended span; None when it is no operation that can cost."""
        if self._adopt:
            self._take_back(self._matcher.pass_by(span.trace_id, span.span_id, span.parent_span_id))
        if span.attributes.get(semconv.DISABLED) is True:
            return None
        reading = dialects.read(span.scope, span.kind, span.attributes, span.scope_version)
        item = items.item_of(reading, span.attributes)
        if item is not None:
            return self._process_item(self._seen(span, item.reading, item.kind), item)
        if reading is None or not charging.can_cost(reading):
            return None
        return self._process_call(self._seen(span, reading, Kind.LLM))

    def take(self, record: CostRecord) -> None:
        """A record that arrives complete (an ``otel_cost.charge`` event): its verdict is adopted."""
        self._adopted(record, sighting_of_record(record))

    def remember(self, record: CostRecord) -> None:
        """Judge what comes against ``record`` as well, without handing it on (what the book had before a restart, and
        what another server books)."""
        self._matcher.note(sighting_of_record(record)._replace(adopted=True), verdict_of(record), self._clock_ns())

    def flush(self, timeout_s: float) -> bool:
        """Wait until records that wait for prices are settled, and every taker has put away what it took. False when
        they are not in time."""
        deadline = time.monotonic() + timeout_s
        settled = self._waiting.flush(timeout_s)
        for taker in self._takers:
            left_s = max(0.0, deadline - time.monotonic())
            settled = shield.run(f"taker {type(taker).__name__}", False, taker.flush, left_s) and settled
        return settled

    # --- one span -----------------------------------------------------------------------------------------------------

    def _seen(self, span: EndedSpan, reading: Reading, kind: Kind) -> _Seen:
        who = self._resolver.resolve(span.resource, span.attributes, span.labels)
        key = record_key(span.trace_id, span.span_id)
        sighting = sighting_of(span, reading, key, who.get("tenant", ""), of_model=kind is Kind.LLM)
        return _Seen(span, reading, kind, who, sighting)

    def _process_call(self, seen: _Seen) -> CostRecord:
        query = charging.query_of(seen.span, seen.reading)
        adopted = self._verdict_on(seen)
        if adopted is not None:
            return self._adopted(adopted, seen.sighting, query)
        # Before it is judged: asking the book may fail, and what is judged once is not said again.
        so_far = self._so_far(seen, query)
        if charging.usage_follows(seen.span, seen.reading):
            verdict = _USAGE_FOLLOWS
            self._matcher.note(seen.sighting, verdict, self._clock_ns())
        else:
            verdict = self._matcher.judge(seen.sighting, self._clock_ns())
        estimated = charging.estimated_by(seen.span, seen.reading)
        price = partial(charging.price, seen.reading.usage, query, estimated, so_far=so_far)
        record = seen.record(self._charge(seen, verdict, price), verdict.counted_as)
        # A wrapper's cost is the sum of other calls': no opinion on one.
        if verdict.status is not Status.WRAPPER:
            record = self._weighed(record, seen, query)
        return self._settle(record, verdict, Waiting(record, price, NO_PRICES))

    def _process_item(self, seen: _Seen, item: Item) -> CostRecord | None:
        """Settle a tool's call or a used resource; None for a tool that no price file names, which then is no operation
        that can cost. While prices load that is not known: it waits, and its span says nothing."""
        adopted = self._verdict_on(seen)
        if adopted is not None:
            return self._adopted(adopted, seen.sighting)
        price = partial(items.charge_of, item, seen.span.start_ns, seen.span.error)
        charge = item.given or self._item_charge(item, price)
        if charge is None:
            return None
        verdict = self._matcher.judge(seen.sighting, self._clock_ns())
        if verdict.status is not None:
            charge = Charge(verdict.status, verdict.reason)
        record = seen.record(charge, verdict.counted_as)
        self._settle(record, verdict, Waiting(record, price, NO_PRICES if item.declared else None))
        return record if item.declared or charge is not LOADING else None

    def _verdict_on(self, seen: _Seen) -> CostRecord | None:
        """The record with the verdict that stands on the span already, where that is to be adopted."""
        found = wire.verdict_on(seen.span.attributes) if self._adopt else None
        if found is None:
            return None
        record = seen.record(found.charge, found.counted_as)
        return replace(record, opinions=found.opinions) if found.opinions else record

    def _adopted(self, record: CostRecord, sighting: Sighting, query: PriceQuery | None = None) -> CostRecord:
        """Book a verdict that was made in process, unless another process's span of the same call was booked."""
        made = verdict_of(record)
        if record.opinions:
            record = self._weigher.compare(record, self._own_charge(record, query))
        sighting = sighting._replace(priced=record.charge.status.counted, adopted=True)
        verdict = self._matcher.adopt(sighting, made, self._clock_ns())
        if verdict.status is not None and made.status is None:
            record = replace(record, charge=Charge(verdict.status, verdict.reason), counted_as=verdict.counted_as)
        self._take_back(verdict.voids)
        self._hand_on(record)
        return record

    def _settle(self, record: CostRecord, verdict: Verdict, waiting: Waiting) -> CostRecord:
        """Hand a record on, or let it wait for prices. In process what was judged before was handed on before."""
        if verdict.again and not self._adopt:
            return record
        self._take_back(verdict.voids)
        if record.charge is LOADING:
            self._waiting.put(waiting)
        else:
            self._hand_on(record)
        return record

    # --- its charge ---------------------------------------------------------------------------------------------------

    def _catalog(self) -> Catalog | None:
        """The prices, where they are there."""
        return self._pricer.catalog(0) if self._pricer.ready() else None

    def _charge(self, seen: _Seen, verdict: Verdict, price: Callable[[Catalog], Charge]) -> Charge:
        if verdict.status is not None:
            return Charge(verdict.status, verdict.reason)
        charge = charging.without_price(seen.span, seen.reading)
        if charge is not None:
            return charge
        catalog = self._catalog()
        return LOADING if catalog is None else price(catalog)

    def _so_far(self, seen: _Seen, query: PriceQuery) -> SoFar | None:
        if self._used_before is None or seen.reading.usage is None:
            return None
        catalog = self._catalog()
        return None if catalog is None else self._used_before(catalog, query, seen.sighting.key)

    def _item_charge(self, item: Item, price: Price) -> Charge | None:
        catalog = self._catalog()
        if catalog is not None:
            return price(catalog)
        return LOADING if item.declared or (self._has_own_prices and item.name) else None

    def _weighed(self, record: CostRecord, seen: _Seen, query: PriceQuery) -> CostRecord:
        said = opinions.read(seen.span.attributes, seen.reading.provider, seen.reading.server_address)
        if not said:
            return record
        return self._weigher.weigh(replace(record, opinions=said), self._own_charge(record, query))

    def _own_charge(self, record: CostRecord, query: PriceQuery | None) -> Charge | None:
        """What a duplicate would cost by itself, for opinions to be compared with; no money. None while prices load."""
        if record.charge.status is not Status.DUPLICATE or record.usage is None or query is None:
            return None
        catalog = self._catalog()
        return catalog.price(record.usage, query) if catalog is not None else None

    # --- who gets it --------------------------------------------------------------------------------------------------

    def _hand_on(self, record: CostRecord) -> None:
        self._teller.tell(record)
        for taker in self._takers:
            # One that fails must not keep the record from the next, nor from those that wait behind it.
            shield.run(f"taker {type(taker).__name__}", None, taker.take, record)

    def _take_back(self, voids: Iterable[Void]) -> None:
        for void in voids:
            for taker in self._takers:
                shield.run(f"taker {type(taker).__name__}", None, taker.void, void)


_USAGE_FOLLOWS: Final = Verdict(Status.WRAPPER, Reason.USAGE_FOLLOWS)
"""On a span that only opened a stream: its emitter tells what it used on a later span."""
