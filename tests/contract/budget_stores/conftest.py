"""Every store of budgets there is, empty. A new one joins the suite by a line here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_cost.budgets.stores import Store, open_store
from tests.support.postgres import Postgres, postgres_server

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


URLS: dict[str, Callable[[pytest.FixtureRequest, Path], str]] = {
    "memory": lambda _request, _directory: "memory:",
    "sqlite": lambda _request, directory: f"sqlite:///{directory / 'budgets.db'}",
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
