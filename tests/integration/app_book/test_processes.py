"""The book that several processes write, forked ones and killed ones among them (FEATURES E2, O8, B2)."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otel_cost.ledger.opening import open_ledger
from otel_cost.model import NANO
from tests.contract.ledger.books import total
from tests.integration.app_book.apps import booked_nano, environment, lines_of
from tests.integration.app_book.caller import FORKS_CALL, NANO_A_CALL
from tests.support import ports, processes, server
from tests.support.tools import CHECKOUT

BOOKS = pytest.mark.parametrize("book", ["sqlite:///{}/book.db", "jsonl:{}/book.jsonl"], ids=["sqlite", "jsonl"])


def of_caller(**settings: str) -> dict[str, str]:
    return processes.clean_environment({"PYTHONPATH": str(CHECKOUT), **settings})


def run(*arguments: str, directory: Path, **settings: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.app_book.caller", *arguments],
        cwd=directory, env=of_caller(**settings), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def killed_after(directory: Path, enough: int, **settings: str) -> tuple[int, int]:
    """How many calls an app made, and how many of them it knew to be safe, when SIGKILL ended it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.app_book.caller", "forever"],
        cwd=directory, env=of_caller(**settings), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    told = ""
    while not told or int(told.split()[1]) < enough:
        told = child.stdout.readline()
        assert told, "it ended by itself"
    child.kill()
    rest = [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.stdout.close()
    child.wait()
    made, sure = ([told, *rest][-1]).split()
    return int(made), int(sure)


def calls_in(book: str) -> int:
    with open_ledger(book, create=False) as ledger:
        found = total(ledger)
        assert found.amount_nano == found.calls * NANO_A_CALL
        return found.calls


@BOOKS
def test_a_killed_app_loses_no_more_than_what_waited(tmp_path: Path, book: str) -> None:
    url = book.format(tmp_path)
    made, sure = killed_after(tmp_path, 300, OTEL_COST_LEDGER=url)
    found = calls_in(url)
    print(f"made at least {made}, known to be booked {sure}, booked {found}")
    assert found >= sure
    # What is made between two flushes is 27 calls at most, the last of them perhaps not yet told of.
    assert found >= made - 27


@BOOKS
def test_what_a_killed_app_had_on_the_disk_is_booked_by_the_next(tmp_path: Path, book: str) -> None:
    url = book.format(tmp_path)
    file = Path(url.partition(":///" if url.startswith("sqlite") else ":")[2])
    file.mkdir()  # a directory in its place: no book can be written
    made, sure = killed_after(tmp_path, 300, OTEL_COST_LEDGER=url)
    file.rmdir()
    run("calls", "1", directory=tmp_path, OTEL_COST_LEDGER=url)
    found = calls_in(url)
    print(f"made at least {made}, known to be on the disk {sure}, booked {found}")
    assert found >= sure + 1
    assert list(file.with_name(f"{file.name}.spool").iterdir()) == []


@BOOKS
def test_forked_children_book_their_own_calls_once(tmp_path: Path, book: str) -> None:
    url = book.format(tmp_path)
    run("forks", directory=tmp_path, OTEL_COST_LEDGER=url, OTEL_COST_EXPORT_ON_EXIT="sums/costs.json")
    assert calls_in(url) == FORKS_CALL
    if url.startswith("jsonl"):
        assert len(lines_of(tmp_path / "book.jsonl")) == FORKS_CALL
    sums = {path.name: json.loads(path.read_text()) for path in (tmp_path / "sums").iterdir()}
    assert sums["costs.json"]["total"]["calls"] == 6, "the parent's own"
    others = sorted(told["total"]["calls"] for name, told in sums.items() if name != "costs.json")
    assert others == [2, 4, 4], "each child's, but of the one that ended by os._exit"
    assert all(name == f"costs.{told['process']}.json" for name, told in sums.items() if name != "costs.json")


def served(directory: Path, command: Sequence[str | Path], port: int, book: str) -> int:
    """Start the app, make requests of one call each until two workers have answered, end it as its supervisor would;
    how many requests that were."""
    env = environment(
        "http://127.0.0.1:9",
        PYTHONPATH=str(CHECKOUT),
        OTEL_COST_LEDGER=book,
        OTEL_COST_EXPORT_ON_EXIT="sums/costs.json",
        OTEL_COST_INSTRUMENT="false",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
    )
    url = f"http://127.0.0.1:{port}"
    who: list[str] = []

    def ask(_: int = 0) -> None:
        with urllib.request.urlopen(f"{url}/call", timeout=60) as answer:
            who.append(answer.read().decode())

    full = [server.BIN / "opentelemetry-instrument", *command]
    with processes.running(full, name="web", directory=directory, environment=env) as child:
        processes.until_answers(child, url)
        with ThreadPoolExecutor(4) as several:
            list(several.map(ask, range(60)))
        while len(set(who)) < 2:
            ask()
        child.process.terminate()
        child.process.wait(60)
        assert "Traceback" not in child.output(), child.output()
    return len(who)


def test_nothing_is_lost_or_doubled_under_gunicorn(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="pip install gunicorn")
    (port,) = ports.free_ports(1)
    command = ["gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}", "--preload", "--no-control-socket",
               "tests.integration.app_book.web:wsgi"]  # fmt: skip
    check_served(tmp_path, [server.BIN / command[0], *command[1:]], port)


def test_nothing_is_lost_or_doubled_under_uvicorn(tmp_path: Path) -> None:
    (port,) = ports.free_ports(1)
    command = ["uvicorn", "--workers", "2", "--port", str(port), "tests.integration.app_book.web:asgi"]
    check_served(tmp_path, [server.BIN / command[0], *command[1:]], port)


def check_served(directory: Path, command: Sequence[str | Path], port: int) -> None:
    book = f"sqlite:///{directory}/book.db"
    made = served(directory, command, port, book)
    assert booked_nano(book) == made * NANO_A_CALL
    sums = [json.loads(path.read_text())["total"] for path in (directory / "sums").iterdir()]
    assert sum(told["calls"] for told in sums) == made
    assert sum(round(float(told["usd"]) * NANO) for told in sums) == made * NANO_A_CALL
