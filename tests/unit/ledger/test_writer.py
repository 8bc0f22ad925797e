"""What an app's own writer promises: it never holds the app up, and what it took is in the book, on the disk, or
counted (FEATURES E2, O8)."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_cost import shield
from otel_cost.book_settings import LedgerSettings
from otel_cost.errors import ConfigError, LedgerError, OtelCostError
from otel_cost.ledger.jsonl import JsonlLedger, JsonlSink
from otel_cost.ledger.spool import Spool
from otel_cost.ledger.writer import LedgerWriter, writer_of
from otel_cost.ledger.writer_sinks import Sink, spool_directory
from otel_cost.model import CostRecord, Reason, Void
from tests.contract.ledger.books import NOON, record, total, unpriced
from tests.support import waiting

HOUR = 3600.0
LONG_S = 60.0


class Scripted:
    """A book in memory that does as it is told before it takes a batch."""

    url = "memory"

    def __init__(self, before: Callable[[Sequence[CostRecord]], None] = lambda _: None) -> None:
        self.before = before
        self.booked: list[CostRecord] = []
        self.sizes: list[int] = []

    def book(self, records: Sequence[CostRecord], voids: Sequence[Void], *, booked_at_ns: int) -> None:
        self.before(records)
        self.booked += records
        self.sizes.append(len(records))

    def refused(self, error: OtelCostError) -> bool:
        return "refused" in str(error)

    def close(self) -> None:
        pass

    def forget(self) -> None:
        pass


class Gate:
    """Holds whoever comes by until it is opened: a store that hangs."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, _: object) -> None:
        self.reached.set()
        assert self._open.wait(LONG_S)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "costs.jsonl"


def writer(
    tmp_path: Path, sink: Sink, *, batch_age_s: float = HOUR, queue_size: int = 20_000, spool: int = 2**30
) -> LedgerWriter:
    return LedgerWriter(
        sink, Spool(tmp_path / "spool", spool), batch_age_s=batch_age_s, queue_size=queue_size, clock_ns=lambda: NOON
    )  # fmt: skip


def take(to: LedgerWriter, *numbers: int) -> None:
    for number in numbers:
        to.take(record(number))


def booked(path: Path) -> int:
    with JsonlLedger(path) as ledger:
        return total(ledger).calls


def test_a_full_batch_is_written_at_once(tmp_path: Path) -> None:
    sink = Scripted()
    to = writer(tmp_path, sink)
    take(to, *range(50))
    waiting.until(lambda: to.counts().written == 50, "the batch, an hour before its time")
    assert sink.sizes == [50]
    assert to.counts()._replace(written=0) == (0, 0, 0, 0, 0)


def test_fewer_are_written_when_the_oldest_has_waited(tmp_path: Path) -> None:
    to = writer(tmp_path, Scripted(), batch_age_s=0.05)
    take(to, 1)
    waiting.until(lambda: to.counts().written == 1, "the first record")
    take(to, 2)
    waiting.until(lambda: to.counts().written == 2, "one that comes when the thread is there")


def test_a_flush_acknowledges_what_is_in_the_book(tmp_path: Path, path: Path) -> None:
    to = writer(tmp_path, JsonlSink(path, 10**6))
    assert to.flush(0) is True, "nothing was taken"
    assert not path.exists()
    take(to, *range(120))
    assert to.flush(LONG_S) is True
    assert booked(path) == 120


def test_no_batch_is_larger_than_it_may_be(tmp_path: Path, gate: Gate) -> None:
    sink = Scripted(gate)
    to = writer(tmp_path, sink)
    take(to, *range(50))
    assert gate.reached.wait(LONG_S)
    take(to, *range(50, 233))
    gate.open()
    assert to.flush(LONG_S)
    assert (max(sink.sizes), sum(sink.sizes)) == (50, 233)
    assert [one.key for one in sink.booked] == [record(number).key for number in range(233)], "in order"


