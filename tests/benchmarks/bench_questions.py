"""How long the questions of a dashboard take, asked of a large book.

``python -m tests.benchmarks.bench_questions --records 10000000 --postgres`` makes a book of so many calls in a
temporary directory (10 M take some 12 GB and a quarter of an hour on each database), asks each question over and over,
and prints p50 and p99 in milliseconds. Targets: p50 within 10 ms up to 1 M calls, p99 within 100 ms beyond. It fails
(exit code 1) past them. ``--book URL`` asks a book that was made before, with ``--keep DIR``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from otel_cost.ledger import CallQuery, SummaryQuery
from otel_cost.ledger.schema import DAY_NS
from otel_cost.ledger.sql import SqlLedger, open_ledger
from tests.benchmarks.large_book import END, make_book
from tests.benchmarks.reporting import Row, report
from tests.support.postgres import postgres_server

MILLION: Final = 1_000_000
NOW: Final = END - 7 * 60 * 10**9 + 123
"""Between two quarters of an hour, on the book's last day."""
TODAY: Final = NOW // DAY_NS * DAY_NS
HOUR_NS: Final = DAY_NS // 24
MODEL: Final = ("provider", "model")
SHARES: Final = (0.5, 0.95, 0.99)


def questions(ledger: SqlLedger) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a dashboard asks, by name."""
    month = SummaryQuery(NOW - 30 * DAY_NS, NOW)
    week, today = SummaryQuery(NOW - 7 * DAY_NS, NOW), SummaryQuery(TODAY, NOW)

    def by(query: SummaryQuery, *names: str, **filters: str) -> SummaryQuery:
        return SummaryQuery(query.from_ns, query.to_ns, names, filters)

    yield "summary of 30 days by provider, model", lambda: ledger.summary(by(month, *MODEL))
    yield "summary of today by provider, model", lambda: ledger.summary(by(today, *MODEL))
    yield "a budget: 30 days of one team", lambda: ledger.summary(by(month, team="team-1", environment="production"))
    yield "series of 30 UTC days", lambda: ledger.series(by(month, *MODEL), _edges(UTC, 30))
    yield "series of 30 days of Berlin", lambda: ledger.series(by(month, *MODEL), _edges(ZoneInfo("Europe/Berlin"), 30))
    yield "series of 30 days of Los Angeles", lambda: ledger.series(month, _edges(ZoneInfo("America/Los_Angeles"), 30))
    hours = [TODAY + (NOW - TODAY) // HOUR_NS * HOUR_NS - hour * HOUR_NS for hour in range(23, -1, -1)] + [NOW]
    yield "series of 24 hours by provider", lambda: ledger.series(SummaryQuery(hours[0], NOW, ("provider",)), hours)
    for kind in ("session", "user", "execution", "trace"):
        for name, query in (("today", today), ("7 days", week), ("30 days", month)):
            yield f"top {kind}s of {name}", lambda kind=kind, query=query: ledger.entities(kind, query, limit=10)
    (top,) = ledger.entities("session", month, limit=1)
    yield "one session", lambda: ledger.entities("session", month, entity=top.entity)
    yield "the last 100 calls", lambda: ledger.calls(CallQuery(month.from_ns, NOW))
    yield "100 calls of a session", lambda: ledger.calls(CallQuery(month.from_ns, NOW, {"session": top.entity}))
    yield (
        "100 unpriced calls of a model",
        lambda: ledger.calls(CallQuery(month.from_ns, NOW, {"status": "unpriced", "model": "gpt-5"})),
    )
    (newest,) = ledger.calls(CallQuery(month.from_ns, NOW, limit=1))
    yield "the calls of a trace", lambda: ledger.calls_of_trace(newest.record.trace_id)
    yield "what is unpriced in 30 days", lambda: ledger.unpriced(month)
    for name, query in (("today", today), ("7 days", week), ("30 days", month)):
        yield f"distributions of {name} by model", lambda query=query: ledger.distributions(by(query, *MODEL), SHARES)


def _edges(zone: tzinfo, days: int) -> list[int]:
    last = datetime.fromtimestamp(NOW // 10**9, zone).replace(hour=0, minute=0, second=0)
    midnights = [last - timedelta(days=number) for number in range(days - 1, -1, -1)]
    return [*(int(midnight.timestamp()) * 10**9 for midnight in midnights), NOW]


def milliseconds(ask: Callable[[], object], seconds: float) -> list[float]:
    """How long it took each time, ascending: as often as ``seconds`` allow, 20 to 300 times, after two to warm up."""
    took: list[float] = []
    until = time.perf_counter() + seconds
    while len(took) < 22 or (len(took) < 302 and time.perf_counter() < until):
        started = time.perf_counter()
        ask()
        took.append((time.perf_counter() - started) * 1e3)
    return sorted(took[2:])


def measure(name: str, url: str, calls: int, seconds: float) -> list[Row]:
    rows = []
    large = calls > MILLION
    with open_ledger(url) as ledger:
        for what, ask in questions(ledger):
            took = milliseconds(ask, seconds)
            p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
            rows.append(Row(f"{name}, {what}: p50", p50, "ms", at_most=None if large else 10))
            rows.append(Row(f"{name}, {what}: p99", p99, "ms", at_most=100 if large else None))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=MILLION)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL as well")
    parser.add_argument("--keep", type=Path, help="make the SQLite book in this directory, and leave it there")
    parser.add_argument("--book", help="URL of a book of --records calls that is there already")
    parser.add_argument("--seconds", type=float, default=2, help="for each question")
    given = parser.parse_args()
    rows: list[Row] = []
    if given.book:
        rows += measure("the book", given.book, given.records, given.seconds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{given.keep or Path(folder)}/book.db"
            make_book(url, given.records)
            rows += measure("SQLite", url, given.records, given.seconds)
        if given.postgres:
            with postgres_server() as server:
                make_book(server.url(), given.records)
                rows += measure("PostgreSQL", server.url(), given.records, given.seconds)
    return report(f"Questions to a book of {given.records:,} calls", rows)


if __name__ == "__main__":
    sys.exit(main())
