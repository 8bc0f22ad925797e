"""The server's parts, put together: what every request works with, its beginning and its end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Self

from otel_cost.budgets.stores import MemoryStore, Store
from otel_cost.config import Config
from otel_cost.errors import ConfigError, LedgerError
from otel_cost.ledger import audit
from otel_cost.ledger.audit import Audited
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.events import Events, Reported
from otel_cost.ledger.keys import AccessKeys
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.matching import CAPACITY, Matcher
from otel_cost.pipeline import Pipeline
from otel_cost.pricing import Pricer, pricer_of
from otel_cost.server.access import Access
from otel_cost.server.book import Book
from otel_cost.server.book_totals import BookTotals
from otel_cost.server.budget_calls import BudgetCalls
from otel_cost.server.budgets import BudgetKeeping, open_budget_store
from otel_cost.server.closed_days import ClosedDays
from otel_cost.server.fence import Fence
from otel_cost.server.health import HealthReport
from otel_cost.server.ingest import Ingest
from otel_cost.server.job_metrics import JobMetrics
from otel_cost.server.keeping import REMEMBERED_NS, Keeping
from otel_cost.server.live import Live
from otel_cost.server.metrics import BookMetrics
from otel_cost.server.readiness import Readiness
from otel_cost.server.taking_back import TakingBack
from otel_cost.server.told import ToldEvents
from otel_cost.used_before import UsedBefore


@dataclass(frozen=True, slots=True)
class Beside:
    """What a database has beside the book; a ledger of another kind has none of it."""

    keys: AccessKeys | None = None
    events: Events | None = None
    ledger: SqlLedger | None = None

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        return cls(AccessKeys(ledger), Events(ledger), ledger) if isinstance(ledger, SqlLedger) else cls()

    def outside(self, keys: Collection[str], scope: Mapping[str, str]) -> Set[str]:
        """Those records that the book has outside of ``scope``. Where no keys can be made, none has a scope."""
        return self.keys.booked_outside(keys, scope) if self.keys is not None else frozenset()

    def done(self, limit: int) -> Sequence[Audited]:
        """The newest of what was done to the server."""
        return audit.newest(self.ledger, limit=limit) if self.ledger is not None else ()

    def told(self, from_ns: int, to_ns: int, limit: int) -> Sequence[Reported]:
        """The newest of what apps told of their own budgets."""
        return self.events.newest(from_ns, to_ns, limit=limit) if self.events is not None else ()


@dataclass(frozen=True, slots=True)
class Parts:
    """Of one app. ``closes_ledger``: whether the book was opened here."""

    ledger: Ledger
    closes_ledger: bool
    beside: Beside
    pricer: Pricer
    clock: Callable[[], int]
    metrics: BookMetrics
    live: Live
    book: Book
    budgets: BudgetKeeping
    calls: BudgetCalls
    access: Access
    pipeline: Pipeline
    ingest: Ingest
    keeping: Keeping
    readiness: Readiness
    report: HealthReport

    @classmethod
    def of(
        cls, config: Config, ledger: Ledger | None, store: Store | None, pricer: Pricer | None, clock: Callable[[], int]
    ) -> Self:
        """See :func:`otel_cost.server.app.create_app`."""
        own_ledger = ledger is None
        ledger = open_ledger(config.server.database) if ledger is None else ledger
        if store is None:
            store = open_budget_store(config) if own_ledger else MemoryStore()
        pricer = pricer or pricer_of(config)
        beside = Beside.of(ledger)
        metrics = BookMetrics(config.labels.metrics, config.labels.max_values)
        used = UsedBefore(ledger.used, pricer)
        live = Live()
        book = Book(ledger, metrics, clock, used, live.tell)
        budgets = BudgetKeeping(config, store, clock)
        fence = Fence((book, budgets), config, beside.outside)
        pipeline = _pipeline(config, pricer, fence, used, clock)
        told, closed = ToldEvents(beside.events, clock), ClosedDays(ledger, clock)
        take_back = TakingBack(ledger, beside.keys, metrics, budgets, used, clock)
        keeping = Keeping.of(ledger, pipeline, take_back, budgets, used, config.server, clock)
        readiness = Readiness(ledger, pricer)
        for more in (
            budgets.metrics,
            BookTotals(ledger, config.labels.metrics, config.labels.max_values, clock),
            JobMetrics(keeping.schedulers),
        ):
            metrics.show(more)
        return cls(
            ledger=ledger,
            closes_ledger=own_ledger,
            beside=beside,
            pricer=pricer,
            clock=clock,
            metrics=metrics,
            live=live,
            book=book,
            budgets=budgets,
            calls=BudgetCalls(store, {budget.name: budget.match for budget in config.budgets}),
            access=Access(beside.keys, config.server, clock),
            pipeline=pipeline,
            ingest=Ingest(pipeline, book, budgets, fence, told, closed, config.server.max_body_bytes, clock),
            keeping=keeping,
            readiness=readiness,
            report=HealthReport(ledger, keeping.failed, readiness, keeping.schedulers, lambda: book.pending, clock),
        )

    def begin(self) -> None:
        """Return when requests can be answered. Raises ConfigError and LedgerError."""
        # Spans that arrive before there are prices would be acknowledged but wait in memory only.
        self.pricer.start_loading()
        if self.pricer.catalog() is None:
            raise ConfigError("the prices could not be loaded; the log says why")
        self.keeping.begin()
        # The other span of a call may arrive after a restart: it has to be recognised then as well.
        for record in self.ledger.recent(self.clock() - REMEMBERED_NS, CAPACITY):
            self.pipeline.remember(record)
        self.keeping.start()

    def end(self) -> None:
        """After the last request was answered."""
        self.keeping.stop()
        self.calls.close()
        self.access.close()
        try:
            self.book.commit()
        except LedgerError:
            pass  # the senders were told, and repeat it
        finally:
            self.budgets.close()
            if self.closes_ledger:
                self.ledger.close()


def _pipeline(config: Config, pricer: Pricer, taker: Fence, used: UsedBefore, clock: Callable[[], int]) -> Pipeline:
    return Pipeline(
        config=config,
        pricer=pricer,
        takers=(taker,),
        matcher=Matcher(can_void=True, window_ns=REMEMBERED_NS),
        adopt=True,
        used_before=used.before,
        clock_ns=clock,
    )
