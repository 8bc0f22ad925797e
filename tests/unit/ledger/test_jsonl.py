"""The files of a JSONL book: rotation, several writers, what a crash leaves (FEATURES D1, D3)."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_cost.errors import ConfigError, LedgerError
from otel_cost.ledger import Correction
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.jsonl import DEFAULT_PATH, JsonlLedger, JsonlSink, path_of
from otel_cost.ledger.opening import open_database, open_ledger
from otel_cost.model import Reason, Void
from tests.contract.ledger.books import NOON, priced, record, total
from tests.support.processes import clean_environment
from tests.support.tools import CHECKOUT

SMALL = 20_000
"""A dozen records or so."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "costs.jsonl"


def files_of(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_where_jsonl_alone_writes() -> None:
    assert path_of("jsonl:") == Path(DEFAULT_PATH) == Path("logs/cost-tracking.jsonl")
    assert path_of("jsonl:/var/log/costs.jsonl") == Path("/var/log/costs.jsonl")


def test_files_are_for_their_owner_only(path: Path) -> None:
    JsonlSink(path, SMALL).book([record(1)], (), booked_at_ns=NOON)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_file_is_put_aside_and_nothing_of_the_book_is_lost(path: Path) -> None:
    sink, reader = JsonlSink(path, SMALL), JsonlLedger(path)
    for number in range(60):
        sink.book([record(number)], (), booked_at_ns=NOON + number)
        if number % 20 == 0:
            assert total(reader).calls == number + 1, "a reader goes on where it was, across files"
    names = files_of(path)
    assert names[:3] == ["costs.jsonl", "costs.jsonl.000001", "costs.jsonl.000002"]
    assert all(each.stat().st_size <= SMALL for each in path.parent.iterdir())
    assert total(reader).amount_nano == 60 * 1000
    with JsonlLedger(path) as fresh:
        assert total(fresh) == total(reader)
    reader.close()


def test_writers_that_wait_while_a_file_is_put_aside_go_on_in_the_next(path: Path) -> None:
    def write(first: int) -> None:
        sink = JsonlSink(path, SMALL)
        for number in range(first, first + 60):
            sink.book([record(number)], (), booked_at_ns=NOON)

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 480, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [each.stat().st_size for each in path.parent.iterdir() if each != path]
    assert max(sizes) <= SMALL
    assert min(sizes) > SMALL - 2_000, "none is put aside before it is full"
    with JsonlLedger(path) as ledger:
        assert (total(ledger).calls, ledger.unreadable) == (480, 0)


def test_a_batch_that_is_larger_than_a_file_may_be_is_written_whole(path: Path) -> None:
    sink = JsonlSink(path, SMALL)
    for start in (0, 100):
        sink.book([record(start + number) for number in range(100)], (), booked_at_ns=NOON)
    assert files_of(path) == ["costs.jsonl", "costs.jsonl.000001"]
    with JsonlLedger(path) as ledger:
        assert total(ledger).calls == 200


def test_a_number_of_more_digits_comes_after_those_of_fewer(path: Path) -> None:
    sink = JsonlSink(path, SMALL)
    sink.book([record(1)], (), booked_at_ns=NOON)
    path.rename(path.with_name("costs.jsonl.999999"))
    for number in range(2, 40):
        sink.book([record(number)], (), booked_at_ns=NOON)
    assert "costs.jsonl.1000000" in files_of(path)
    with JsonlLedger(path) as ledger:
        assert [one.key for one in ledger.recent(0, 3)] == [record(number).key for number in (37, 38, 39)]
        assert total(ledger).calls == 39


def test_two_ledgers_that_write_in_turn_see_each_others_rows(path: Path) -> None:
    with JsonlLedger(path, SMALL) as one, JsonlLedger(path, SMALL) as other:
        for number in range(40):
            writer, reader = (one, other) if number % 2 else (other, one)
            assert writer.write([record(number)], booked_at_ns=NOON).booked == 1
            assert reader.write([record(number)], booked_at_ns=NOON).unchanged == 1
        assert total(one) == total(other)
        assert total(one).calls == 40


def test_what_an_app_appended_is_corrected_by_a_ledger(path: Path) -> None:
    JsonlSink(path, SMALL).book([record(1), record(2)], (), booked_at_ns=NOON)
    with JsonlLedger(path) as ledger:
        (first, second) = ledger.standing(0, MAX_STORED)
        ledger.correct([Correction(first.key, first.sequence, priced(1700))], booked_at_ns=NOON + 1)
        ledger.write([], [Void(second.key, Reason.SAME_CALL, first.key)], booked_at_ns=NOON + 2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["entry"], line["operations"]) for line in lines] == [
        *[("charge", 1)] * 2, ("correction", -1), ("correction", 1), ("void", -1), ("void", 1),
    ]  # fmt: skip
    assert sum(line["total_cost"] for line in lines) == pytest.approx(1700e-9)
    with JsonlLedger(path) as ledger:
        assert total(ledger).amount_nano == 1700


