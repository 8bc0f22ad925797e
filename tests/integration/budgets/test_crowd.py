"""Real processes against one blocking budget in one store: a limit is a limit, and nearly all of it can be used.

The figures that are promised are measured by ``python -m tests.benchmarks.bench_budgets``; here is what must always
hold.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_cost.budget_settings import Reserve
from otel_cost.model import NANO
from tests.support.budget_crowd import Spec, crowd
from tests.support.postgres import postgres_server

LIMIT_USD = 20
RESERVATION_NANO = NANO
Url = Callable[[], str]


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[Url]:
    with postgres_server() as server:

        def database() -> str:
            name = f"crowd_{uuid.uuid4().hex}"
            server.run(f"CREATE DATABASE {name}")
            return server.url(name)

        yield database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'budgets.db'}"
    made: Url = request.getfixturevalue("postgres_url")
    return made()


@pytest.mark.parametrize("reserve", ["request", "max"])
def test_nobody_gets_past_the_limit_and_all_but_one_reservation_of_it_can_be_used(url: str, reserve: Reserve) -> None:
    outcome = crowd(Spec(url, LIMIT_USD, calls=40, reserve=reserve), 6)
    assert outcome.spent_nano <= LIMIT_USD * NANO
    assert outcome.spent_nano > LIMIT_USD * NANO - RESERVATION_NANO
    assert outcome.reserved_nano == 0
    assert outcome.spent_nano == outcome.cost_nano
    assert sum(one.refused for one in outcome.told) > 0


def test_whoever_is_killed_in_a_call_leaves_no_reservation_behind(url: str) -> None:
    outcome = crowd(Spec(url, LIMIT_USD, calls=40, kills=0.1, seed=7), 6)
    assert outcome.killed > 0
    assert outcome.spent_nano <= LIMIT_USD * NANO
    assert outcome.reserved_nano == 0
