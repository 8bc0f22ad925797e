"""Many processes against one blocking budget: does the limit hold, and how much of it can be used?

``python -m tests.benchmarks.bench_budgets`` runs 32 processes of 200 calls each on SQLite and, where it can be had, on
PostgreSQL. With each call's own limit reserved, overshoot has to be 0 and 98 % of the limit spent; the bound of
``reserve: max`` has to hold as well, and that of a cache; ``learned_p99`` has none, so its overshoot is reported. In a
last run processes kill themselves in the middle of calls: once their reservations have lapsed, none may be left. Exit
code 1 on any miss.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from otel_cost.budget_settings import Reserve
from otel_cost.budgets.deciding import SLICE
from otel_cost.model import NANO
from tests.benchmarks.reporting import Row, report
from tests.support.budget_crowd import Outcome, Spec, crowd
from tests.support.postgres import find_binaries, postgres_server

LIMIT_USD = 60
"""Of reservations of one dollar: at least 50."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=32)
    parser.add_argument("--calls", type=int, default=200)
    asked = parser.parse_args()
    rows: list[Row] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows += _store("SQLite", lambda name: f"sqlite:///{directory / name}.db", asked.processes, asked.calls)
        if find_binaries() is not None:
            server = stack.enter_context(postgres_server())

            def database(name: str) -> str:
                server.run(f"CREATE DATABASE {name}")
                return server.url(name)

            rows += _store("PostgreSQL", database, asked.processes, asked.calls)
    return report(f"{asked.processes} processes of {asked.calls} calls, one limit of {LIMIT_USD} USD", rows)


def _store(store: str, url: Callable[[str], str], processes: int, calls: int) -> Iterator[Row]:
    bounded: tuple[Reserve, ...] = ("request", "max")
    for mode in bounded:
        outcome = crowd(Spec(url(mode), LIMIT_USD, calls, reserve=mode), processes)
        yield from _held(f"{store}, reserve: {mode}", outcome)
    outcome = crowd(Spec(url("learned"), LIMIT_USD, calls, reserve="learned_p99"), processes)
    yield Row(f"{store}, reserve: learned_p99: overshoot (no bound)", _overshoot(outcome), "USD")
    yield Row(f"{store}, reserve: learned_p99: leaked", outcome.reserved_nano / NANO, "USD", at_most=0)
    outcome = crowd(Spec(url("cached"), LIMIT_USD, calls, cache_s=1.0), processes)
    bound = processes * LIMIT_USD / SLICE
    yield Row(f"{store}, cache: 1s: overshoot (bound: {processes} x 1 %)", _overshoot(outcome), "USD", at_most=bound)
    outcome = crowd(Spec(url("killed"), LIMIT_USD, calls, kills=0.05), processes)
    yield Row(f"{store}, {outcome.killed} killed in a call: overshoot", _overshoot(outcome), "USD", at_most=0)
    yield Row(f"{store}, {outcome.killed} killed in a call: leaked", outcome.reserved_nano / NANO, "USD", at_most=0)


def _held(name: str, outcome: Outcome) -> Iterator[Row]:
    made = sum(one.made for one in outcome.told)
    yield Row(f"{name}: overshoot", _overshoot(outcome), "USD", at_most=0)
    yield Row(f"{name}: of the limit spent", 100 * outcome.spent_nano / NANO / LIMIT_USD, "%", at_least=98)
    yield Row(f"{name}: leaked", outcome.reserved_nano / NANO, "USD", at_most=0)
    yield Row(f"{name}: unsettled", (outcome.cost_nano - outcome.spent_nano) / NANO, "USD", at_most=0)
    yield Row(
        f"{name}: calls without the store's word", sum(one.unreachable for one in outcome.told), "calls", at_most=0
    )
    yield Row(
        f"{name}: {made} calls made, {sum(one.refused for one in outcome.told)} refused, in", outcome.seconds, "s"
    )


def _overshoot(outcome: Outcome) -> float:
    return max(0.0, outcome.spent_nano / NANO - LIMIT_USD)


if __name__ == "__main__":
    raise SystemExit(main())