def test_a_void_by_one_who_does_not_look_is_read_like_any(path: Path) -> None:
    JsonlSink(path, SMALL).book([record(1), record(2)], [Void(record(1).key, Reason.SAME_CALL, "")], booked_at_ns=NOON)
    with JsonlLedger(path) as ledger:
        assert total(ledger).amount_nano == 1000


def test_a_torn_last_line_is_left_out_and_the_next_is_whole(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = JsonlSink(path, SMALL)
    sink.book([record(1), record(2)], (), booked_at_ns=NOON)
    os.truncate(path, path.stat().st_size - 30)
    with JsonlLedger(path) as ledger:
        assert total(ledger).calls == 1
        sink.book([record(3)], (), booked_at_ns=NOON)
        assert total(ledger).calls == 2
        assert ledger.unreadable == 1
    assert "are left out" in caplog.text
    sink.book([record(2)], (), booked_at_ns=NOON)
    with JsonlLedger(path) as ledger:
        assert total(ledger).calls == 3


def test_a_ledger_that_writes_after_a_torn_line_knows_it(path: Path) -> None:
    with JsonlLedger(path) as ledger:
        ledger.write([record(1), record(2)], booked_at_ns=NOON)
        os.truncate(path, path.stat().st_size - 30)
        assert ledger.write([record(3)], booked_at_ns=NOON).booked == 1
        assert total(ledger).calls == 2, "what is not in the file is not in the book"


def test_another_programs_lines_are_left_out(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"timestamp":"2026-01-01T00:00:00","total_cost":5}\n\n')
    JsonlSink(path, SMALL).book([record(1)], (), booked_at_ns=NOON)
    with JsonlLedger(path) as ledger:
        assert (total(ledger).amount_nano, ledger.unreadable) == (1000, 2)


def test_a_file_that_began_anew_is_read_anew(path: Path) -> None:
    """The number of an inode may be that of another file now."""
    sink = JsonlSink(path, 10**6)
    sink.book([record(1), record(2)], (), booked_at_ns=NOON)
    with JsonlLedger(path) as ledger:
        assert total(ledger).calls == 2
        os.truncate(path, 0)
        sink.book([record(number) for number in range(3, 9)], (), booked_at_ns=NOON)
        assert total(ledger).calls == 8


def test_a_full_disk_leaves_whole_batches(path: Path) -> None:
    # A process of its own, whose files may not grow: what a full disk looks like.
    script = (
        "import sys; from pathlib import Path\n"
        "from otel_cost.ledger.jsonl import JsonlSink\n"
        "from otel_cost.errors import LedgerError\n"
        "from tests.contract.ledger.books import NOON, record\n"
        "sink, number = JsonlSink(Path(sys.argv[1]), 10**9), 0\n"
        "try:\n"
        "    while True:\n"
        "        sink.book([record(number), record(number + 1)], (), booked_at_ns=NOON)\n"
        "        number += 2\n"
        "except LedgerError as error: print(number, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=CHECKOUT,
        env=clean_environment({"PYTHONDONTWRITEBYTECODE": "1"}),  # it would leave half of one
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    written, _, why = done.stdout.partition(" ")
    assert why.startswith(f"the ledger at {path} cannot be written: ")
    assert int(written) > 0
    assert path.read_bytes().endswith(b"\n")
    with JsonlLedger(path) as ledger:
        assert (total(ledger).calls, ledger.unreadable) == (int(written), 0)


def test_no_book_is_no_empty_book(path: Path) -> None:
    with pytest.raises(LedgerError, match=r"there is no book at .*costs\.jsonl"):
        open_ledger(f"jsonl:{path}", create=False)
    with open_ledger(f"jsonl:{path}") as ledger:
        assert total(ledger).calls == 0
    assert not path.exists(), "asking makes nothing"


def test_what_needs_a_database_says_so() -> None:
    with pytest.raises(ConfigError, match=r"otel-cost serve needs a database, and jsonl:x is a file"):
        open_database("jsonl:x", needed_by="otel-cost serve")


def test_writing_needs_no_database_library(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from otel_cost.ledger.jsonl import JsonlSink\n"
        "from tests.contract.ledger.books import NOON, record\n"
        "JsonlSink(Path(sys.argv[1]), 10**9).book([record(1)], (), booked_at_ns=NOON)\n"
        "print('sqlalchemy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
