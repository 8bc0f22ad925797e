"""Three unmodified apps, one blocking budget, and the ``otel-cost serve`` that keeps it, which also gets their spans
and is killed and started again (FEATURES B3, C9, E5)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import RowState, Want
from otel_cost.budgets.stores.http import HttpStore
from otel_cost.demo.provider import StandInProvider
from tests.support import ports, processes
from tests.support.expected import Call
from tests.support.http import get_text
from tests.support.processes import Running
from tests.support.server import BIN
from tests.support.waiting import until

pytestmark = pytest.mark.e2e

KEY = "a key for the tests"
PRICE = Call("chat", "gpt-4o", 5, 100).nano_usd
LIMIT = 30_000_000
ROW = RowKey("shared", (), "")
APPS = ("one", "two", "three")
APP = """
import json, pathlib, sys, time
from openai import OpenAI
import otel_cost
from otel_cost import runtime
client, here, name = OpenAI(max_retries=0), pathlib.Path(sys.argv[1]), sys.argv[2]
def ask():
    try:
        client.chat.completions.create(
            model="gpt-4o", max_completion_tokens=100,
            messages=[{"role": "user", "content": 'usage:{"input":5,"output":100}'}]
        )
        return "made"
    except otel_cost.BudgetExceeded:
        return "refused"
for step in sys.argv[3:]:
    order = here / step
    while not order.exists():
        time.sleep(0.05)
    outcomes = [ask() for _ in range(int(order.read_text()))]
    told = {what: outcomes.count(what) for what in ("made", "refused")}
    told["unreachable"] = runtime.current().budgets.unreachable
    answer = here / f"{name}-{step}.part"
    answer.write_text(json.dumps(told))
    answer.rename(here / f"{name}-{step}.json")
"""
BUDGET = "budgets: [{{name: shared, amount_usd: 0.03, period: total, action: block, timeout: 20s, fail: {fail}}}]\n"


@pytest.fixture
def provider() -> Iterator[StandInProvider]:
    with StandInProvider() as running:
        yield running


class Place:
    """A directory with apps in it that do steps when they are told to."""

    def __init__(self, directory: Path, provider: StandInProvider) -> None:
        (self.port,) = ports.free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = directory
        self._provider = provider
        (directory / "app.py").write_text(APP)

    @contextmanager
    def server(self, name: str = "server") -> Iterator[Running]:
        environment = processes.clean_environment(
            {"OTEL_COST_SERVER_KEY": KEY, "OTEL_COST_CONFIG": str(self._config("open"))}
        )
        command: list[str | Path] = [BIN / "otel-cost", "serve", "--port", str(self.port), "--db", "sqlite:///book.db"]
        with processes.running(command, name=name, directory=self._directory, environment=environment) as child:
            processes.until_answers(child, f"{self.url}/healthz")
            yield child

    @contextmanager
    def app(self, name: str, *steps: str, fail: str = "open") -> Iterator[Running]:
        environment = processes.clean_environment(
            {
                "OPENAI_BASE_URL": self._provider.base_url + "/v1",
                "OPENAI_API_KEY": "sk-test",
                "OTEL_COST_CONFIG": str(self._config(fail)),
                "OTEL_COST_BUDGET_STORE_URL": self.url,
                "OTEL_COST_BUDGET_STORE_KEY": KEY,
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={quote(KEY)}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
        )
        command: list[str | Path] = [BIN / "opentelemetry-instrument", BIN / "python", "app.py", ".", name, *steps]
        with processes.running(command, name=name, directory=self._directory, environment=environment) as child:
            yield child

    def step(self, step: str, calls: int, *apps: Running) -> list[Mapping[str, int]]:
        """What each of ``apps`` says that became of its calls."""
        part = self._directory / f"{step}.part"
        part.write_text(str(calls))
        part.rename(self._directory / step)
        return [self._answer(app, step) for app in apps]

    def _answer(self, app: Running, step: str) -> Mapping[str, int]:
        answer = self._directory / f"{app.name}-{step}.json"

        def given() -> bool:
            if not answer.exists():
                app.check_alive()
            return answer.exists()

        until(given, f"{app.name} to do {step}", timeout_s=120)
        found: dict[str, Any] = json.loads(answer.read_text())
        return found

    def _config(self, fail: str) -> Path:
        path = self._directory / f"{fail}.yaml"
        path.write_text(BUDGET.format(fail=fail))
        return path


def settled(store: HttpStore, spent_nano: int) -> RowState:
    def row() -> RowState | None:
        (state,) = store.read([ROW])
        return state if (state.spent_nano, state.reserved_nano) == (spent_nano, 0) else None

    state = until(row, f"{spent_nano} nano-USD to be settled: {store.read([ROW])}")
    assert state is not None
    return state


def booked_nano(url: str) -> int:
    total = json.loads(get_text(f"{url}/api/v1/costs/summary", key=KEY, days="1"))["total"]
    return int(total["cost"]["nano_usd"])


def test_a_limit_is_one_for_all_apps(tmp_path: Path, provider: StandInProvider) -> None:
    """Their spans reach the server too, which settles them again: nothing counts twice."""
    place = Place(tmp_path, provider)
    with ExitStack() as stack:
        stack.enter_context(place.server())
        apps = [stack.enter_context(place.app(name, "spend")) for name in APPS]
        told = place.step("spend", 20, *apps)
        made = sum(one["made"] for one in told)
        assert [one["unreachable"] for one in told] == [0, 0, 0]
        assert sum(one["refused"] for one in told) == 60 - made
        assert made * PRICE <= LIMIT
        assert made * PRICE > LIMIT - 2 * PRICE  # a call is let in as long as its worst case fits
        assert len(provider.requests) == made
        store = HttpStore(place.url, KEY, 20.0)
        stack.callback(store.close)
        settled(store, made * PRICE)
        for app in apps:
            assert app.process.wait(60) == 0
        until(lambda: booked_nano(place.url) == made * PRICE, "the spans of all calls to be booked")
        settled(store, made * PRICE)
        spent = f'otel_cost_book_budget_spent_usd{{budget="shared",period="total"}} {made * PRICE / 10**9}'
        until(lambda: spent in get_text(f"{place.url}/metrics", key=KEY), "the gauge to show it")


def test_the_server_dies_and_comes_back(tmp_path: Path, provider: StandInProvider) -> None:
    """Meanwhile an open budget lets calls pass, which are counted and settled later; a closed one stops them."""
    place = Place(tmp_path, provider)
    steps = ("before", "without", "after")
    with ExitStack() as stack:
        store = HttpStore(place.url, KEY, 20.0)
        stack.callback(store.close)
        is_open, is_closed = (stack.enter_context(place.app(fail, *steps, fail=fail)) for fail in ("open", "closed"))
        with place.server() as server:
            told = place.step("before", 2, is_open, is_closed)
            assert [(one["made"], one["unreachable"]) for one in told] == [(2, 0), (2, 0)]
            settled(store, 4 * PRICE)
            store.reserve("mine", [Want(ROW, 7, LIMIT)], version=0, now_ns=0, expires_ns=2**62)
            server.kill()
        told = place.step("without", 3, is_open, is_closed)
        assert [(one["made"], one["refused"], one["unreachable"]) for one in told] == [(3, 0, 3), (0, 3, 3)]
        with place.server("server-again"):
            assert store.read([ROW])[0].reserved_nano == 7
            store.release(["mine"])
            settled(store, 7 * PRICE)
            told = place.step("after", 2, is_open, is_closed)
            assert [(one["made"], one["unreachable"]) for one in told] == [(2, 3), (2, 3)]
            settled(store, 11 * PRICE)
