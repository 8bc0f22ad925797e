"""Prices a book anew in a process of its own: ``python -m tests.integration.reprice.corrector URL PRICES PAGE``.

Prints the calls gone over so far after each page.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from otel_cost.ledger.base import MAX_STORED, Correction, Written
from otel_cost.ledger.sql import open_ledger
from otel_cost.repricing import Window, reprice
from tests.integration.reprice.books import catalog_of


def main(url: str, prices: str, page: int) -> None:
    done = 0
    with open_ledger(url, create=False) as ledger:

        def book(corrections: list[Correction]) -> Written:
            return ledger.correct(corrections, booked_at_ns=time.time_ns())

        def progress(calls: int) -> None:
            nonlocal done
            done += calls
            print(done, flush=True)

        window = Window(0, MAX_STORED)
        reprice(
            ledger, catalog_of(Path(prices)), window, book=lambda made: book(list(made)), progress=progress, page=page
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
