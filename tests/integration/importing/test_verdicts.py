"""Every verdict of another book arrives, wherever a run was stopped and a batch ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from otel_cost.config import Config
from otel_cost.errors import LedgerError
from otel_cost.importing.remembering import Memory
from otel_cost.importing.running import BATCH, Importing, Wanted
from otel_cost.importing.settling import Settler
from otel_cost.ledger.base import Ledger, Written
from otel_cost.ledger.jsonl import JsonlLedger, JsonlSink
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Status
from otel_cost.pricing import Catalog, Pricer
from tests.contract.ledger.books import NOON, again, priced, record, total


class FailsOnce:
    """A book whose disk is full at its second write."""

    def __init__(self, book: Ledger) -> None:
        self._book = book
        self._writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def write(self, *written: Any, **named: Any) -> Written:
        self._writes += 1
        if self._writes == 2:
            raise LedgerError("the disk is full")
        return self._book.write(*written, **named)


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    catalog = Catalog.load()
    pricer = Pricer(lambda: catalog)
    pricer.start_loading()
    return pricer


def _import(path: Path, book: Any, pricer: Pricer) -> None:
    settler = Settler(Config(), book, pricer, labels={})
    memory = Memory(path.with_suffix(".marks"))
    Importing(settler, book, "book", memory, Wanted(), lambda _: None, lambda: False).run(path)


ESTIMATED = record(1, priced(1000, status=Status.ESTIMATED))
CORRECTED = again(ESTIMATED, priced(5000))


def test_a_run_that_failed_before_a_correction_makes_it_the_next_time(tmp_path: Path, pricer: Pricer) -> None:
    path = tmp_path / "theirs.jsonl"
    with JsonlLedger(path) as theirs:
        for booked in (ESTIMATED, CORRECTED, record(2, priced(7))):
            theirs.write([booked], booked_at_ns=NOON)
        assert total(theirs).amount_nano == 5007
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as book:
        with pytest.raises(LedgerError, match="disk is full"):
            _import(path, FailsOnce(book), pricer)
        for _ in range(2):
            _import(path, book, pricer)
            assert total(book).amount_nano == 5007


def test_two_verdicts_of_an_app_that_only_appends_may_be_far_apart(tmp_path: Path, pricer: Pricer) -> None:
    path = tmp_path / "theirs.jsonl"
    written: Sequence[Any] = [ESTIMATED, *(record(number, priced(1)) for number in range(2, BATCH + 10)), CORRECTED]
    JsonlSink(path, 10**9).book(written, (), booked_at_ns=NOON)
    with JsonlLedger(path) as theirs, open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as book:
        for _ in range(2):
            _import(path, book, pricer)
            assert total(book).amount_nano == total(theirs).amount_nano == 5000 + BATCH + 8
