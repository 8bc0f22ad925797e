"""What was used before a call, for prices that depend on it: read from the book once, then kept up with it.

Every call in the book that has a price counts, whoever priced it: the provider's allowance does not know where a price
was worked out. A call is charged after those that were known when it was priced, which is the order of arrival, not of
time: schedules are marginal, so that a period's sum is the same, and ``otel-cost reprice`` puts it in order of time.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from otel_cost.ledger.base import MAX_STORED, Entry
from otel_cost.ledger.questions import Used
from otel_cost.model import Called, Charge, CostRecord, Kind, Terms
from otel_cost.pricing import Catalog, PriceQuery, Pricer
from otel_cost.pricing.providers import priced_model
from otel_cost.pricing.schedules import Schedule, SoFar

MAX_ACCOUNTS: Final = 1024
"""Periods of schedules that are kept; one that is let go is read from the book again when a call needs it."""
MAX_REMEMBERED: Final = 100_000
"""Keys of booked calls that are known to be in the accounts when they are sent again."""
_UNKNOWN: Final = Terms()

BookedUse = Callable[[int, int], Iterable[Used]]
"""What was used from (inclusive) one UTC ns to (exclusive) another: ``Ledger.used``."""


class Place(NamedTuple):
    """An account: one period of one schedule, under one set of prices."""

    catalog: str
    schedule: Schedule
    start_ns: int


@dataclass(slots=True)
class Account:
    """Sums over calls."""

    counts: Counter[str] = field(default_factory=Counter[str])
    list_nano: int = 0
    calls: int = 0
    """Those that were added; not the ones that were read as sums."""

    def add(self, counts: Mapping[str, int], list_nano: int, times: int = 1) -> None:
        """One call (``times`` -1: taken back). It is one request, unless it says how many it was."""
        for unit, count in counts.items():
            self.counts[unit] += times * count
        if "requests" not in counts:
            self.counts["requests"] += times
        self.list_nano += times * list_nano
        self.calls += times


def query_of(called: Called, at_ns: int) -> PriceQuery:
    """The question that a call's price answers. Terms that are not known are the plain ones."""
    terms = called.terms or _UNKNOWN
    return PriceQuery(
        provider=called.provider,
        model=priced_model(called.provider, called.model_requested, called.model_answered),
        at_ns=at_ns,
        service_tier=terms.service_tier,
        server_address=terms.server_address,
        requested_model=called.model_requested,
    )


class Accounts:
    """What was used, by schedule and period. Not thread-safe.

    Args:
        booked: Reads the book.
        until_ns: Only what started before that is read; what comes later is added here.
    """

    def __init__(self, booked: BookedUse, until_ns: int = MAX_STORED + 1) -> None:
        self._booked = booked
        self._until_ns = until_ns
        self._accounts: OrderedDict[Place, Account] = OrderedDict()

    def place(self, catalog: Catalog, query: PriceQuery) -> Place | None:
        """Where a call is counted; None where it is under no schedule."""
        schedule = catalog.schedule(query)
        if schedule is None:
            return None
        return Place(catalog.version, schedule, schedule.period_around(query.at_ns)[0])

    def account(self, catalog: Catalog, place: Place) -> Account:
        """Raises LedgerError where it has to be read and the book cannot be."""
        account = self._accounts.get(place)
        if account is None:
            account = self._accounts[place] = self._read(catalog, place)
            if len(self._accounts) > MAX_ACCOUNTS:
                self._accounts.popitem(last=False)
        self._accounts.move_to_end(place)
        return account

    def read_already(self, place: Place) -> Account | None:
        return self._accounts.get(place)

    def _read(self, catalog: Catalog, place: Place) -> Account:
        account = Account()
        for start, end in self._parts(catalog, place):
            for used in self._booked(start, end):
                if catalog.schedule(query_of(used.called, start)) == place.schedule:
                    account.counts.update(used.counts)
                    account.list_nano += used.list_nano
        return account

    def _parts(self, catalog: Catalog, place: Place) -> Iterable[tuple[int, int]]:
        """The period, cut where a schedule begins or ends: within a part, who is under which does not change."""
        end_ns = min(place.schedule.period_around(place.start_ns)[1], self._until_ns)
        schedules = catalog.overlays.sections.schedules
        limits = {edge for schedule in schedules for edge in (schedule.from_ns, schedule.until_ns) if edge is not None}
        inside = sorted(edge for edge in limits if place.start_ns < edge < end_ns)
        parts = pairwise([place.start_ns, *inside, end_ns])
        return [(start, end) for start, end in parts if start < end and place.schedule.active(start)]


