"""Processes for tests to kill, and to race: ``python -m tests.integration.database.worker WHAT URL [MORE]``.

What is to be killed prints ``ready`` in the middle of what it does, and waits there.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from otel_cost.ledger import archive as archiving
from otel_cost.ledger import retention
from otel_cost.ledger.archive import archive
from otel_cost.ledger.backup import backup
from otel_cost.ledger.sql import connect, open_ledger
from tests.integration.database import books
from tests.integration.database.books import NOVEMBER


def ready(_done: int = 0) -> None:
    print("ready", flush=True)
    signal.pause()


def after(count: int) -> Callable[[int], None]:
    """Ready when so many were told of."""
    left = count

    def told(done: int) -> None:
        nonlocal left
        left -= done
        if left < 0:
            ready()

    return told


def upgrade(url: str) -> None:
    connect(url).prepare(told=ready)


def back_up(url: str, path: str) -> None:
    backup(connect(url), Path(path), after(400))


def archive_reading(url: str, directory: str) -> None:
    """While the second month's file is written."""
    _archive(url, directory, after(150))


def archive_closed(url: str, directory: str) -> None:
    """When all days are closed, before a row is removed."""
    before, removed = retention.remove_closed, 0

    def remove(*arguments: object) -> int:
        nonlocal removed
        removed += 1
        if removed == 2:
            ready()
        return 0

    assert before is archiving.retention.remove_closed
    retention.remove_closed = remove  # type: ignore[assignment]
    _archive(url, directory)


def archive_removing(url: str, directory: str) -> None:
    """When some rows are removed."""
    retention._AT_ONCE = 30  # type: ignore[misc]
    removing = retention.remove_closed
    retention.remove_closed = lambda ledger: removing(ledger, after(60))  # type: ignore[assignment, misc]
    _archive(url, directory)


def write(url: str, first: str, last: str, batch: str) -> None:
    """Book calls, many of them twice, and say how many were new."""
    booked = 0
    with open_ledger(url) as ledger:
        calls = books.calls(int(last) - int(first), first=int(first))
        for start in range(0, len(calls), int(batch)):
            some = calls[max(0, start - 5) : start + int(batch)]
            booked += ledger.write(some, booked_at_ns=books.BOOKED).booked
    print(booked, flush=True)


def open_it(url: str) -> None:
    """As a server that starts."""
    with open_ledger(url) as ledger, ledger.snapshot() as connection:
        print(books.booked(connection)[0], flush=True)


def _archive(url: str, directory: str, told: Callable[[int], None] = lambda _done: None) -> None:
    archive(open_ledger(url), NOVEMBER.end_ns, Path(directory), now_ns=NOVEMBER.end_ns, remove=True, told=told)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
