"""The OpenAPI description: what FastAPI makes of the routes, and what it does not know."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from otel_cost.server.problems import MEDIA_TYPE
from otel_cost.server.schemas.problem import Problem

TAGS: Final = [
    {"name": "costs", "description": "What was spent: sums, calls, time series, breakdowns; and costs by hand"},
    {"name": "scopes", "description": "One execution, session, trace or workspace"},
    {"name": "dashboard", "description": "The overview"},
    {"name": "prices", "description": "What models cost"},
    {"name": "budgets", "description": "Limits: where they stand, and changing them"},
    {"name": "alerts", "description": "What happened to budgets, and who did what"},
    {"name": "keys", "description": "Access keys, for admins"},
    {"name": "OTLP", "description": "Spans and charge events, from any language"},
    {"name": "budget store", "description": "For otel-cost in apps; no interface for people"},
    {"name": "operation", "description": "For probes and for Prometheus"},
]
_OPEN: Final = ("/healthz", "/readyz", "/health", "/metrics")
_SCHEME: Final = "bearer"


def install(app: FastAPI) -> None:
    """Let ``app`` describe itself with what is said here."""
    make = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(make())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _complete(description: dict[str, Any]) -> None:
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components.setdefault("securitySchemes", {}).setdefault(
        _SCHEME, {"type": "http", "scheme": "bearer", "description": "A key of `otel-cost keys create`"}
    )
    for path, operations in description["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # what is wrong is a 400 here
            for response in operation["responses"].values():
                _as_problem(response.get("content", {}))
            if path not in _OPEN and not operation.get("security"):
                operation["security"] = [{_SCHEME: []}]


def _as_problem(content: dict[str, Any]) -> None:
    """FastAPI takes every model for plain JSON."""
    said = content.get("application/json", {}).get("schema", {})
    if said.get("$ref") == "#/components/schemas/Problem":
        content[MEDIA_TYPE] = content.pop("application/json")
