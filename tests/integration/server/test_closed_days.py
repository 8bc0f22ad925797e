"""FEATURES C14: what the server says of days whose calls were archived."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_cost.book_settings import ServerSettings
from otel_cost.config import Config
from otel_cost.ledger import Ledger
from otel_cost.ledger.archive import archive
from otel_cost.ledger.schema import DAY_NS
from otel_cost.ledger.sql import SqlLedger
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from tests.integration.server.serving import NOW, Server, chat, serving, span, traces
from tests.support import waiting

MIDNIGHT = NOW - NOW % DAY_NS
OLD = MIDNIGHT - 10 * DAY_NS


def _sent(server: Server, body: bytes) -> ExportTraceServiceResponse:
    response = server.send(body)
    assert response.status_code == 200
    return ExportTraceServiceResponse.FromString(response.content)


def test_spans_of_archived_days_are_refused_with_the_reason(server: Server, ledger: Ledger, tmp_path: Path) -> None:
    old, new = traces(span(chat(), start_ns=OLD)), traces(span(chat(), start_ns=MIDNIGHT - DAY_NS + 5))
    assert not _sent(server, old).partial_success.rejected_spans
    before = server.nano(days=30)
    assert isinstance(ledger, SqlLedger)
    archive(ledger, MIDNIGHT - DAY_NS, tmp_path / "cold", now_ns=NOW, remove=True)
    again = _sent(server, old).partial_success
    assert again.rejected_spans == 1
    assert "days are archived, and closed" in again.error_message
    assert server.nano(days=30) == before
    assert not _sent(server, new).partial_success.rejected_spans
    assert server.nano(days=30) == 2 * before


def test_questions_that_need_archived_calls_are_answered_410(server: Server, ledger: Ledger, tmp_path: Path) -> None:
    _sent(server, traces(span(chat(), start_ns=OLD)))
    assert isinstance(ledger, SqlLedger)
    archive(ledger, MIDNIGHT - DAY_NS, tmp_path / "cold", now_ns=NOW, remove=True)
    answer = httpx.get(f"{server.url}/api/v1/costs/summary", params={"days": 30, "group_by": "user"})
    assert answer.status_code == 410
    assert answer.headers["content-type"] == "application/problem+json"
    assert "are archived: ask from then on" in answer.json()["detail"]
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize("kept", [True, False])
def test_retention_runs_by_itself(ledger: Ledger, pricer: Pricer, tmp_path: Path, kept: bool) -> None:
    settings = ServerSettings(retention="5d", archive=tmp_path / "cold" if kept else None)
    assert isinstance(ledger, SqlLedger)
    now = [OLD]
    with serving(create_app(Config(server=settings), ledger=ledger, pricer=pricer, clock=lambda: now[0])) as server:
        _sent(server, traces(span(chat(), start_ns=OLD)))
    now[0] = NOW
    with serving(create_app(Config(server=settings), ledger=ledger, pricer=pricer, clock=lambda: now[0])) as server:
        waiting.until(lambda: ledger.horizon() == MIDNIGHT - 5 * DAY_NS, "retention to be applied")
        assert server.nano(days=30) > 0
    assert (tmp_path / "cold" / "manifest.json").exists() is kept
