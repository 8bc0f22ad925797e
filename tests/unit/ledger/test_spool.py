"""Batches on the disk: order, bounds, what crashes and damage leave (FEATURES O8)."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from otel_cost.errors import LedgerError
from otel_cost.ledger.spool import Spool
from otel_cost.ledger.spool_files import Batch, framed
from otel_cost.model import Reason, Void
from tests.contract.ledger.books import record, unpriced
from tests.support.processes import clean_environment
from tests.support.tools import CHECKOUT

MANY = 2**30


def batch(*numbers: int) -> Batch:
    return Batch(tuple(record(number) for number in numbers))


def replayed(spool: Spool) -> list[Batch]:
    found: list[Batch] = []
    spool.replay(found.append)
    return found


def the_file(directory: Path) -> Path:
    (found,) = directory.iterdir()
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", MANY)


def another_process(directory: Path, code: str, *, fails: bool = False) -> str:
    """``code`` with a ``spool`` over ``directory``, run to its end elsewhere."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from otel_cost.ledger.spool import Spool\n"
        "from tests.unit.ledger.test_spool import batch, replayed\n"
        f"spool = Spool(Path(sys.argv[1]), {MANY})\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(directory)], cwd=CHECKOUT, env=clean_environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout


def test_batches_come_back_in_order_and_then_are_gone(spool: Spool) -> None:
    batches = [batch(3), Batch((record(1, unpriced()),), (Void("a-b", Reason.SAME_CALL, ""),)), batch(2, 4)]
    assert all(spool.put(one) for one in batches)
    assert spool.waiting == 5
    assert replayed(spool) == batches
    assert (spool.waiting, spool.anything(), list(spool.directory.iterdir())) == (0, False, [])
    assert replayed(spool) == []


def test_what_the_book_does_not_take_stays_with_all_behind_it(spool: Spool) -> None:
    for number in range(4):
        spool.put(batch(number))
    taken: list[Batch] = []

    def book(one: Batch) -> None:
        if one == batch(2):
            raise LedgerError("away")
        taken.append(one)

    with pytest.raises(LedgerError):
        spool.replay(book)
    assert taken == [batch(0), batch(1)]
    assert spool.waiting == 2
    spool.put(batch(9))
    assert replayed(spool) == [batch(2), batch(3), batch(9)]


def test_it_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    one = framed(batch(1))
    spool = Spool(tmp_path / "spool", 3 * len(one) + 5)
    assert [spool.put(batch(1)) for _ in range(5)] == [True, True, True, False, False]
    assert the_file(spool.directory).stat().st_size == 3 * len(one)
    assert Spool(spool.directory, 3 * len(one) + 5).put(batch(1)) is False, "files of other processes count as well"
    assert len(replayed(spool)) == 3
    assert spool.put(batch(1)) is True


def test_its_files_are_for_their_owner_only(spool: Spool) -> None:
    spool.put(batch(1))
    assert the_file(spool.directory).stat().st_mode & 0o077 == 0


def test_what_another_process_still_has_is_left_alone(spool: Spool) -> None:
    spool.put(batch(1))
    assert another_process(spool.directory, "print(len(replayed(spool)))") == "0\n"
    assert replayed(spool) == [batch(1)]


