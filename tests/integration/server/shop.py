"""A book of a few calls whose sums can be told by heart, for tests of the REST API. The clock shows ``NOW``: Monday,
2026-09-21, 14:13:20 UTC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from otel_cost.config import Config, load_config
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import NANO, Charge, CostRecord, Kind, Opinion, OpinionSource, record_key
from otel_cost.pricing import Catalog, Pricer
from otel_cost.server.app import create_app
from tests.contract.ledger.books import priced, record, unpriced
from tests.integration.server.serving import NOW, Server, serving

HOUR = 3600 * NANO
DAY = 24 * HOUR
TRACE = f"{0xFEED:032x}"
SETTINGS = """
server: {database: "sqlite:///{place}/book.db"}
budgets:
  - name: team-month
    amount_usd: 100
    period: month
    per: [team]
    thresholds: [50%, 80%]
    action: block
    overrides: {research: {amount_usd: 5}}
  - {name: all-day, amount_usd: 1000, period: day}
  - {name: production, amount_usd: 50, period: month, match: {environment: production}, action: alert}
  - {name: each-session, amount_usd: 20, period: session, action: pause}
"""


def usd(amount: int) -> Charge:
    return priced(amount * NANO)


def calls() -> list[CostRecord]:
    """66 USD of this month, 5 of the one before; and a call of unknown cost."""
    here = {"service": "shop", "environment": "production", "workspace": "acme", "project": "web"}
    chat = {**here, "team": "search", "agent": "writer", "session": "s1", "user": "ada", "execution": "run-1"}
    return [
        _made(1, usd(10), HOUR, **chat),
        _in_trace(replace(_made(2, usd(20), 2 * HOUR, **chat), error="timeout")),
        _made(3, usd(30), DAY, **{**chat, "session": "s2", "user": "bob", "team": "support"}),
        replace(_made(4, usd(4), 2 * DAY, **{**here, "team": "search", "execution": "run-1"}), kind=Kind.TOOL,
                operation="execute_tool", provider="", model_requested="maps_api", model_answered="", usage=None),
        replace(_made(5, usd(2), 2 * DAY, **{**here, "project": "", "execution": "run-2"}), kind=Kind.INFRASTRUCTURE,
                operation="use_resource", provider="", model_requested="cpu_core_hour", model_answered="", usage=None),
        _in_trace(replace(_made(6, unpriced(), 3 * HOUR, team="search", color="=red()"), model_answered="unheard-of")),
        _made(7, usd(5), 30 * DAY, **chat),
        replace(_made(8, usd(0), 3 * HOUR, team="search"),
                opinions=(Opinion(OpinionSource.OPENLIT, 2 * NANO, NANO, disagrees=True),)),
    ]  # fmt: skip


def _made(number: int, charge: Charge, ago_ns: int, **labels: str) -> CostRecord:
    return replace(record(number, charge), labels=labels, start_ns=NOW - ago_ns, end_ns=NOW - ago_ns + number * NANO)


def _in_trace(made: CostRecord) -> CostRecord:
    return replace(made, trace_id=TRACE, key=record_key(TRACE, made.span_id))


def shop_config(place: Path) -> Config:
    path = place / "otel-cost.yaml"
    path.write_text(SETTINGS.replace("{place}", str(place)))
    return load_config(str(path), env={})


@contextmanager
def shop(place: Path, catalog: Catalog, database: str = "") -> Iterator[Server]:
    """The server over that book, in a SQLite file unless a database is named."""
    config = shop_config(place)
    with open_ledger(database or config.server.database) as ledger:
        ledger.write(calls(), booked_at_ns=NOW)
        with serving(create_app(config, ledger=ledger, pricer=Pricer(lambda: catalog), clock=lambda: NOW)) as running:
            yield running


def get(server: Server, path: str, **parameters: Any) -> Any:
    """The body of a GET that succeeds. ``from_`` is from."""
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    answer = server.http.get(f"/api/v1{path}", params=named)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The body of an answer that is that problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"]) == (status, status), answer.text
    return body


def nano(money: dict[str, Any]) -> int:
    return int(money["nano_usd"])


def dollars(money: dict[str, Any]) -> float:
    return nano(money) / NANO
