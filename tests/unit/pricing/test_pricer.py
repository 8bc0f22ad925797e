from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from otel_cost import semconv, shield
from otel_cost.errors import ConfigError
from otel_cost.pricing import Catalog, Pricer

WAIT_S = 30.0


class Loader:
    """A load that can be held up, and counts how often it ran."""

    def __init__(self, catalog: Catalog, *, held: bool = False) -> None:
        self.catalog = catalog
        self.runs = 0
        self.entered = threading.Event()
        self.go = threading.Event()
        if not held:
            self.go.set()

    def __call__(self) -> Catalog:
        self.runs += 1
        self.entered.set()
        assert self.go.wait(WAIT_S)
        return self.catalog


def test_nothing_is_loaded_before_it_is_needed(catalog: Catalog) -> None:
    load = Loader(catalog)
    pricer = Pricer(load)
    assert not pricer.ready()
    assert not pricer.failed()
    assert load.runs == 0


def test_catalog_starts_the_load_and_waits_for_it(catalog: Catalog) -> None:
    load = Loader(catalog)
    pricer = Pricer(load)
    assert pricer.catalog(WAIT_S) is catalog
    assert pricer.ready()
    assert load.runs == 1


def test_catalog_gives_up_when_the_time_is_over(catalog: Catalog) -> None:
    load = Loader(catalog, held=True)
    pricer = Pricer(load)
    assert pricer.catalog(0) is None
    assert not pricer.failed()
    load.go.set()
    assert pricer.catalog(WAIT_S) is catalog


def test_many_threads_load_once_and_get_the_same(catalog: Catalog) -> None:
    load = Loader(catalog, held=True)
    pricer = Pricer(load)
    got: list[Catalog | None] = []
    threads = [threading.Thread(target=lambda: got.append(pricer.catalog(WAIT_S))) for _ in range(16)]
    for thread in threads:
        thread.start()
    load.go.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert got == [catalog] * 16
    assert load.runs == 1


def test_callbacks_run_once_from_the_loader_or_at_once(catalog: Catalog) -> None:
    load = Loader(catalog, held=True)
    pricer = Pricer(load)
    early: list[str] = []
    done = threading.Event()
    pricer.on_ready(lambda _: early.append(threading.current_thread().name))
    pricer.on_ready(lambda _: done.set())
    pricer.start_loading()
    pricer.start_loading()
    assert early == []
    load.go.set()
    assert done.wait(WAIT_S)
    late: list[Catalog] = []
    pricer.on_ready(late.append)
    assert (early, late) == (["otel-cost-prices"], [catalog])


def test_no_callback_is_lost_or_run_twice_while_the_load_ends(catalog: Catalog) -> None:
    for _ in range(50):
        load = Loader(catalog, held=True)
        pricer = Pricer(load)
        pricer.start_loading()
        ran: list[int] = []
        settled = threading.Semaphore(0)

        def note(number: int, ran: list[int] = ran, settled: threading.Semaphore = settled) -> None:
            ran.append(number)
            settled.release()

        def register(pricer: Pricer = pricer, note: Callable[[int], None] = note) -> None:
            for number in range(20):
                pricer.on_ready(lambda _, number=number: note(number))  # type: ignore[misc]

        thread = threading.Thread(target=register)
        thread.start()
        load.go.set()
        for _number in range(20):
            assert settled.acquire(timeout=WAIT_S)
        thread.join(WAIT_S)
        assert sorted(ran) == list(range(20))


def test_a_callback_that_raises_does_not_stop_the_others(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shield.set_strict(False)
    monkeypatch.setattr(logging.getLogger(semconv.LOGGER), "propagate", True)
    pricer = Pricer(Loader(catalog))
    done = threading.Event()

    def broken(_: Catalog) -> None:
        raise RuntimeError("no")

    pricer.on_ready(broken)
    pricer.on_ready(lambda _: done.set())
    before = shield.faults().get("pricing.on_ready", 0)
    pricer.start_loading()
    assert done.wait(WAIT_S)
    assert shield.faults()["pricing.on_ready"] == before + 1


def test_a_wrong_overlay_is_logged_once_and_leaves_calls_unpriced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger(semconv.LOGGER), "propagate", True)

    def load() -> Catalog:
        raise ConfigError("prices.yaml: prices[0]: no rate")

    pricer = Pricer(load)
    called: list[Catalog] = []
    pricer.on_ready(called.append)
    assert pricer.catalog() is None
    assert pricer.catalog() is None
    assert pricer.failed()
    assert not pricer.ready()
    pricer.on_ready(called.append)
    assert called == []
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "prices.yaml: prices[0]: no rate" in messages[0]


def test_a_load_that_breaks_unexpectedly_does_not_hang_those_who_wait(catalog: Catalog) -> None:
    shield.set_strict(False)

    def load() -> Catalog:
        raise RuntimeError("broken installation")

    pricer = Pricer(load)
    assert pricer.catalog(WAIT_S) is None
    assert pricer.failed()


def in_child(check: Callable[[], bool]) -> bool:
    """Fork, and give what ``check`` says in the child."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def test_a_child_forked_after_the_load_shares_it(catalog: Catalog) -> None:
    load = Loader(catalog)
    pricer = Pricer(load)
    pricer.catalog(WAIT_S)
    assert in_child(lambda: pricer.ready() and pricer.catalog(0) is catalog and load.runs == 1)


def test_a_child_forked_before_the_load_can_load(catalog: Catalog) -> None:
    pricer = Pricer(Loader(catalog))
    assert in_child(lambda: not pricer.ready() and pricer.catalog(WAIT_S) is catalog)
    assert not pricer.ready()


def test_a_fork_waits_for_a_running_load_and_the_child_shares_it(catalog: Catalog) -> None:
    load = Loader(catalog, held=True)
    pricer = Pricer(load, fork_wait_s=WAIT_S)
    pricer.start_loading()
    assert load.entered.wait(WAIT_S)
    threading.Timer(0.05, load.go.set).start()
    assert in_child(lambda: pricer.catalog(0) is catalog and load.runs == 1)


def test_a_child_forked_in_the_middle_of_a_long_load_loads_anew(catalog: Catalog) -> None:
    load = Loader(catalog, held=True)
    pricer = Pricer(load, fork_wait_s=0.01)
    ran: list[Catalog] = []
    pricer.on_ready(ran.append)
    pricer.start_loading()
    assert load.entered.wait(WAIT_S)

    def check() -> bool:
        done = threading.Event()
        pricer.on_ready(lambda _: done.set())
        load.go.set()
        return pricer.catalog(WAIT_S) is catalog and done.wait(WAIT_S) and load.runs == 2 and len(ran) == 1

    assert in_child(check)
    assert not pricer.ready()
    load.go.set()
    assert pricer.catalog(WAIT_S) is catalog
    assert load.runs == 1


def test_a_child_of_the_real_load_neither_hangs_nor_loses_prices() -> None:
    """Importing in the loader's thread while another thread forks would leave the child a half-imported module."""
    code = """
import os, sys
from otel_cost.pricing import Catalog, PriceQuery, Pricer
from otel_cost.model import Usage
pricer = Pricer(Catalog.load)
pricer.start_loading()
pids = []
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        query = PriceQuery("openai", "gpt-4o", 1780000000 * 10**9)
        charge = pricer.catalog(60).price(Usage.of({"input_tokens": 1000}), query)
        os._exit(0 if charge.amount_nano > 0 else 3)
    pids.append(pid)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
