"""The server's composition: settings to a FastAPI app. No app at module level: make one with ``create_app``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence, Set
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from otel_cost.budgets import Budgets
from otel_cost.budgets.stores import MemoryStore, Store
from otel_cost.config import Config
from otel_cost.errors import ConfigError, LedgerError
from otel_cost.ledger.audit import newest
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.events import Events
from otel_cost.ledger.keys import AccessKeys
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.matching import CAPACITY, Matcher
from otel_cost.pipeline import Pipeline
from otel_cost.pricing import Pricer, pricer_of
from otel_cost.server import description, problems, security
from otel_cost.server.access import Access
from otel_cost.server.book import Book
from otel_cost.server.book_totals import BookTotals
from otel_cost.server.budget_calls import BudgetCalls
from otel_cost.server.budget_views import BudgetViews
from otel_cost.server.budgets import BudgetKeeping, open_budget_store
from otel_cost.server.closed_days import ClosedDays
from otel_cost.server.fence import Fence
from otel_cost.server.health import HealthReport
from otel_cost.server.ingest import Ingest
from otel_cost.server.job_metrics import JobMetrics
from otel_cost.server.keeping import REMEMBERED_NS, Keeping
from otel_cost.server.live import Live
from otel_cost.server.logs import RequestLog
from otel_cost.server.metrics import BookMetrics
from otel_cost.server.parameters import Words
from otel_cost.server.readiness import Readiness
from otel_cost.server.reading import Reader
from otel_cost.server.routes import (
    alerts,
    breakdown,
    budget_checks,
    budget_store,
    costs,
    dashboard,
    entries,
    events,
    export,
    health,
    posting,
    prices,
    scopes,
    stream,
    timeseries,
    workspaces,
)
from otel_cost.server.routes import budgets as budget_routes
from otel_cost.server.routes import keys as keys_routes
from otel_cost.server.taking_back import TakingBack
from otel_cost.server.told import ToldEvents
from otel_cost.used_before import UsedBefore


def create_app(
    config: Config,
    *,
    ledger: Ledger | None = None,
    store: Store | None = None,
    pricer: Pricer | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> FastAPI:
    """An app that takes OTLP, keeps the book, and answers questions about it.

    Args:
        config: Settings; ``config.server.database`` is opened unless a ledger is given.
        ledger: The book. A given one is not closed by the app.
        store: What budgets are kept in; the app closes it. None: the one that the settings name, or with a given ledger
            the app's memory.
        pricer: The prices; the app waits for them when it starts.
        clock: UTC nanoseconds: what is booked is booked at that time, and periods end then unless said otherwise.

    Raises:
        ConfigError: the URL of the database or of the budget store is wrong.
        LedgerError: the ledger cannot be opened.
    """
    own_ledger = ledger is None
    ledger = open_ledger(config.server.database) if ledger is None else ledger
    if store is None:
        store = open_budget_store(config) if own_ledger else MemoryStore()
    pricer = pricer or pricer_of(config)
    metrics = BookMetrics(config.labels.metrics, config.labels.max_values)
    used = UsedBefore(ledger.used, pricer)
    live = Live()
    book = Book(ledger, metrics, clock, used, live.tell)
    budgets = BudgetKeeping(config, store, clock)
    metrics.show(budgets.metrics)
    metrics.show(BookTotals(ledger, config.labels.metrics, config.labels.max_values, clock))
    calls = BudgetCalls(store, {budget.name: budget.match for budget in config.budgets})
    keys = AccessKeys(ledger) if isinstance(ledger, SqlLedger) else None
    access = Access(keys, config.server, clock)
    fence = Fence((book, budgets), config, keys.booked_outside if keys is not None else _nothing_outside)
    pipeline = Pipeline(
        config=config,
        pricer=pricer,
        takers=(fence,),
        matcher=Matcher(can_void=True, window_ns=REMEMBERED_NS),
        adopt=True,
        used_before=used.before,
        clock_ns=clock,
    )
    told = ToldEvents(Events(ledger) if isinstance(ledger, SqlLedger) else None, clock)
    closed = ClosedDays(ledger, clock)
    ingest = Ingest(pipeline, book, budgets, fence, told, closed, config.server.max_body_bytes, clock)
    take_back = TakingBack(ledger, keys, metrics, budgets, used, clock)
    keeping = Keeping.of(ledger, pipeline, take_back, budgets, used, config.server, clock)
    metrics.show(JobMetrics(keeping.schedulers))
    readiness = Readiness(ledger, pricer)
    report = HealthReport(ledger, keeping.failed, readiness, keeping.schedulers, lambda: book.pending, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(_wait_for_prices, pricer)
        await run_in_threadpool(keeping.begin)
        await run_in_threadpool(_remember_recent, pipeline, ledger, clock())
        keeping.start()
        try:
            yield
        finally:
            await run_in_threadpool(keeping.stop)
            calls.close()
            access.close()
            await run_in_threadpool(_close, book, budgets, ledger if own_ledger else None)

    app = FastAPI(
        title="otel-cost",
        summary="What LLM calls cost: OTLP in, the book, and answers from it.",
        lifespan=lifespan,
        # Their pages load scripts from other people's hosts; the description itself is /openapi.json.
        docs_url=None,
        redoc_url=None,
        openapi_tags=description.TAGS,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.live = live
    description.install(app)
    problems.install(app)
    security.install(app, access, config.server)
    app.include_router(export.router(ingest, access, config.server.max_body_bytes))
    reading, words = Reader(ledger), Words(config, clock)
    for routes in (
        *_of_costs(reading, words, access),
        posting.router(reading, words, access, ingest),
        stream.router(live, words, access),
        prices.router(pricer, words, access),
        *_of_budgets(reading, words, access, budgets.budgets, _audited(ledger)),
        events.router(_reported(ledger), words, access),
    ):
        app.include_router(routes)
    app.include_router(budget_store.router(calls, access, config.server))
    app.include_router(health.router(readiness, report, metrics, access))
    if keys is not None:
        app.include_router(keys_routes.router(keys, access, clock))
    app.add_middleware(RequestLog)
    app.state.readiness = readiness
    return app


def _of_costs(reading: Reader, words: Words, access: Access) -> Sequence[APIRouter]:
    made = (costs, timeseries, breakdown, entries, scopes, workspaces)
    return [module.router(reading, words, access) for module in made]


def _of_budgets(
    reading: Reader, words: Words, access: Access, budgets: Budgets, done: alerts.Done
) -> Sequence[APIRouter]:
    views = BudgetViews(budgets, reading)
    return (
        dashboard.router(reading, words, access, views),
        budget_checks.router(budgets, access),
        budget_routes.router(budgets, views, access),
        alerts.router(budgets, views, words, access, done),
    )


def _audited(ledger: Ledger) -> alerts.Done:
    """What the book's audit log has; a ledger of another kind has none."""
    return lambda limit: newest(ledger, limit=limit) if isinstance(ledger, SqlLedger) else ()


