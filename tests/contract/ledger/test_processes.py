"""Several processes over one book, and processes that die while they write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from otel_cost.ledger.opening import open_ledger
from tests.contract.ledger.books import NOON, by, record, total

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["sqlite:///{}/book.db", "jsonl:{}/book.jsonl"], ids=["sqlite", "jsonl"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def _writer(url: str, first: int, last: int, batch: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.ledger.writer", url, str(first), str(last), str(batch)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_with_overlapping_batches_book_each_record_once(url: str) -> None:
    # Each starts on a file that does not exist yet, so making the tables is raced for too.
    writers = [_writer(url, first, first + 600, batch) for first, batch in ((0, 7), (200, 11), (400, 50), (0, 64))]
    for writer in writers:
        assert writer.communicate()[0].splitlines()[-1] == "600"
        assert writer.returncode == 0
    with open_ledger(url) as ledger:
        row = total(ledger)
        assert (row.amount_nano, row.calls, row.input_tokens) == (1000 * 1000, 1000, 100 * 1000)
        assert by(ledger, "team") == {("search",): 1000 * 1000}


def test_a_killed_writer_leaves_whole_batches_and_sending_again_makes_it_exact(url: str) -> None:
    writer = _writer(url, 0, 1_000_000, 50)
    assert writer.stdout is not None
    acknowledged = 0
    while acknowledged < 500:
        acknowledged = int(writer.stdout.readline())
    writer.kill()
    acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
    writer.stdout.close()
    writer.wait()
    with open_ledger(url) as ledger:
        booked = total(ledger).calls
        assert booked >= acknowledged
        assert booked % 50 == 0
        everything = [record(number) for number in range(booked + 70)]
        written = ledger.write(everything, booked_at_ns=NOON)
        assert (written.booked, written.unchanged) == (70, booked)
        assert total(ledger).amount_nano == (booked + 70) * 1000
