"""Books records in a process of its own: ``python -m tests.contract.ledger.writer URL FIRST LAST BATCH``.

Prints the number of records acknowledged so far after each batch.
"""

from __future__ import annotations

import sys

from otel_cost.ledger.opening import open_ledger
from tests.contract.ledger.books import NOON, record


def main(url: str, first: int, last: int, batch: int) -> None:
    with open_ledger(url) as ledger:
        for start in range(first, last, batch):
            stop = min(start + batch, last)
            ledger.write([record(number) for number in range(start, stop)], booked_at_ns=NOON)
            print(stop - first, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