def _reported(ledger: Ledger) -> events.Told:
    """What apps told of their own budgets."""
    if not isinstance(ledger, SqlLedger):
        return lambda _from_ns, _to_ns, _limit: ()
    kept = Events(ledger)
    return lambda from_ns, to_ns, limit: kept.newest(from_ns, to_ns, limit=limit)


def _nothing_outside(_keys: Collection[str], _scope: Mapping[str, str]) -> Set[str]:
    """Where no keys can be made, none has a scope."""
    return frozenset()


def stopping(app: FastAPI) -> None:
    """The server of an app made by :func:`create_app` was told to stop: load balancers are told, and streams end."""
    app.state.readiness.stop()
    app.state.live.end()


def _wait_for_prices(pricer: Pricer) -> None:
    # Spans that arrive before there are prices would be acknowledged but wait in memory only.
    pricer.start_loading()
    if pricer.catalog() is None:
        raise ConfigError("the prices could not be loaded; the log says why")


def _remember_recent(pipeline: Pipeline, ledger: Ledger, now_ns: int) -> None:
    # The other span of a call may arrive after a restart: it has to be recognised then as well.
    for record in ledger.recent(now_ns - REMEMBERED_NS, CAPACITY):
        pipeline.remember(record)


def _close(book: Book, budgets: BudgetKeeping, ledger: Ledger | None) -> None:
    try:
        book.commit()
    except LedgerError:
        pass  # the senders were told, and repeat it
    finally:
        budgets.close()
        if ledger is not None:
            ledger.close()
