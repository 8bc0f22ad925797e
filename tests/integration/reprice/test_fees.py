"""``otel-cost fees``: what is due by day, booked once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_cost.cli import main
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.ledger.sql import open_ledger
from tests.contract.ledger.books import NOON, record
from tests.integration.reprice.books import book, rows

PROVISIONED = {"name": "claude eü", "provider": "acme", "model": "pt-*", "usd_per_hour": "0.10", "from": "2026-02-10"}
COMMITMENT = {"name": "deal", "provider": "openai", "commitment": {"usd": 2800, "discount": "20%"}}
FEBRUARY = ("--from", "2026-02-01", "--to", "2026-03-01")


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "prices.json").write_text(json.dumps({"provisioned": [PROVISIONED], "schedules": [COMMITMENT]}))
    return book(tmp_path / "book.db", [record(1)])


def _run(url: str, *arguments: str) -> Result:
    prices = Path(url.removeprefix("sqlite:///")).parent / "prices.json"
    return CliRunner().invoke(main, ["fees", "--db", url, *arguments], env={"OTEL_COST_PRICES": str(prices)})


def _amounts(url: str) -> dict[tuple[str, ...], int]:
    query = SummaryQuery(0, MAX_STORED, ("kind", "provider", "model", "pricing_model"))
    with open_ledger(url) as ledger:
        return {row.group: row.amount_nano for row in ledger.summary(query).rows}


def test_fees_are_shown_and_nothing_is_booked_unless_asked(url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    before = rows(path)
    result = _run(url, *FEBRUARY)
    assert result.exit_code == 0, result.output
    assert "2,845.60" in result.stdout, "2800 for the month, and 19 days of 2.40"
    assert rows(path) == before


def test_each_day_is_booked_once_and_the_days_sum_to_the_period(url: str) -> None:
    """Fixed fees are in the book, beside calls that cost nothing more."""
    first = _run(url, "--from", "2026-02-01", "--to", "2026-02-11", "--book")
    assert "Booked 11 entries; 0 were booked already." in first.stdout, first.output
    second = _run(url, *FEBRUARY, "--book")
    assert "Booked 36 entries; 11 were booked already." in second.stdout
    assert _amounts(url) == {
        ("infrastructure", "openai", "deal", "subscription"): 2800 * 10**9,
        ("infrastructure", "acme", "claude eü", "provisioned"): 19 * 24 * 10**8,
        ("llm", "openai", "gpt-5-2025-08-07", "on_demand"): 1000,
    }
    assert "Booked 0 entries; 47 were booked already." in _run(url, *FEBRUARY, "--book").stdout


def test_a_day_that_is_not_over_is_not_due(url: str) -> None:
    assert "No fee is due" in _run(url, "--from", "2026-02-01T01:00Z", "--to", "2026-02-02").stdout
    assert "No fee is due" in _run(url, "--from", "1h", "--to", "2100-01-01").stdout


def test_fees_are_no_calls_that_spans_could_be_duplicates_of(url: str) -> None:
    assert _run(url, *FEBRUARY, "--book").exit_code == 0
    with open_ledger(url) as ledger:
        assert [found.key for found in ledger.recent(0, 1000)] == [record(1).key]
        assert ledger.used(0, NOON) == ()
