"""Records of calls that ended before the prices were there: they wait, and are settled when they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from otel_cost import shield
from otel_cost.forking import after_fork_in_child
from otel_cost.model import Charge, CostRecord
from otel_cost.pricing import Catalog, Pricer

Price = Callable[[Catalog], Charge | None]
"""What a record costs by a catalog; None: it turns out to be no operation that can cost."""


class Waiting(NamedTuple):
    """One that waits. ``otherwise``: its charge if prices cannot be loaded; None: then it never was one."""

    record: CostRecord
    price: Price
    otherwise: Charge | None


class WaitingRoom:
    """Thread-safe. A forked child starts empty, since what waited is its parent's to settle.

    Args:
        pricer: Says when prices are there, or cannot be loaded.
        settle: Takes each record with its charge; called from the thread that loaded the prices, or from a flush.
    """

    def __init__(self, pricer: Pricer, settle: Callable[[CostRecord], None]) -> None:
        self._pricer = pricer
        self._settle = settle
        self._empty()
        after_fork_in_child(self._empty)
        pricer.on_ready(self._let_out)

    def _empty(self) -> None:
        self._waiting: list[Waiting] = []
        self._in_flight = 0
        self._changed = threading.Condition()

    def put(self, waiting: Waiting) -> None:
        self._pricer.start_loading()
        with self._changed:
            self._waiting.append(waiting)
        # The load may have ended between the caller's look and the append.
        if self._pricer.ready() or self._pricer.failed():
            self._let_out(self._pricer.catalog(0))

    def flush(self, timeout_s: float) -> bool:
        """Wait until nobody waits. False when that took longer."""
        deadline = time.monotonic() + timeout_s
        if self._waiting:
            self._let_out(self._pricer.catalog(timeout_s))
        with self._changed:
            left = max(0.0, deadline - time.monotonic())
            return self._changed.wait_for(lambda: not self._waiting and not self._in_flight, left)

    def _let_out(self, catalog: Catalog | None) -> None:
        """Settle what waits, as unpriced where prices could not be loaded; nothing while they may still come."""
        if catalog is None and not self._pricer.failed():
            return
        with self._changed:
            waiting, self._waiting = self._waiting, []
            self._in_flight += len(waiting)
        try:
            for one in waiting:
                shield.run("settling what waited", None, self._settle_one, one, catalog)
        finally:
            with self._changed:
                self._in_flight -= len(waiting)
                self._changed.notify_all()

    def _settle_one(self, waiting: Waiting, catalog: Catalog | None) -> None:
        charge = waiting.price(catalog) if catalog is not None else waiting.otherwise
        if charge is not None:
            self._settle(replace(waiting.record, charge=charge))
