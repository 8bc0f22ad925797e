"""The description of the API: complete, with examples and problems for every operation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from otel_cost.server.description import TAGS
from tests.integration.server.serving import Server

_UNDESCRIBED: Final = ("/v1/traces", "/v1/logs", "/api/v1/budget-store/{method}")
"""Their bodies are OTLP's and otel-cost's own."""
_PROBLEM: Final = "application/problem+json"
WITHOUT_KEY: Final = ("/healthz", "/readyz")


@pytest.fixture(scope="module")
def description(shop: Server) -> dict[str, Any]:
    found: dict[str, Any] = shop.http.get("/openapi.json").json()
    return found


def _operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def test_every_resource_is_there(description: dict[str, Any]) -> None:
    costs = ("summary", "entries", "entries/batch", "timeseries", "breakdown/{dimension}", "top/{kind}", "stats",
             "unpriced", "disagreements", "export", "stream")  # fmt: skip
    budgets = ("", "/check", "/{name}", "/{name}/status", "/{name}/override", "/{name}/pause", "/{name}/resume",
               "/{name}/reset")  # fmt: skip
    wanted = {
        *(f"/api/v1/costs/{path}" for path in costs),
        *(f"/api/v1/budgets{path}" for path in budgets),
        *(f"/api/v1/{path}/costs" for path in ("executions/{id}", "sessions/{id}", "traces/{trace_id}")),
        *("/api/v1/workspaces/{id}/costs", "/api/v1/dashboard", "/api/v1/prices", "/api/v1/prices/{provider}/{model}"),
        *("/api/v1/alerts", "/api/v1/alerts/{id}/acknowledge", "/api/v1/alerts/{id}/resolve", "/api/v1/audit"),
        *("/api/v1/reservations/lost", "/v1/traces", "/v1/logs", "/healthz", "/metrics"),
    }
    assert wanted <= description["paths"].keys()
    assert set(description["paths"]["/v1/traces"]["post"]["requestBody"]["content"]) == {
        "application/x-protobuf",
        "application/json",
    }


def test_every_operation_is_named_summed_up_and_explained(description: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in _operations(description)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names), names
    tags = {str(tag["name"]) for tag in TAGS}
    for path, method, operation in _operations(description):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert set(operation["tags"]) <= tags, (path, method)


def test_every_operation_says_what_may_go_wrong(description: dict[str, Any]) -> None:
    for path, method, operation in _operations(description):
        errors = {status for status in operation["responses"] if status >= "400"}
        assert "422" not in errors
        assert errors or path in WITHOUT_KEY, (path, method)
        if path.startswith("/api/v1/") and path not in _UNDESCRIBED:
            assert {"401", "403", "503"} <= errors, (path, method)
            for status in errors:
                content = operation["responses"][status]["content"]
                assert list(content) == [_PROBLEM], (path, method, status)


def test_every_operation_has_an_example(description: dict[str, Any]) -> None:
    for path, method, operation in _operations(description):
        if path in _UNDESCRIBED or not path.startswith("/api/v1/"):
            continue
        answer = next(body for status, body in operation["responses"].items() if status < "300")
        assert any(_is_exemplified(description, content) for content in answer["content"].values()), (path, method)
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            known = parameter.get("example") or schema.get("examples") or parameter.get("examples")
            assert known is not None, (path, method, parameter["name"])
            assert parameter.get("description") or parameter["in"] == "path", (path, method, parameter["name"])
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]
            assert _is_exemplified(description, body), (path, method)


def _is_exemplified(description: dict[str, Any], content: Mapping[str, Any]) -> bool:
    """Whether there is an example: as a whole, or of every field that is not made of others."""
    if "example" in content or "examples" in content:
        return True
    return bool(_examples_in(description, content["schema"], 0))


def _examples_in(description: dict[str, Any], schema: Mapping[str, Any], depth: int) -> int:
    if "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if depth > 4:
        return 0
    found = len(schema.get("examples", ()))
    inner = [*schema.get("properties", {}).values(), *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    if isinstance(schema.get("items"), Mapping):
        inner.append(schema["items"])
    return found + sum(_examples_in(description, one, depth + 1) for one in inner)


def test_it_takes_a_key(description: dict[str, Any]) -> None:
    schemes = description["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    for path, method, operation in _operations(description):
        assert bool(operation.get("security")) == (path not in WITHOUT_KEY), (path, method)


def test_problems_are_described_as_they_come(description: dict[str, Any], shop: Server) -> None:
    known = set(description["components"]["schemas"]["Problem"]["properties"])
    for path in ("/api/v1/costs/summary?tema=x", "/api/v1/budgets/nothing", "/api/v1/nothing"):
        answer = shop.http.get(path)
        assert answer.headers["content-type"] == _PROBLEM
        assert set(answer.json()) <= known


def test_filters_are_described(description: dict[str, Any]) -> None:
    parameters = description["paths"]["/api/v1/costs/summary"]["get"]["parameters"]
    assert [one["name"] for one in parameters if one["in"] == "query"] == [
        "group_by", "as_of", "limit", "from", "to", "days", "filters",
    ]  # fmt: skip
    (filters,) = (one for one in parameters if one["name"] == "filters")
    assert {"team", "model", "status", "session"} <= filters["schema"]["properties"].keys()