class UsedBefore:
    """What was used before each call that a server prices: what is booked, and what waits to be.

    Thread-safe. Hold ``turn`` while the book is written and :meth:`booked` is told of it, so that no account is read in
    between. That two calls are never charged as if the other had not been is for whoever prices them: in turns.

    Args:
        booked: Reads the book. What other processes add to it is seen once :meth:`read_anew` was called.
        pricer: The prices in use.
    """

    def __init__(self, booked: BookedUse, pricer: Pricer) -> None:
        self._pricer = pricer
        self._booked = booked
        self._others_booked = False
        self._accounts = Accounts(booked)
        self._waiting: dict[str, tuple[Place, Mapping[str, int], int]] = {}
        self._waiting_sums: dict[Place, Account] = {}
        self._known: OrderedDict[str, None] = OrderedDict()
        self.turn = threading.RLock()

    def before(self, catalog: Catalog, query: PriceQuery, key: str) -> SoFar | None:
        """What was used before the call ``key``; None where it is under no schedule.

        Raises:
            LedgerError: the book cannot be read.
        """
        place = self._accounts.place(catalog, query)
        if place is None:
            return None
        with self.turn:
            self._forget(key)
            account = self._accounts.account(catalog, place)
            waiting = self._waiting_sums.get(place)
            if waiting is None:
                return SoFar(dict(account.counts), account.list_nano)
            return SoFar(account.counts + waiting.counts, account.list_nano + waiting.list_nano)

    def take(self, record: CostRecord) -> None:
        """A record that is about to be booked counts from now on."""
        place = self._place(record.kind, record.charge, record.called, record.start_ns)
        if place is None:
            return
        counts = record.usage.counts if record.usage is not None else {}
        with self.turn:
            self._forget(record.key)
            if record.key not in self._known:
                listed = record.charge.towards_schedule_nano
                self._waiting[record.key] = (place, counts, listed)
                self._waiting_sums.setdefault(place, Account()).add(counts, listed)

    def booked(self, keys: Iterable[str], entries: Iterable[Entry]) -> None:
        """The records ``keys`` do not wait any more; ``entries`` are what the book gained by them."""
        with self.turn:
            for key in keys:
                if self._forget(key):
                    self._known[key] = None
            while len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
            for entry in entries:
                self._book(entry)

    def others_booked(self) -> None:
        """The book was changed by another process."""
        self._others_booked = True

    def read_anew(self) -> bool:
        """Read the book again, as calls need it, if others have changed it since; whether they had."""
        if not self._others_booked:
            return False
        with self.turn:
            self._others_booked = False
            self._accounts = Accounts(self._booked)
        return True

    def _book(self, entry: Entry) -> None:
        place = self._place(entry.dimensions.get("kind", ""), entry.charge, entry.called, entry.occurred_ns)
        account = self._accounts.read_already(place) if place is not None else None
        if account is not None:
            account.add(entry.usage, entry.charge.towards_schedule_nano, entry.operations)

    def _place(self, kind: str, charge: Charge, called: Called, at_ns: int) -> Place | None:
        catalog = self._pricer.catalog(0)
        if catalog is None or not charge.status.counted or kind != Kind.LLM:
            return None
        if not catalog.overlays.sections.schedules:
            return None  # nearly always: no need to say of each call what its price went by
        return self._accounts.place(catalog, query_of(called, at_ns))

    def _forget(self, key: str) -> bool:
        """Stop waiting for ``key``; whether it did wait."""
        waited = self._waiting.pop(key, None)
        if waited is None:
            return False
        place, counts, listed = waited
        sums = self._waiting_sums[place]
        sums.add(counts, listed, -1)
        if not sums.calls:
            del self._waiting_sums[place]
        return True
