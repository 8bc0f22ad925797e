"""A crowd of processes that spend against one budget in a shared store, each as an app would: ask, call, settle.

Started by :func:`crowd`; as ``python -m tests.support.budget_crowd <spec as JSON>`` it is one of them. Money is made
up: a token costs a dollar, and a call takes between nothing and what its request allows.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from otel_cost.budget_settings import BudgetSettings, Reserve
from otel_cost.budgets import Budgets
from otel_cost.budgets.reserving import Reserving
from otel_cost.budgets.spec import Budget, budget_of
from otel_cost.budgets.stores import open_store
from otel_cost.errors import BudgetExceeded
from otel_cost.model import NANO, Charge, CostRecord, PlannedCall, Status, Usage

WORST_TOKENS = 100
PRICE_NANO = NANO // WORST_TOKENS
"""A call's worst case is a dollar."""
HOLD_TTL_S = 2.0


@dataclass(frozen=True)
class Spec:
    """What each process does. ``kills``: the share of calls in which it kills itself between asking and settling."""

    url: str
    limit_usd: int
    calls: int
    seed: int = 0
    reserve: Reserve = "request"
    kills: float = 0.0
    cache_s: float = 0.0
    timeout_s: float = 0.25

    def budget(self) -> Budget:
        amount = Decimal(self.limit_usd)
        return budget_of(
            BudgetSettings(name="crowd", amount_usd=amount, period="total", action="block", reserve=self.reserve)
        )


@dataclass(frozen=True)
class Told:
    """What one process did. ``costs_nano`` is what its calls cost, whether or not it lived to settle them."""

    made: int
    refused: int
    unreachable: int
    cost_nano: int


@dataclass(frozen=True)
class Outcome:
    """What all of them did, and what the store says once they are gone."""

    told: tuple[Told, ...]
    killed: int
    spent_nano: int
    reserved_nano: int
    seconds: float

    @property
    def cost_nano(self) -> int:
        return sum(one.cost_nano for one in self.told)


def crowd(spec: Spec, processes: int) -> Outcome:
    """Run ``processes`` processes at once, and look at the store when they are gone."""
    open_store(spec.url, timeout_s=spec.timeout_s).close()  # its tables are made once
    started = [_start(Spec(**{**asdict(spec), "seed": spec.seed + number})) for number in range(processes)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    begun = time.monotonic()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=600)[0] for process in started]
    seconds = time.monotonic() - begun
    told = tuple(Told(**json.loads(output)) for output in outputs if output.strip())
    failed = [process.returncode for process in started if process.returncode not in (0, -signal.SIGKILL)]
    assert not failed, f"processes failed with {failed}"
    return _looked_at(spec, told, len(started) - len(told), seconds)


def _start(spec: Spec) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.budget_crowd", json.dumps(asdict(spec))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _looked_at(spec: Spec, told: tuple[Told, ...], killed: int, seconds: float) -> Outcome:
    store = open_store(spec.url, timeout_s=spec.timeout_s)
    try:
        # Whoever was killed renews nothing any more: its reservations lapse, and are swept.
        store.sweep(now_ns=time.time_ns() + round(2 * HOLD_TTL_S * NANO), charge=())
        (row,) = store.rows("crowd")
    finally:
        store.close()
    return Outcome(told, killed, row.spent_nano, row.reserved_nano, seconds)


# --- one of them ------------------------------------------------------------------------------------------------------


def _cost_nano(_call: PlannedCall, usage: Usage) -> int:
    return PRICE_NANO * usage.get("output_tokens")


def main(arguments: Sequence[str]) -> int:
    spec = Spec(**json.loads(arguments[0]))
    chance = random.Random(spec.seed)
    budgets = Budgets(
        [spec.budget()],
        on_event=lambda _event: None,
        reserving=Reserving(_cost_nano, lambda _call: WORST_TOKENS),
        store=open_store(spec.url, timeout_s=spec.timeout_s),
        hold_ttl_s=HOLD_TTL_S,
        cache_s=spec.cache_s,
    )
    print("ready", flush=True)
    sys.stdin.readline()
    told = _spend(spec, budgets, chance)
    budgets.close()
    print(json.dumps(asdict(told)), flush=True)
    return 0


def _spend(spec: Spec, budgets: Budgets, chance: random.Random) -> Told:
    made = refused = cost_nano = 0
    limit = WORST_TOKENS if spec.reserve == "request" else None
    for number in range(spec.calls):
        try:
            hold = budgets.admit(PlannedCall("p", "m", "chat", max_output_tokens=limit), "")
        except BudgetExceeded:
            refused += 1
            time.sleep(chance.uniform(0.0, 0.02))  # an app that was told to try later
            continue
        time.sleep(chance.uniform(0.0, 0.01))  # the provider
        if chance.random() < spec.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        record = _record(chance.randint(0, WORST_TOKENS), f"{spec.seed:016x}{number:016x}")
        made += 1
        cost_nano += record.charge.amount_nano
        hold.bind(record.key)
        budgets.take(record)
        hold.release()
    return Told(made, refused, budgets.unreachable, cost_nano)


def _record(tokens: int, trace_id: str) -> CostRecord:
    charge = Charge(Status.PRICED, amount_nano=tokens * PRICE_NANO, list_nano=tokens * PRICE_NANO)
    now_ns = time.time_ns()
    return CostRecord(
        f"{trace_id}-{1:016x}", trace_id, f"{1:016x}", "", now_ns, now_ns, "chat", "p", "m", "m", charge,
        usage=Usage.of({"output_tokens": tokens}),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
