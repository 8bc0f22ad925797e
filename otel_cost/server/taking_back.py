"""Money of calls that turn out to have been counted twice, out of the book, its metrics and the budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

from otel_cost.ledger.base import Ledger
from otel_cost.ledger.keys import AccessKeys
from otel_cost.model import Void
from otel_cost.server.budgets import BudgetKeeping
from otel_cost.server.metrics import BookMetrics
from otel_cost.used_before import UsedBefore


class TakingBack:
    """Any thread. Writes by itself: what waits to be booked has senders that wait for it.

    What one key with a scope can write does not take back what it cannot see.
    """

    def __init__(
        self,
        ledger: Ledger,
        keys: AccessKeys | None,
        metrics: BookMetrics,
        budgets: BudgetKeeping,
        used: UsedBefore,
        clock: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._metrics = metrics
        self._budgets = budgets
        self._used = used
        self._clock = clock

    def __call__(self, voids: Sequence[Void]) -> set[str]:
        """Book ``voids``; the keys of those that had an effect. Raises LedgerError: then none had."""
        voids = self._of_one_scope(voids)
        with self._used.turn:
            written = self._ledger.write((), voids, booked_at_ns=self._clock())
            self._used.booked((), written.entries)
        self._metrics.book(written.entries)
        done = {entry.record_key for entry in written.entries}
        for void in voids:
            if void.key in done:
                self._budgets.void(void)
        return done

    def _of_one_scope(self, voids: Sequence[Void]) -> list[Void]:
        """Those whose two records no key's scope has between them."""
        found = list(voids)
        for scope in self._scopes():
            outside = self._outside({key for void in found for key in (void.key, void.counted_as)}, scope)
            found = [void for void in found if (void.key in outside) == (void.counted_as in outside)]
        return found

    def _scopes(self) -> list[dict[str, str]]:
        scopes: list[dict[str, str]] = []
        for key in self._keys.all() if self._keys is not None else ():
            if key.scope and dict(key.scope) not in scopes:
                scopes.append(dict(key.scope))
        return scopes

    def _outside(self, keys: Set[str], scope: Mapping[str, str]) -> Set[str]:
        return self._keys.booked_outside(keys, scope) if self._keys is not None else frozenset()
