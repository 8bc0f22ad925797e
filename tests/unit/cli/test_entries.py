"""``otel-cost entries`` (FEATURES A5): the calls of a book, filtered, in every format."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_cost.cli import main
from otel_cost.ledger.opening import open_ledger
from otel_cost.model import Kind
from tests.contract.ledger.books import NOON, priced, record, settled_elsewhere, unpriced

PERIOD = ("--since", "2026-09-01", "--until", "2026-12-01")


@pytest.fixture(params=["sqlite:///{}", "jsonl:{}"], ids=["sqlite", "jsonl"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Five calls: one without a price, one that is another's, a tool, one of a label like a formula."""
    url = str(request.param).format(tmp_path / "book")
    calls = [
        record(1, priced(1_500_000)),
        record(2, unpriced(), team="ads"),
        record(3, settled_elsewhere()),
        replace(record(4, priced(10_000_000)), kind=Kind.TOOL, model_requested="maps", model_answered="", usage=None),
        record(5, priced(7), user="=1+1", feature="\x1b[31m"),
    ]
    with open_ledger(url) as ledger:
        ledger.write(calls, booked_at_ns=NOON)
    return url


def _run(book: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["entries", "--db", book, *PERIOD, *arguments])


def test_the_newest_stands_first(book: str) -> None:
    done = _run(book)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line for line in done.output.splitlines() if "2026-09-21" in line]
    assert [line.split("│")[2].strip() for line in lines] == ["0.000000007", "0.01", "-", "-", "0.0015"]
    assert "unpriced: unknown_model (no price)" in lines[3]
    assert "team=search user==1+1" in lines[0]


def test_filters_and_a_limit(book: str) -> None:
    assert json.loads(_run(book, "--where", "kind=tool", "--format", "json").output)[0]["model"] == "maps"
    assert json.loads(_run(book, "--where", "team=ads", "--format", "json").output)[0]["status"] == "unpriced"
    assert json.loads(_run(book, "--where", "user=", "--where", "team=nobody", "--format", "json").output) == []
    some = _run(book, "--limit", "2", "--format", "jsonl")
    assert len(some.stdout.splitlines()) == 2
    assert "more than 2" in some.stderr
    assert "more than" not in _run(book, "--limit", "5").stderr


def test_pages_are_joined(book: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_cost.cli.entries.MAX_PAGE", 2)
    rows = [json.loads(line) for line in _run(book, "--all", "--format", "jsonl").stdout.splitlines()]
    assert [row["key"] for row in rows] == [record(number).key for number in (5, 4, 3, 2, 1)]


def test_amounts_are_exact_in_every_format(book: str) -> None:
    rows = list(csv.DictReader(io.StringIO(_run(book, "--format", "csv").stdout)))
    assert [row["usd"] for row in rows][:2] == ["0.000000007", "0.010000000"]
    assert json.loads(_run(book, "--format", "json").stdout)[0]["cost"] == {"usd": "0.000000007", "nano_usd": 7}


def test_what_comes_from_outside_does_no_harm(book: str) -> None:
    assert "\x1b" not in _run(book).output
    assert "\x1b" not in _run(book, "--format", "csv").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--where", "team"], "team=search"),
        (["--where", "tema=x"], "'tema' is not known"),
        (["--since", "soon"], "is not a date"),
        (["--until", "2026-01-01"], "ends before it starts"),
        (["--limit", "0"], "0"),
    ],
)
def test_what_cannot_be_asked_is_said(book: str, arguments: list[str], said: str) -> None:
    done = _run(book, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_period_without_calls_says_so(book: str) -> None:
    done = CliRunner().invoke(main, ["entries", "--db", book, "--since", "2020-01-01", "--until", "2020-02-01"])
    assert (done.exit_code, done.output) == (0, "The book has no such calls there.\n")


def test_a_book_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["entries", "--db", f"sqlite:///{tmp_path / 'no.db'}"])
    assert done.exit_code == 2
    assert "there is no book" in done.stderr
    assert list(tmp_path.iterdir()) == []
