"""The server as a FastAPI app. None at module level: make one with ``create_app``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from otel_cost.budgets.stores import Store
from otel_cost.config import Config
from otel_cost.ledger.base import Ledger
from otel_cost.pricing import Pricer
from otel_cost.server import description, problems, security
from otel_cost.server.budget_views import BudgetViews
from otel_cost.server.composition import Parts
from otel_cost.server.logs import RequestLog
from otel_cost.server.parameters import Words
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
    keys,
    posting,
    prices,
    scopes,
    stream,
    timeseries,
    workspaces,
)
from otel_cost.server.routes import budgets as budget_routes


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
    parts = Parts.of(config, ledger, store, pricer, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(parts.begin)
        try:
            yield
        finally:
            await run_in_threadpool(parts.end)

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
    app.state.parts = parts
    description.install(app)
    problems.install(app)
    security.install(app, parts.access, config.server)
    for routes in (*_of_otlp(parts, config), *_of_the_api(parts, config)):
        app.include_router(routes)
    app.add_middleware(RequestLog)
    return app


def stopping(app: FastAPI) -> None:
    """The server of an app made by :func:`create_app` was told to stop: load balancers are told, and streams end."""
    parts: Parts = app.state.parts
    parts.readiness.stop()
    parts.live.end()


def _of_otlp(parts: Parts, config: Config) -> Iterator[APIRouter]:
    """What machines ask for."""
    yield export.router(parts.ingest, parts.access, config.server.max_body_bytes)
    yield budget_store.router(parts.calls, parts.access, config.server)
    yield health.router(parts.readiness, parts.report, parts.metrics, parts.access)


def _of_the_api(parts: Parts, config: Config) -> Iterator[APIRouter]:
    """What people and their programs ask for."""
    access, budgets, beside = parts.access, parts.budgets.budgets, parts.beside
    reading, words = Reader(parts.ledger), Words(config, parts.clock)
    for module in (costs, timeseries, breakdown, entries, scopes, workspaces):
        yield module.router(reading, words, access)
    yield posting.router(reading, words, access, parts.ingest)
    yield stream.router(parts.live, words, access)
    yield prices.router(parts.pricer, words, access)
    views = BudgetViews(budgets, reading)
    yield dashboard.router(reading, words, access, views)
    yield budget_checks.router(budgets, access)
    yield budget_routes.router(budgets, views, access)
    yield alerts.router(budgets, views, words, access, beside.done)
    yield events.router(beside.told, words, access)
    if beside.keys is not None:
        yield keys.router(beside.keys, access, parts.clock)
