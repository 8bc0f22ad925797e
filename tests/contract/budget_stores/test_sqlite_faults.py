"""What SQLite's store says when its file or its disk fails, and that it goes on when they are back."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otel_cost.budgets.stores.base import Store
from otel_cost.budgets.stores.sqlite import open_sqlite
from otel_cost.errors import BudgetStoreBusy, BudgetStoreUnavailable
from tests.contract.budget_stores.making import amounts, post, row, settle
from tests.support.processes import clean_environment
from tests.support.tools import CHECKOUT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budgets.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = open_sqlite(path, busy_s=0.05)
    settle(opened, "first", post(row(), 1))
    yield opened
    opened.close()


@contextmanager
def _written_by_another(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def test_a_writer_that_does_not_end_is_contention_and_no_outage(store: Store, path: Path) -> None:
    with _written_by_another(path):
        with pytest.raises(BudgetStoreBusy, match=r"budgets.db was kept busy by others for 0.05 s"):
            settle(store, "k", post(row(), 10))
        assert amounts(store, row()) == (1, 0)  # readers wait for no writer
    settle(store, "k", post(row(), 10))
    assert amounts(store, row()) == (11, 0)


def test_a_full_disk_is_an_outage_and_loses_nothing(store: Store, path: Path) -> None:
    # A process of its own, whose files may not grow: what a full disk looks like to SQLite.
    limit = path.stat().st_size + 20_000
    script = (
        "import sys; from otel_cost.budgets.stores.sqlite import open_sqlite\n"
        "from otel_cost.errors import BudgetStoreUnavailable\n"
        "from tests.contract.budget_stores.making import post, row, settle\n"
        "store = open_sqlite(sys.argv[1])\n"
        "try:\n"
        "    for number in range(1000): settle(store, f'k{number}', post(row(), 1))\n"
        "except BudgetStoreUnavailable: print(number)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=CHECKOUT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    settled = int(done.stdout)
    assert amounts(store, row()) == (1 + settled, 0)
    settle(store, "k", post(row(), 10))
    assert amounts(store, row()) == (11 + settled, 0)


def test_a_file_that_is_gone_stays_gone_until_one_is_there(store: Store, path: Path) -> None:
    for each in path.parent.iterdir():
        each.unlink()
    for _ in range(2):
        with pytest.raises(BudgetStoreUnavailable):
            settle(store, "k", post(row(), 10))
    assert not path.exists()
    open_sqlite(path).close()
    assert amounts(store, row()) == (0, 0)


def test_a_file_that_was_replaced_is_opened_anew(store: Store, path: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = open_sqlite(tmp_path / "other" / "budgets.db")
    settle(other, "k", post(row(), 500))
    other.close()
    os.replace(tmp_path / "other" / "budgets.db", path)
    with pytest.raises(BudgetStoreUnavailable, match="is another file now"):
        amounts(store, row())
    for leftover in ("-wal", "-shm"):
        Path(f"{path}{leftover}").unlink(missing_ok=True)
    assert amounts(store, row()) == (500, 0)


def test_rubbish_in_the_place_of_the_file_is_an_outage(store: Store, path: Path, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"rubbish" * 10_000)
    os.replace(rubbish, path)
    for leftover in ("-wal", "-shm"):
        Path(f"{path}{leftover}").unlink()
    for _ in range(3):
        with pytest.raises(BudgetStoreUnavailable):
            amounts(store, row())
    assert path.read_bytes().startswith(b"rubbish")  # it may be somebody's


def test_a_directory_that_is_missing_is_an_outage_until_it_is_there(tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "later" / "budgets.db")
    with pytest.raises(BudgetStoreUnavailable, match="unable to open"):
        store.controls()
    (tmp_path / "later").mkdir()
    assert store.controls().version == 0
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_read_only_is_an_outage_until_it_is_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    store = open_sqlite(tmp_path / "budgets.db")
    with pytest.raises(BudgetStoreUnavailable):
        store.controls()
    tmp_path.chmod(0o700)
    assert store.controls().version == 0
    store.close()


def test_a_closed_store_says_so(path: Path) -> None:
    store = open_sqlite(path)
    store.close()
    with pytest.raises(BudgetStoreUnavailable, match="was closed"):
        store.controls()
