"""One store, many real processes, some of which are killed (FEATURES B2, C9: a limit is a limit)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from otel_cost.budgets.stores import Store, open_store
from otel_cost.budgets.stores.base import LostHold, Want
from tests.contract.budget_stores.conftest import ANSWER_S
from tests.contract.budget_stores.making import LATER, NOW, amounts, post, reserve, row, settle
from tests.contract.budget_stores.worker import AMOUNT, CAP, HALF
from tests.support.processes import clean_environment
from tests.support.tools import CHECKOUT

PROCESSES = 8


def _start(url: str, *what: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.budget_stores.worker", url, *map(str, what)]
    return subprocess.Popen(command, cwd=CHECKOUT, env=clean_environment(), stdout=subprocess.PIPE, text=True)


def _all_of(processes: Sequence[subprocess.Popen[str]]) -> list[object]:
    answers = []
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        answers.append(json.loads(output))
    return answers


def _opened(url: str) -> Store:
    return open_store(url, timeout_s=ANSWER_S)


def test_a_cap_holds_and_every_nano_is_counted_once_over_many_processes_that_open_a_fresh_store(
    shared_url: str,
) -> None:
    counts = _all_of([_start(shared_url, "hammer", f"p{number}", 30) for number in range(PROCESSES)])
    reserved, refused, alerts = (
        sum(count[key] for count in counts if isinstance(count, dict)) for key in ("reserved", "refused", "alerts")
    )
    store = _opened(shared_url)
    assert reserved * AMOUNT == CAP
    assert reserved + refused == PROCESSES * 30
    assert [amounts(store, row(team)) for team in ("hot", "warm")] == [(CAP, 0)] * 2
    assert alerts == len(store.alerts()) == 4  # two thresholds of two rows
    store.close()


def test_room_held_by_a_killed_process_comes_back_once_it_lapses(shared_url: str) -> None:
    killed = _start(shared_url, "hold-and-die", "h")
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    store = _opened(shared_url)
    assert amounts(store, row()) == (0, AMOUNT)
    assert store.sweep(now_ns=LATER, charge=()) == [LostHold("h", row(), AMOUNT, LATER, False)]
    assert amounts(store, row()) == (0, 0)
    store.close()


def test_processes_killed_at_any_moment_leave_whole_transactions(shared_url: str) -> None:
    workers = [_start(shared_url, "settle-until-killed", f"p{number}") for number in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        for _ in range(6):  # it is at work
            worker.stdout.readline()
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    told = [int((worker.communicate()[0].split() or ["0"])[-1]) for worker in workers]
    store = _opened(shared_url)
    store.sweep(now_ns=LATER, charge=())
    spent, reserved = amounts(store, row())
    assert reserved == 0
    # Each may have been killed between a commit and saying so.
    assert sum(told) * AMOUNT <= spent
    assert spent % AMOUNT == 0
    again = sum(len(settle(store, f"p0-{number}", post(row(), AMOUNT))) for number in range(told[0]))
    assert again == 0
    store.close()


def test_each_lost_hold_and_each_untold_alert_goes_to_one_process(shared_url: str) -> None:
    store = _opened(shared_url)
    holds = [f"h{number}" for number in range(40)]
    for hold in holds:
        reserve(store, hold, Want(row("a"), AMOUNT), Want(row("b"), AMOUNT))
    for number in range(40):
        settle(store, f"k{number}", post(row(f"alert {number}"), 600, thresholds=(HALF,)), now_ns=NOW)
    sweeping = [_start(shared_url, "sweep", "s") for _ in range(4)]
    claiming = [_start(shared_url, "claim", "c") for _ in range(4)]
    swept = [hold for some in _all_of(sweeping) if isinstance(some, list) for hold in some]
    claimed = [alert for some in _all_of(claiming) if isinstance(some, list) for alert in some]
    assert sorted(swept) == sorted(holds * 2)  # once for each row
    assert sorted(claimed) == sorted(alert.id for alert in store.alerts(limit=1000))
    assert (amounts(store, row("a")), amounts(store, row("b"))) == ((0, 0), (0, 0))
    store.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_and_its_parent_both_go_on(shared_url: str) -> None:
    store = _opened(shared_url)
    settle(store, "before", post(row(), 1))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            settle(store, "child", post(row(), 10))
            store.close()
            code = 0
        finally:
            os._exit(code)
    settle(store, "parent", post(row(), 100))
    assert os.waitpid(child, 0)[1] == 0
    settle(store, "after", post(row(), 1000))
    assert amounts(store, row()) == (1111, 0)
    store.close()
