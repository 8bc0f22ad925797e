"""A run that is killed in the middle, and two that run at once: whole pages, and the same book in the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.ledger.sql import open_ledger
from otel_cost.repricing import Window, reprice
from tests.contract.ledger.books import EVER
from tests.integration.reprice.books import FOUND, RIGHT, WRONG, book, call, catalog_of, charged, price_file

ROOT = Path(__file__).parents[3]
CALLS, PAGE = 1600, 20
SCHEDULE = {"name": "deal", "provider": "acme", "volume": [{"above_usd": "2", "discount": "50%"}]}
WITH_SCHEDULE = pytest.mark.parametrize("sections", [{}, {"schedules": [SCHEDULE]}], ids=["plain", "schedule"])


def _corrector(url: str, prices: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.reprice.corrector", url, str(prices), str(PAGE)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _book(tmp_path: Path) -> str:
    wrong = catalog_of(price_file(tmp_path / "wrong.json", WRONG))
    return book(tmp_path / "book.db", [charged(wrong, call(n)) for n in range(CALLS)])


def _expected(sections: dict[str, object]) -> int:
    """By hand: 1000 + n tokens in, 100 out, at 3 and 9 USD per million; half beyond 5 USD."""
    listed = sum((1000 + n) * 3000 + 900_000 for n in range(CALLS))
    return listed if not sections else 2 * 10**9 + (listed - 2 * 10**9) // 2


@WITH_SCHEDULE
def test_kill_9_leaves_whole_pages_and_the_next_run_completes_it(tmp_path: Path, sections: dict[str, object]) -> None:
    url = _book(tmp_path)
    prices = price_file(tmp_path / "right.json", RIGHT, FOUND, **sections)
    running = _corrector(url, prices)
    assert running.stdout is not None
    told = 0
    while told < 10 * PAGE:
        told = int(running.stdout.readline())
    running.kill()
    told = max([told, *map(int, running.stdout.read().split())])
    running.stdout.close()
    assert running.wait() == -9

    catalog = catalog_of(prices)
    window = Window(0, MAX_STORED)
    with open_ledger(url) as ledger:
        first = reprice(ledger, catalog, window)
        corrected = CALLS - first.total.calls
        assert first.unchanged == corrected
        assert corrected % PAGE == 0, "half a page was booked"
        assert told <= corrected < CALLS, "it was not killed in the middle"
        total = ledger.summary(EVER).total
        assert (total.calls, total.amount_nano) == (CALLS, sum(total.parts))
        done = reprice(ledger, catalog, window, book=lambda made: ledger.correct(made, booked_at_ns=1))
        assert done.total.calls == CALLS - corrected
        # Half nano-dollars are rounded once a call.
        assert abs(ledger.summary(EVER).total.amount_nano - _expected(sections)) <= (CALLS if sections else 0)
        again = reprice(ledger, catalog, window)
        assert (again.lines, again.unchanged) == ({}, CALLS)


def test_two_runs_at_once_correct_each_call_once(tmp_path: Path) -> None:
    url = _book(tmp_path)
    prices = price_file(tmp_path / "right.json", RIGHT)
    running = [_corrector(url, prices) for _ in range(2)]
    for each in running:
        assert each.communicate()[0].splitlines()[-1] == str(CALLS)
        assert each.returncode == 0
    with open_ledger(url) as ledger:
        total = ledger.summary(SummaryQuery(0, MAX_STORED, group_by=("catalog",))).total
        assert (total.calls, total.amount_nano) == (CALLS, _expected({}))
        assert all(call.sequence == 2 for call in ledger.standing(0, MAX_STORED, limit=CALLS))