def test_while_the_book_is_away_costs_wait_on_the_disk(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()  # a directory in its place: nothing can be appended
    to = writer(tmp_path, JsonlSink(path, 10**6))
    take(to, *range(70))
    assert to.flush(LONG_S) is False
    take(to, *range(70, 80))
    assert to.flush(LONG_S) is False
    assert to.counts() == (0, 80, 0, 0, 0)
    assert caplog.text.count("the book cannot be written, so costs wait in") == 1
    path.rmdir()
    take(to, 80)
    assert to.flush(LONG_S) is True
    assert to.counts() == (0, 0, 81, 0, 0)
    assert list((tmp_path / "spool").iterdir()) == []
    keys = [line.partition('"request_id":"')[2][:49] for line in path.read_text().splitlines()]
    assert keys == [record(number).key for number in range(81)], "in the order that they came"


def test_a_book_that_is_away_is_not_asked_for_every_batch(tmp_path: Path) -> None:
    asked = 0

    def away(_: object) -> None:
        nonlocal asked
        asked += 1
        raise LedgerError("away")

    to = writer(tmp_path, Scripted(away))
    take(to, *range(49))
    assert to.flush(LONG_S) is False
    before = asked
    take(to, *range(49, 500))
    waiting.until(lambda: to.counts().spooled >= 490, "all whole batches to be on the disk")
    assert (before, asked - before < 8) == (1, True), "it is tried after pauses only"


def test_a_book_that_is_back_is_found_without_being_asked(tmp_path: Path, path: Path) -> None:
    path.mkdir()
    to = writer(tmp_path, JsonlSink(path, 10**6))
    take(to, *range(3))
    to.flush(LONG_S)
    path.rmdir()
    waiting.until(lambda: to.counts().spooled == 0, "what waits on the disk to be booked")
    assert booked(path) == 3


def test_what_another_process_left_is_booked_first(tmp_path: Path, path: Path) -> None:
    path.mkdir()
    before = writer(tmp_path, JsonlSink(path, 10**6))
    take(before, 1, 2)
    before.flush(LONG_S)
    before._outlet._spool.forget()
    path.rmdir()
    to = writer(tmp_path, JsonlSink(path, 10**6))
    take(to, 3)
    assert to.flush(LONG_S)
    assert booked(path) == 3


def test_nobody_waits_for_a_book_that_hangs(tmp_path: Path, gate: Gate) -> None:
    """The queue fills up, a second thread takes it to the disk, and the app goes on."""
    sink = Scripted(gate)
    to = writer(tmp_path, sink, queue_size=1000)
    take(to, *range(50))
    assert gate.reached.wait(LONG_S)
    take(to, *range(50, 800))
    waiting.until(lambda: to.counts().spooled >= 450, "the queue to be taken to the disk")
    take(to, *range(800, 1000))
    assert to.flush(0.01) is False
    gate.open()
    assert to.flush(LONG_S) is True
    assert sorted(one.start_ns for one in sink.booked) == [record(number).start_ns for number in range(1000)]
    assert to.counts() == (0, 0, 1000, 0, 0)


def test_what_comes_too_fast_is_counted(tmp_path: Path, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    to = writer(tmp_path, Scripted(gate), queue_size=100, spool=10)
    take(to, *range(50))
    assert gate.reached.wait(LONG_S)
    take(to, *range(50, 1050))
    gate.open()
    assert to.flush(LONG_S)
    counts = to.counts()
    assert counts.written + counts.dropped == 1050
    assert counts.dropped > 0
    assert counts.dropped_nano == counts.dropped * 1000
    assert caplog.text.count("costs are dropped") == 1


def test_the_end_leaves_on_the_disk_what_a_hanging_book_does_not_take(tmp_path: Path, gate: Gate) -> None:
    to = writer(tmp_path, Scripted(gate))
    take(to, *range(50))
    assert gate.reached.wait(LONG_S)
    take(to, *range(50, 70))
    assert to.close(0.01) is False
    assert to.counts().spooled == 70, "what was being written, too: nobody knows whether it arrived"


def test_a_full_spool_drops_and_counts_the_dollars(tmp_path: Path, path: Path) -> None:
    path.mkdir()
    to = writer(tmp_path, JsonlSink(path, 10**6), spool=30_000)
    for number in range(300):
        to.take(record(number, unpriced() if number % 2 else None))
    assert to.flush(LONG_S) is False
    counts = to.counts()
    assert counts.spooled == 50
    assert (counts.dropped, counts.dropped_nano) == (250, 125 * 1000)


def test_what_cannot_be_booked_is_dropped_alone(tmp_path: Path) -> None:
    sink = Scripted()
    to = writer(tmp_path, sink)
    to.take(replace(record(1), key="no key\n"))
    take(to, 2)
    assert to.flush(LONG_S)
    assert to.counts() == (0, 0, 1, 1, 1000)


def test_what_the_book_refuses_is_dropped_alone(tmp_path: Path) -> None:
    def refuse(records: Sequence[CostRecord]) -> None:
        if record(7) in records:
            raise LedgerError("refused")

    sink = Scripted(refuse)
    to = writer(tmp_path, sink)
    take(to, *range(20))
    assert to.flush(LONG_S)
    assert to.counts() == (0, 0, 19, 1, 1000)


def test_a_fault_of_our_own_is_counted_and_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    def fail(records: Sequence[CostRecord]) -> None:
        if record(1) in records:
            raise RuntimeError("a fault")

    sink = Scripted(fail)
    to = writer(tmp_path, sink)
    shield.set_strict(False)
    try:
        take(to, 1)
        to.flush(LONG_S)
        take(to, 2)
        assert to.flush(LONG_S)
    finally:
        shield.set_strict(True)
    assert to.counts() == (0, 0, 1, 1, 1000)


def test_voids_are_booked_with_records(tmp_path: Path, path: Path) -> None:
    to = writer(tmp_path, JsonlSink(path, 10**6))
    take(to, 1, 2)
    to.void(Void(record(1).key, Reason.SAME_CALL, ""))
    assert to.flush(LONG_S)
    with JsonlLedger(path) as ledger:
        assert total(ledger).amount_nano == 1000
    assert to.counts().written == 3


def test_threads_that_take_at_once_lose_nothing(tmp_path: Path, path: Path) -> None:
    to = writer(tmp_path, JsonlSink(path, 10**6))
    threads = [threading.Thread(target=take, args=(to, *range(first, first + 300))) for first in range(0, 2400, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert to.flush(LONG_S)
    assert booked(path) == 2400


def test_a_signals_handler_that_ends_a_call_waits_for_nobody(tmp_path: Path, path: Path) -> None:
    to = writer(tmp_path, JsonlSink(path, 10**6))
    handled = 0

    def handler(*_: object) -> None:
        nonlocal handled
        handled += 1
        take(to, 10**6 + handled)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    taken = 0
    try:
        while handled < 50:
            take(to, taken)
            taken += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert to.flush(LONG_S)
    counts = to.counts()
    assert counts.written + counts.dropped == taken + handled


def test_writing_is_no_part_of_what_the_app_does(tmp_path: Path) -> None:
    """A driver that is instrumented makes no spans of our statements."""
    seen: list[bool] = []
    to = writer(tmp_path, Scripted(lambda _: seen.append(is_instrumentation_enabled())))
    take(to, 1)
    assert to.flush(LONG_S)
    assert seen == [False]


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("jsonl:logs/costs.jsonl", "logs/costs.jsonl.spool"),
        ("jsonl:", "logs/cost-tracking.jsonl.spool"),
        ("sqlite:///book.db", "book.db.spool"),
        ("sqlite:////var/lib/book.db?timeout=3", "/var/lib/book.db.spool"),
        ("postgresql://u@h/d", "otel-cost-spool"),
    ],
)
def test_where_the_spool_is(url: str, directory: str) -> None:
    assert spool_directory(LedgerSettings(url=url)) == Path(directory)
    assert spool_directory(LedgerSettings(url=url, spool=Path("there"))) == Path("there")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "a book in memory ends with the app"),
        ("sqlite:///:memory:", "a book in memory ends with the app"),
        ("postgresql://u:secret@h:x/d", "this postgresql URL is not one of a database"),
        ("postgres://u:secret@h/d", "this postgres URL is not one of a database"),
    ],
)
def test_a_wrong_url_is_told_before_anything_is_taken(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        writer_of(LedgerSettings(url=url))
    assert "secret" not in str(raised.value)
