"""Charge events: calls that were not sampled reach the book as log records."""

from __future__ import annotations

import json

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from otel_cost import semconv, wire
from otel_cost.model import CostRecord
from tests.contract.ledger.books import priced, record, unpriced
from tests.integration.server.serving import JSON, Server, chat, pairs, span, traces

EVER = {"from": "1970-01-01", "to": "2100-01-01"}


def _log(of: CostRecord, **replaced: str | int) -> LogRecord:
    attributes = {**wire.record_to_attributes(of), **replaced}
    return LogRecord(event_name=semconv.EVENT_CHARGE, attributes=pairs(attributes))


def _body(*logs: LogRecord) -> bytes:
    scope = ScopeLogs(log_records=logs)
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[scope])]).SerializeToString()


def test_events_from_the_sdks_exporter_are_booked_once(server: Server) -> None:
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{server.url}/v1/logs")))
    logger = provider.get_logger(semconv.SCOPE)
    for number, charge in enumerate((priced(1234), priced(10), priced(10), unpriced())):
        of = record(min(number, 2) if charge.status.counted else 9, charge, team="dark", user="ada")
        logger.emit(
            event_name=semconv.EVENT_CHARGE,
            attributes=wire.record_to_attributes(of),
            severity_number=SeverityNumber.INFO,
        )
    logger.emit(event_name="something.else", body="not a charge", attributes={"a": 1})
    provider.shutdown()
    assert server.nano(**EVER) == 1254
    assert server.nano(user="ada", team="dark", **EVER) == 1254
    total = server.summary(**EVER)["total"]
    assert isinstance(total, dict)
    assert total["operations"] == {"priced": 3, "unpriced": 1}


def test_the_name_of_an_event_may_stand_in_an_attribute(server: Server) -> None:
    log = _log(record(1))
    log.event_name = ""
    assert server.send(_body(log), path="/v1/logs").status_code == 200
    assert server.nano(**EVER) == 0
    log.attributes.extend(pairs({"event.name": semconv.EVENT_CHARGE}))
    assert server.send(_body(log), path="/v1/logs").status_code == 200
    assert server.nano(**EVER) == 1000


def test_json_events(server: Server) -> None:
    attributes = [
        {"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}}
        for name, value in wire.record_to_attributes(record(1)).items()
        if not isinstance(value, bool | float)
    ]
    log = {"eventName": semconv.EVENT_CHARGE, "traceId": "ab" * 16, "spanId": "cd" * 8, "attributes": attributes}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}
    assert server.send(json.dumps(body).encode(), JSON, "/v1/logs").json() == {}
    assert server.nano(**EVER) == 1000


@pytest.mark.parametrize(
    "wrong",
    [
        {semconv.CHARGE_KEY: ""},
        {semconv.CHARGE_KEY: "a b"},
        {semconv.CHARGE_KEY: "nul\0"},
        {semconv.STATUS: "cheap"},
        {semconv.CHARGE_START_NS: -1},
        {semconv.CHARGE_START_NS: 2**63 - 1},
        {semconv.CHARGE_AMOUNT_NANO: -5},
        {semconv.UNIT_PREFIX + "cache_read_tokens": 101},
    ],
    ids=lambda wrong: "-".join(wrong).rsplit(".", 1)[-1],
)
def test_events_that_make_no_sense_are_rejected_and_the_rest_is_kept(
    server: Server, wrong: dict[str, str | int]
) -> None:
    response = server.send(_body(_log(record(1), **wrong), _log(record(2))), path="/v1/logs")
    answer = ExportLogsServiceResponse.FromString(response.content)
    assert answer.partial_success.rejected_log_records == 1
    assert answer.partial_success.error_message
    assert server.nano(**EVER) == 1000


def test_a_call_that_comes_as_span_and_as_event_is_booked_once(server: Server) -> None:
    verdict = {semconv.STATUS: "priced", semconv.COST_AMOUNT: 0.000001}
    one = span(chat(**verdict))
    twin = record(1)
    event = _log(
        twin,
        **{
            semconv.CHARGE_KEY: f"{one.trace_id.hex()}-{one.span_id.hex()}",
            semconv.CHARGE_TRACE_ID: one.trace_id.hex(),
            semconv.CHARGE_SPAN_ID: one.span_id.hex(),
        },
    )
    server.send(_body(event), path="/v1/logs")
    server.send(traces(one))
    server.send(_body(event), path="/v1/logs")
    assert server.nano(**EVER) == 1000
