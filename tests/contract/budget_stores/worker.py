"""A process of its own that uses a shared store: ``python -m … URL WHAT NAME …``. Says what it did as JSON lines."""

from __future__ import annotations

import json
import os
import signal
import sys

from otel_cost.budgets.stores import Store, open_store
from otel_cost.budgets.stores.base import Refused, Want
from otel_cost.errors import BudgetStoreError
from tests.contract.budget_stores.making import DAY, LATER, NOW, post, reserve, row, settle

AMOUNT, CAP = 10, 1000
HALF, WHOLE = 500_000, 1_000_000


def hammer(store: Store, name: str, calls: int) -> dict[str, int]:
    """Reserve and settle in one row, and in a second one that is named in the other order by every other call."""
    counts = {"reserved": 0, "refused": 0, "alerts": 0}
    rows = [row("hot"), row("warm")]
    for number in range(calls):
        wants = [Want(key, AMOUNT, CAP) for key in (rows if number % 2 else rows[::-1])]
        hold = f"{name}-{number}"
        if isinstance(reserve(store, hold, *wants, expires_ns=NOW + DAY), Refused):
            counts["refused"] += 1
            continue
        counts["reserved"] += 1
        posts = [post(want.row, AMOUNT, limit=CAP, thresholds=(HALF, WHOLE)) for want in wants]
        for _ in range(2):  # the second time has no effect
            counts["alerts"] += sum(len(posting.alerts) for posting in settle(store, hold, *posts, hold=hold))
    return counts


def main() -> None:
    url, what, name, *rest = sys.argv[1:]
    store = open_store(url, timeout_s=20.0)
    if what == "hammer":
        print(json.dumps(hammer(store, name, int(rest[0]))))
    elif what == "sweep":
        print(json.dumps([lost.hold_id for lost in store.sweep(now_ns=LATER, charge=())]))
    elif what == "claim":
        print(json.dumps([alert.id for alert in store.claim_untold(before_ns=LATER)]))
    elif what == "settle-until-killed":
        print("ready", flush=True)
        number = 0
        while True:
            try:
                reserve(store, f"{name}-{number}", Want(row(), AMOUNT))
                settle(store, f"{name}-{number}", post(row(), AMOUNT), hold=f"{name}-{number}")
            except BudgetStoreError:
                continue
            number += 1
            print(number, flush=True)
    elif what == "hold-and-die":
        reserve(store, name, Want(row(), AMOUNT, CAP))
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
