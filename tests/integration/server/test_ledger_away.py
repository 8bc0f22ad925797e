"""The ledger fails: senders are told to come back, and nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from sqlalchemy import update

from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.errors import LedgerError
from otel_cost.ledger import (
    Ledger,
    SummaryQuery,
    Used,
    Written,
)
from otel_cost.ledger.schema import rollups_day
from otel_cost.ledger.sql import SqlLedger
from otel_cost.model import CostRecord, Void
from otel_cost.pricing import Pricer
from otel_cost.server import book
from otel_cost.server.app import create_app
from tests.integration.server.serving import NOW, Server, chat, serving, span, traces
from tests.support.expected import Call

PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd


class Flaky:
    """A ledger in front of another one, which can be made to fail."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.away = False

    def write(self, records: Sequence[CostRecord], voids: Sequence[Void] = (), *, booked_at_ns: int) -> Written:
        if self.away:
            raise LedgerError("the disk is full")
        return self._ledger.write(records, voids, booked_at_ns=booked_at_ns)

    def used(self, from_ns: int, to_ns: int) -> Sequence[Used]:
        if self.away:
            raise LedgerError("the disk is gone")
        return self._ledger.used(from_ns, to_ns)

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)


@pytest.fixture
def flaky(ledger: Ledger) -> Flaky:
    return Flaky(ledger)


@pytest.fixture
def flaky_server(config: Config, flaky: Flaky, pricer: Pricer) -> Iterator[Server]:
    with serving(create_app(config, ledger=flaky, pricer=pricer, clock=lambda: NOW)) as running:
        yield running


def test_senders_are_told_to_repeat_and_then_it_is_booked_once(flaky_server: Server, flaky: Flaky) -> None:
    body = traces(*(span(chat()) for _ in range(5)))
    flaky.away = True
    for _ in range(3):
        response = flaky_server.send(body)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert b"disk" not in response.content
    assert flaky_server.metric("otel_cost_book_spend_usd_total") == 0
    flaky.away = False
    assert flaky_server.send(body).status_code == 200
    assert flaky_server.nano() == 5 * PRICE
    assert flaky_server.metric("otel_cost_book_operations_total") == 5


def test_a_void_that_could_not_be_written_is_not_forgotten(flaky_server: Server, flaky: Flaky) -> None:
    inner, outer = span(chat()), span(chat(), length_ns=2 * 10**9)
    outer.trace_id = inner.trace_id
    flaky_server.send(traces(outer, scope="opentelemetry.instrumentation.langchain"))
    flaky.away = True
    assert flaky_server.send(traces(inner, scope="otel_cost_instrumentation.openai")).status_code == 503
    flaky.away = False
    # Another sender's batch comes first and takes along what is pending; the one that was refused follows.
    flaky_server.send(traces(span(chat())))
    assert flaky_server.nano() == 2 * PRICE
    flaky_server.send(traces(inner, scope="otel_cost_instrumentation.openai"))
    assert flaky_server.nano() == 2 * PRICE


def test_what_is_pending_is_written_when_the_server_stops(
    config: Config, flaky: Flaky, ledger: Ledger, pricer: Pricer
) -> None:
    with serving(create_app(config, ledger=flaky, pricer=pricer, clock=lambda: NOW)) as server:
        flaky.away = True
        assert server.send(traces(span(chat()))).status_code == 503
        flaky.away = False
    assert ledger.summary(SummaryQuery(0, NOW)).total.amount_nano == PRICE


def test_what_is_acknowledged_is_booked_also_where_more_came_than_is_kept(
    flaky_server: Server, flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "MAX_PENDING", 4)
    batches = [traces(*(span(chat()) for _ in range(2))) for _ in range(5)]
    flaky.away = True
    assert [flaky_server.send(batch).status_code for batch in batches[:4]] == [503] * 4
    flaky.away = False
    # The first to come when the book is back: its calls are as safe as its answer says.
    assert flaky_server.send(batches[4]).status_code == 200
    assert flaky_server.nano() == 6 * PRICE
    assert [flaky_server.send(batch).status_code for batch in batches] == [200] * 5
    assert flaky_server.nano() == 10 * PRICE


def test_what_the_book_cannot_hold_is_said_to_its_sender_and_to_no_other(server: Server, ledger: Ledger) -> None:
    assert server.send(traces(span(chat()))).status_code == 200
    assert isinstance(ledger, SqlLedger)
    with ledger.transaction() as connection:
        connection.execute(update(rollups_day).values(amount_nano=2**63 - 1 - PRICE))
    response = server.send(traces(*(span(chat()) for _ in range(3))))
    assert response.status_code == 200
    answer = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert answer.rejected_spans == 2, "the first one fits"
    assert "beyond 64 bits" in answer.error_message
    # Another sender, of another model: nothing of the others stands in its way.
    other = server.send(traces(span(chat(**{semconv.REQUEST_MODEL: "gpt-4o-mini"}))))
    assert not ExportTraceServiceResponse.FromString(other.content).partial_success.error_message
    assert server.metric("otel_cost_book_operations_total") == 3