def test_a_file_is_its_makers_before_others_see_it(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that looked for what was left behind, between making and locking, took the file or removed it."""
    lock = fcntl.flock
    other = Spool(spool.directory, MANY)

    def others_come_by_first(descriptor: int, how: int) -> None:
        with monkeypatch.context() as undone:
            undone.setattr(fcntl, "flock", lock)
            assert replayed(other) == []
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", others_come_by_first)
    assert spool.put(batch(1))
    monkeypatch.undo()
    spool.forget()
    assert replayed(Spool(spool.directory, MANY)) == [batch(1)], "the process died: it is there for the next one"


def test_what_a_killed_process_left_is_replayed_by_the_next_and_first(spool: Spool) -> None:
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    another_process(spool.directory, f"assert spool.put(batch(1)) and spool.put(batch(2))\n{kill}", fails=True)
    spool.put(batch(3))
    assert replayed(spool) == [batch(1), batch(2), batch(3)]
    assert list(spool.directory.iterdir()) == []


def test_what_was_left_behind_stays_where_the_book_is_still_away(spool: Spool) -> None:
    another_process(spool.directory, "assert spool.put(batch(1)) and spool.put(batch(2))")

    def away(_: Batch) -> None:
        raise LedgerError("away")

    for _ in range(2):
        with pytest.raises(LedgerError):
            spool.replay(away)
    assert another_process(spool.directory, "print(len(replayed(spool)))") == "2\n", "it is nobody's again"


@pytest.mark.parametrize("cut", [1, 11, 12, 200])
def test_a_torn_tail_was_never_acknowledged(spool: Spool, cut: int) -> None:
    another_process(spool.directory, "assert spool.put(batch(1)) and spool.put(batch(2))")
    path = the_file(spool.directory)
    one = len(framed(batch(1)))
    os.truncate(path, one + cut)
    assert replayed(spool) == [batch(1)]
    assert spool.damaged == 0
    assert list(spool.directory.iterdir()) == []


@pytest.mark.parametrize("where", [0, 5, 9, 40], ids=["mark", "length", "checksum", "payload"])
def test_damage_in_the_middle_costs_one_batch_and_is_said(
    spool: Spool, where: int, caplog: pytest.LogCaptureFixture
) -> None:
    another_process(spool.directory, "assert spool.put(batch(1)) and spool.put(batch(2)) and spool.put(batch(3))")
    path = the_file(spool.directory)
    data = bytearray(path.read_bytes())
    data[len(framed(batch(1))) + where] ^= 0x41
    path.write_bytes(data)
    assert replayed(spool) == [batch(1), batch(3)]
    assert spool.damaged == 1
    assert f"{path} is damaged" in caplog.text


def test_records_of_a_later_release_do_not_keep_the_others(spool: Spool) -> None:
    odd = framed(batch(1, 2)).replace(b'"status":"priced"', b'"status":"bought"', 1)
    payload = odd[12:]
    import struct
    import zlib

    spool.directory.mkdir()
    framed_odd = odd[:4] + struct.pack(">II", len(payload), zlib.crc32(payload)) + payload
    (spool.directory / "1.spool").write_bytes(framed_odd)
    assert replayed(spool) == [Batch((record(2),), (), 1)]
    assert spool.damaged == 1


def test_a_full_disk_is_told_and_leaves_what_was_there(spool: Spool) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "done = [spool.put(batch(number)) for number in range(60)]\n"
        "print(done.count(True), done.index(False), len(replayed(spool)))"
    )
    put, first_not, back = map(int, another_process(spool.directory, code).split())
    assert 0 < put < 60
    assert put == first_not == back


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert Spool(tmp_path / "file" / "spool", MANY).put(batch(1)) is False


def test_a_directory_that_was_cleared_loses_nothing_that_is_open(spool: Spool) -> None:
    spool.put(batch(1))
    the_file(spool.directory).unlink()
    assert replayed(spool) == [batch(1)]
    assert (spool.waiting, spool.anything()) == (0, False)


def test_a_new_file_is_begun_when_one_is_large(spool: Spool) -> None:
    large = batch(*range(3000))
    count = (8 * 2**20) // len(framed(large)) + 2
    for _ in range(count):
        assert spool.put(large)
    assert len(list(spool.directory.iterdir())) == 2
    assert len(replayed(spool)) == count


def test_a_forked_child_has_a_spool_of_its_own(spool: Spool) -> None:
    code = (
        "assert spool.put(batch(1))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    spool.forget()\n"
        "    spool.put(batch(2))\n"
        "    assert replayed(spool) == [batch(2)], 'the parent has the other one'\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(replayed(spool) == [batch(1)])"
    )
    assert another_process(spool.directory, code) == "True\n"
