"""Events of budgets that live in an app reach the book by OTLP logs: FEATURES O4 on the server's side, B11."""

from __future__ import annotations

from decimal import Decimal

import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from otel_cost import semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from otel_cost.errors import BudgetExceeded
from otel_cost.ledger import Ledger
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.events import Events, Reported
from otel_cost.ledger.sql import SqlLedger
from otel_cost.model import PlannedCall
from otel_cost.runtime import Runtime
from tests.integration.server.serving import NOW, Server, pairs


def _all(ledger: Ledger) -> list[Reported]:
    assert isinstance(ledger, SqlLedger)
    return list(Events(ledger).newest(0, MAX_STORED))


def _event(name: str = semconv.EVENT_BUDGET_BREACH, at_ns: int = NOW, **attributes: str) -> LogRecord:
    said = {semconv.BUDGET_NAME: "day", semconv.BUDGET_SEVERITY: "critical", **attributes}
    return LogRecord(event_name=name, time_unix_nano=at_ns, body=AnyValue(string_value="spent"), attributes=pairs(said))


def _send(server: Server, *logs: LogRecord) -> ExportLogsServiceResponse:
    resource = Resource(attributes=pairs({semconv.SERVICE_NAME: "shop"}))
    sent = ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=resource, scope_logs=[ScopeLogs(log_records=logs)])]
    )
    response = server.send(sent.SerializeToString(), path="/v1/logs")
    assert response.status_code == 200
    return ExportLogsServiceResponse.FromString(response.content)


def test_what_a_real_app_tells_of_its_own_budget_is_kept(server: Server, ledger: Ledger) -> None:
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{server.url}/v1/logs")))
    budget = BudgetSettings(name="none-at-all", amount_usd=Decimal(0), per=("team",), action="block")
    runtime = Runtime(Config(budgets=(budget,)), TracerProvider(), logger_provider=logs)
    call = PlannedCall("openai", "gpt-4o", "chat", labels={"team": "search"})
    for _ in range(3):
        assert not runtime.budgets.check({"team": "search"}, 1).allowed
        with pytest.raises(BudgetExceeded):
            runtime.admit(call)
    logs.shutdown()
    told = _all(ledger)
    # Three calls within a minute are one thing to know.
    assert [(event.name, event.budget) for event in told] == [(semconv.EVENT_BUDGET_BLOCKED, "none-at-all")]
    assert told[0].labels["team"] == "search"


def test_an_event_sent_again_is_kept_once(server: Server, ledger: Ledger) -> None:
    first, later = _event(), _event(at_ns=NOW + 1)
    _send(server, first)
    _send(server, first, later, LogRecord(event_name="something.else", time_unix_nano=NOW))
    assert [event.at_ns for event in _all(ledger)] == [NOW + 1, NOW]
    assert _all(ledger)[0].labels == {"service": "shop"}
    assert (_all(ledger)[0].message, _all(ledger)[0].severity) == ("spent", "critical")


def test_an_event_without_a_time_is_rejected_and_the_rest_is_kept(server: Server, ledger: Ledger) -> None:
    answer = _send(server, _event(at_ns=0), _event(at_ns=2**63), _event())
    assert answer.partial_success.rejected_log_records == 2
    assert "has no time" in answer.partial_success.error_message
    assert len(_all(ledger)) == 1


def test_hostile_texts_are_kept_as_what_they_are(server: Server, ledger: Ledger) -> None:
    _send(server, _event(**{semconv.BUDGET_NAME: "'; DROP TABLE events; --", semconv.BUDGET_SCOPE: "team=a\0b,=,x"}))
    (told,) = _all(ledger)
    assert told.budget == "'; DROP TABLE events; --"
    assert told.labels == {"service": "shop", "team": "a\N{REPLACEMENT CHARACTER}b"}


@pytest.mark.parametrize("said", [float("nan"), float("inf")])
def test_figures_that_json_has_no_word_for_are_kept_as_text(server: Server, ledger: Ledger, said: float) -> None:
    """PostgreSQL takes no NaN in JSON: the sender's batch would never be accepted, however often it came again."""
    event = _event()
    event.attributes.extend(pairs({"spent": said}))
    _send(server, event, _event(at_ns=NOW + 1))
    assert [kept.attributes.get("spent") for kept in _all(ledger)] == [None, str(said)]
