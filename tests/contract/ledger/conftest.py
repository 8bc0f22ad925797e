"""Every ledger there is, empty. A new one joins the suite by a line here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from otel_cost.ledger import Ledger
from otel_cost.ledger.opening import open_ledger
from tests.support.postgres import Postgres, postgres_server


class ReadAnew:
    """A JSONL book that is opened for each call and closed after it: all that it knows is in its files."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._closed = False

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            with open_ledger(self._url) as ledger:
                if self._closed:
                    ledger.close()
                return getattr(ledger, name)(*args, **kwargs)

        return call

    def close(self) -> None:
        self._closed = True


LEDGERS: dict[str, Callable[[Path], Ledger]] = {
    "jsonl": lambda directory: open_ledger(f"jsonl:{directory / 'book.jsonl'}"),
    "jsonl-read-anew": lambda directory: cast(Ledger, ReadAnew(f"jsonl:{directory / 'book.jsonl'}")),
    "sqlite": lambda directory: open_ledger(f"sqlite:///{directory / 'book.db'}"),
    "sqlite-memory": lambda _: open_ledger("sqlite://"),
}
POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
SQL_LEDGERS = [*(name for name in sorted(LEDGERS) if name.startswith("sqlite")), POSTGRES]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests that leave it as it is."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=[*sorted(LEDGERS), POSTGRES])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "postgres":
        opened: Ledger = open_ledger(_new_database(request.getfixturevalue("postgres")))
    else:
        opened = LEDGERS[request.param](tmp_path)
    yield opened
    opened.close()


def _new_database(server: Postgres) -> str:
    name = f"book_{uuid.uuid4().hex}"
    server.run(f"CREATE DATABASE {name}")
    return server.url(name)
