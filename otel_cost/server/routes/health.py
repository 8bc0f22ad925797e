"""``GET /healthz``, ``/readyz``, ``/health`` and ``/metrics``: for the machines and people that watch the server."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response

from otel_cost.server.access import Access, Role
from otel_cost.server.health import HealthReport
from otel_cost.server.metrics import CONTENT_TYPE, BookMetrics
from otel_cost.server.problems import RETRY_AFTER_S, problem
from otel_cost.server.readiness import Readiness
from otel_cost.server.schemas import Health, Problem
from otel_cost.server.schemas.health import HealthDetails


def router(readiness: Readiness, report: HealthReport, metrics: BookMetrics, access: Access) -> APIRouter:
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """200 while the process answers: nothing else is looked at, since to start it anew would help nothing else."""
        return Health(status="ok")

    @routes.get("/readyz", responses={200: {"model": Health}, 503: {"model": Problem}}, response_model=None)
    def readyz() -> Health | Response:
        """200 while the server can be sent requests: its ledger can be read, prices are there, it is not stopping."""
        missing = readiness.missing()
        if missing:
            return problem(503, missing, headers={"Retry-After": str(RETRY_AFTER_S)})
        return Health(status="ok")

    @routes.get(
        "/metrics",
        dependencies=[Depends(access.needs(Role.VIEWER, unscoped=True))],
        response_class=Response,
        responses={200: {"content": {CONTENT_TYPE: {}}}, **{status: {"model": Problem} for status in (401, 403, 429)}},
    )
    def exposition() -> Response:
        """Book metrics in Prometheus's text format. They are about everything: a key with a scope does not do."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    @routes.get(
        "/health",
        dependencies=[Depends(access.needs(Role.VIEWER, unscoped=True))],
        responses={status: {"model": Problem} for status in (401, 403, 429, 503)},
    )
    def health() -> HealthDetails:
        """How the server is, what it does from time to time, and what the last 24 hours cost: of everything, so that a
        key with a scope does not do."""
        return report.read()

    return routes
