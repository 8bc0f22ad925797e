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
    """A JSONL book that one ledger writes, and another answers for: opened after each write, so that all it knows is
    in the files."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._writer = open_ledger(url)
        self._reader: Ledger | None = None

    def __getattr__(self, name: str) -> object:
        if name in ("write", "correct"):
            self._forget()
            return getattr(self._writer, name)
        if self._reader is None:
            self._reader = open_ledger(self._url)
        return getattr(self._reader, name)

    def _forget(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        self._writer.close()
        self._forget()
        self._reader = self._writer


LEDGERS: dict[str, Callable[[Path], Ledger]] = {
    "jsonl": lambda directory: open_ledger(f"jsonl:{directory / 'book.jsonl'}"),
    "jsonl-read-anew": lambda directory: cast(Ledger, ReadAnew(f"jsonl:{directory / 'book.jsonl'}")),
    "sqlite": lambda directory: open_ledger(f"sqlite:///{directory / 'book.db'}"),
    "sqlite-memory": lambda _: open_ledger("sqlite://"),
}
POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests that leave it as it is."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=[*sorted(LEDGERS), POSTGRES])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "postgres":
        opened: Ledger = open_ledger(new_database(request.getfixturevalue("postgres")))
    else:
        opened = LEDGERS[request.param](tmp_path)
    yield opened
    opened.close()


def new_database(server: Postgres) -> str:
    """The URL of an empty one."""
    name = f"book_{uuid.uuid4().hex}"
    server.run(f"CREATE DATABASE {name}")
    return server.url(name)
