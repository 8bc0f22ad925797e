"""Every ledger there is, empty. A new one joins the suite by a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_cost.ledger import Ledger
from otel_cost.ledger.sql import open_ledger

LEDGERS: dict[str, Callable[[Path], Ledger]] = {
    "sqlite": lambda directory: open_ledger(f"sqlite:///{directory / 'book.db'}"),
    "sqlite-memory": lambda _: open_ledger("sqlite://"),
}


@pytest.fixture(params=sorted(LEDGERS))
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened = LEDGERS[request.param](tmp_path)
    yield opened
    opened.close()
