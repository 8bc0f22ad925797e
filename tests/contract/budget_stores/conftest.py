"""Every store of budgets there is, empty. A new one joins the suite by a line here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from otel_cost.budgets.stores import Store, open_store
from otel_cost.config import Config
from otel_cost.ledger.sql import open_ledger
from otel_cost.server.app import create_app
from tests.integration.server.serving import serving
from tests.support.postgres import Postgres, postgres_server
from tests.support.world import PRICES

ANSWER_S = 20.0
"""Seconds that a server may take in tests that are not about that: a slow machine is no outage."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests that leave it as it is."""
    with postgres_server() as server:
        yield server


def _new_database(request: pytest.FixtureRequest) -> str:
    server: Postgres = request.getfixturevalue("postgres")
    name = f"budgets_{uuid.uuid4().hex}"
    server.run(f"CREATE DATABASE {name}")
    return server.url(name)


def _new_server(request: pytest.FixtureRequest, directory: Path) -> str:
    """An ``otel-cost serve`` whose store is in SQLite."""
    stack: ExitStack = request.getfixturevalue("servers")
    ledger = stack.enter_context(open_ledger(f"sqlite:///{directory / 'book.db'}"))
    store = open_store(f"sqlite:///{directory / 'budgets.db'}")
    return stack.enter_context(serving(create_app(Config(), ledger=ledger, store=store, pricer=PRICES))).url


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Ends what a test has started, after everything that uses it."""
    with ExitStack() as stack:
        yield stack


URLS: dict[str, Callable[[pytest.FixtureRequest, Path], str]] = {
    "memory": lambda _request, _directory: "memory:",
    "sqlite": lambda _request, directory: f"sqlite:///{directory / 'budgets.db'}",
    "http": _new_server,
    "postgres": lambda request, _directory: _new_database(request),
}
_MARKS = {"postgres": [pytest.mark.postgres]}


def _params(*left_out: str) -> list[object]:
    return [pytest.param(kind, marks=_MARKS.get(kind, [])) for kind in URLS if kind not in left_out]


@pytest.fixture(params=_params())
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(URLS[request.param](request, tmp_path), timeout_s=ANSWER_S)
    yield opened
    opened.close()


@pytest.fixture(params=_params("memory"))
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is, or will be, that several processes can open."""
    return URLS[request.param](request, tmp_path)


@pytest.fixture(params=_params("memory", "http"))
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database with a store in it is, or will be."""
    return URLS[request.param](request, tmp_path)
