"""What was imported is on ``/metrics`` of a server over that book."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from otel_cost.cli import main
from otel_cost.config import load_config
from otel_cost.ledger.questions import Summary, SummaryQuery
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.server.book_totals import FRESH_NS, BookTotals
from tests.integration.importing import files
from tests.support import http, server

_USD = "otel_cost_book_total_usd"
_OPERATIONS = "otel_cost_book_total_operations"


def _samples(text: str) -> dict[str, float]:
    """Sums by name of sample."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_metrics_show_what_was_imported_before_the_server_started_and_while_it_runs(tmp_path: Path) -> None:
    """FEATURES D9."""
    book = f"sqlite:///{tmp_path / 'book.db'}"
    runner = CliRunner()
    assert (
        runner.invoke(main, ["import", str(files.request_log(tmp_path / "a.jsonl", 50)), "--db", book]).exit_code == 0
    )
    with server.running(tmp_path) as url:
        text = http.get_text(f"{url}/metrics")
        seen = _samples(text)
        assert (seen[_USD], seen[_OPERATIONS]) == (50 * 0.0004, 50)
        assert 'model="gpt-4o-mini"' in text
        assert seen.get("otel_cost_book_spend_usd_total", 0) == 0, "no counter jumps: it was not this server"


def test_the_book_is_read_again_after_a_while_only() -> None:
    with open_ledger("sqlite://") as ledger:
        now = [10**18]
        asked = [0]

        def summary(query: SummaryQuery) -> Summary:
            asked[0] += 1
            return SqlLedger.summary(ledger, query)

        ledger.summary = summary  # type: ignore[method-assign]
        labels = load_config(None, env={}).labels
        totals = BookTotals(ledger, labels.metrics, labels.max_values, lambda: now[0])
        list(totals.collect())
        list(totals.collect())
        assert asked == [1]
        now[0] += FRESH_NS
        list(totals.collect())
        assert asked == [2]


def test_a_book_that_cannot_be_read_does_not_take_the_other_metrics_along() -> None:
    ledger = open_ledger("sqlite://")
    totals = BookTotals(ledger, (), 10, lambda: 10**18)
    ledger.close()
    assert [family.samples for family in totals.collect()] == [[], []]
