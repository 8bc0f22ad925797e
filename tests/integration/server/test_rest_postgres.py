"""The API says the same whichever database the book is in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from otel_cost.pricing import Catalog
from tests.integration.server import shop as shops
from tests.integration.server.serving import Server
from tests.support.postgres import postgres_server

pytestmark = pytest.mark.postgres
PATHS: Final = (
    "/costs/summary?group_by=team,label.color&days=60",
    "/costs/summary?user=ada&label.color=",
    "/costs/unpriced",
    "/costs/disagreements?all=true",
    "/costs/timeseries?group_by=team&interval=hour&timezone=Asia/Kathmandu&days=3",
    "/costs/breakdown/kind",
    "/costs/breakdown/user?team=search",
    "/costs/breakdown/session?user=ada",
    "/costs/top/trace",
    "/costs/stats?group_by=team",
    "/costs/entries?days=60&limit=3",
    "/costs/entries?team=%F0%9F%92%B8'%22%5C%25_",
    "/costs/entries?label.color=%3Dred()",
    "/costs/export?format=jsonl&days=60",
    "/executions/run-1/costs",
    "/executions/'%20OR%201=1--/costs",
    f"/traces/{shops.TRACE}/costs",
    "/workspaces/acme/costs",
    "/dashboard?timezone=America/New_York",
    "/costs/entries?team=a%00b",
)


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Iterator[Server]:
    with postgres_server() as postgres:
        place: Path = tmp_path_factory.mktemp("postgres")
        with shops.shop(place, catalog, postgres.url()) as running:
            yield running


def test_answers_are_the_same_as_over_sqlite(shop: Server, on_postgres: Server) -> None:
    for path in PATHS:
        expected, found = (server.http.get(f"/api/v1{path}") for server in (shop, on_postgres))
        assert found.status_code == expected.status_code, (path, found.text)
        assert found.text == expected.text, path


def test_a_cost_is_booked_once(on_postgres: Server) -> None:
    """FEATURES A11."""
    entry = {"kind": "tool", "name": "x", "usd": 1, "id": "one", "labels": {"team": "\N{MONEY BAG}' --"}}
    codes = [on_postgres.http.post("/api/v1/costs/entries", json=entry).status_code for _ in range(2)]
    assert codes == [201, 200]
