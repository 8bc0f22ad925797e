"""What an app's own book costs: a batch of 50 records into each kind of book, and the calling thread for a record.

``python -m tests.benchmarks.bench_ledger_writer`` prints p50 and p99 of one batch, written and synced by the sink that
the app's writer uses, and how much of it is this process's own work (CPU); what taking a record costs the thread that
ends the call, p50, while the writer's thread books as fast as it can; and how fast a report reads a JSONL book. It
fails (exit code 1) past the target of 5 ms p50 a batch in JSON lines and SQLite. Beside PostgreSQL, which runs with its
disk, is one transaction of a single row.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from otel_cost.book_settings import LedgerSettings
from otel_cost.ledger.jsonl import JsonlLedger
from otel_cost.ledger.spool import Spool
from otel_cost.ledger.spool_files import Batch
from otel_cost.ledger.writer import writer_of
from otel_cost.ledger.writer_sinks import Sink, sink_of
from otel_cost.model import CostRecord
from tests.benchmarks.reporting import Row, report
from tests.contract.ledger.books import NOON, record
from tests.support.postgres import find_binaries, postgres_server

BATCHES = 200
A_BATCH = 50
TAKEN = 10_000


def records_of(number: int) -> list[CostRecord]:
    return [record(number * A_BATCH + one, user=f"user-{one % 7}") for one in range(A_BATCH)]


def milliseconds(work: Callable[[int], object], times: int = BATCHES) -> list[float]:
    """How long each took, ascending, after a tenth as many to warm up."""
    took = []
    for number in range(times + times // 10):
        started = time.perf_counter()
        work(number)
        took.append((time.perf_counter() - started) * 1e3)
    return sorted(took[times // 10 :])


def rows(name: str, sink: Sink, at_most: float | None, beside: list[float] | None = None) -> Iterator[Row]:
    prepared = [records_of(number) for number in range(BATCHES + BATCHES // 10)]
    cpu = time.process_time()
    took = milliseconds(lambda number: sink.book(prepared[number], (), booked_at_ns=NOON + number))
    cpu = (time.process_time() - cpu) * 1e3 / len(prepared)
    sink.close()
    middle = None if beside is None else statistics.median(beside)
    yield Row(f"{name}: {A_BATCH} records, p50", statistics.median(took), "ms", at_most=at_most, beside=middle)
    yield Row(f"{name}: {A_BATCH} records, CPU, mean", cpu, "ms")
    yield Row(f"{name}: {A_BATCH} records, p99", took[int(len(took) * 0.99)], "ms")


def bare_postgres(url: str) -> list[float]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (amount BIGINT)")
        return milliseconds(lambda number: connection.execute("INSERT INTO bare VALUES (%s)", (number,)))


def taking(directory: Path, url: str) -> float:
    """Microseconds, p50, while the writer's thread books what comes."""
    to = writer_of(LedgerSettings(url=url, spool=directory / "spool", batch_age="1h"))
    prepared = [record(number) for number in range(TAKEN)]
    took = []
    for one in prepared:
        started = time.perf_counter_ns()
        to.take(one)
        took.append(time.perf_counter_ns() - started)
    to.close(60)
    assert to.counts().dropped == 0
    return statistics.median(took) / 1e3


def reading(path: Path) -> float:
    """Lines a second."""
    lines = path.read_bytes().count(b"\n")
    started = time.perf_counter()
    with JsonlLedger(path) as ledger:
        ledger.check()
    return lines / (time.perf_counter() - started)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        lines = directory / "book.jsonl"
        found = list(rows("JSON lines", sink_of(LedgerSettings(url=f"jsonl:{lines}")), 5.0))
        found += rows("SQLite", sink_of(LedgerSettings(url=f"sqlite:///{directory}/book.db")), 5.0)
        spool = Spool(directory / "spool-alone", 2**30)
        prepared = Batch(tuple(records_of(0)))
        spooled = milliseconds(lambda _: spool.put(prepared))
        found.append(Row(f"the spool: {A_BATCH} records, p50", statistics.median(spooled), "ms"))
        found.append(Row("taking a record, JSON lines, p50", taking(directory, f"jsonl:{directory}/taken.jsonl"), "µs"))
        found.append(Row("taking a record, SQLite, p50", taking(directory, f"sqlite:///{directory}/taken.db"), "µs"))
        found.append(Row("reading a JSONL book", reading(lines), "lines/s"))
    if find_binaries() is None:
        print("no PostgreSQL server here: left out")
    else:
        with postgres_server(durable=True) as server:
            bare = bare_postgres(server.url())
            found += rows("PostgreSQL", sink_of(LedgerSettings(url=server.url())), None, bare)
    return report("An app's own book", found)


if __name__ == "__main__":
    sys.exit(main())
