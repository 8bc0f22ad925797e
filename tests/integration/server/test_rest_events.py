"""What apps tell of budgets in their own memory, as the API shows it."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from otel_cost import semconv
from tests.integration.server.serving import MINUTE, NOW, Server, pairs
from tests.integration.server.shop import get, problem


def _tell(server: Server, budget: str, team: str, ago_ns: int) -> None:
    said = {semconv.BUDGET_NAME: budget, semconv.BUDGET_SEVERITY: "critical", semconv.BUDGET_SCOPE: f"team={team}"}
    log = LogRecord(
        event_name=semconv.EVENT_BUDGET_BREACH,
        time_unix_nano=NOW - ago_ns,
        body=AnyValue(string_value="used up"),
        attributes=pairs(said),
    )
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[log])])])
    assert server.send(request.SerializeToString(), path="/v1/logs").status_code == 200


def test_events_of_apps_are_told_within_the_scope_of_the_key(server: Server) -> None:
    """FEATURES B11, O4: thresholds and breaches of budgets that only an app knows."""
    _tell(server, "own", "search", 2 * MINUTE)
    _tell(server, "theirs", "support", MINUTE)
    _tell(server, "old", "search", 10 * 24 * 60 * MINUTE)
    found = get(server, "/events")["events"]
    assert [(event["budget"], event["labels"]["team"]) for event in found] == [("theirs", "support"), ("own", "search")]
    assert (found[0]["message"], found[0]["severity"], found[0]["name"]) == (
        "used up", "critical", semconv.EVENT_BUDGET_BREACH,
    )  # fmt: skip
    assert len(get(server, "/events", days=30)["events"]) == 3
    assert len(get(server, "/events", limit=1)["events"]) == 1
    assert problem(server.http.get("/api/v1/events?team=search"), 400)["field"] == "team"
    key = server.http.post(
        "/api/v1/keys", json={"name": "search", "role": "viewer", "scope": {"team": "search"}}
    ).json()["key"]
    own = server.http.get("/api/v1/events", headers={"authorization": f"Bearer {key}"}).json()["events"]
    assert [event["budget"] for event in own] == ["own"]
