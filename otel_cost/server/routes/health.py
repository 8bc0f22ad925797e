"""``GET /healthz`` and ``/metrics``: for the machines that watch the server."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response

from otel_cost.ledger.base import Ledger
from otel_cost.server.access import Access, Role
from otel_cost.server.metrics import CONTENT_TYPE, BookMetrics
from otel_cost.server.schemas import Health, Problem


def router(ledger: Ledger, metrics: BookMetrics, access: Access) -> APIRouter:
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", responses={503: {"model": Problem}})
    def healthz() -> Health:
        """200 while the server runs and its ledger can be read."""
        ledger.check()
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

    return routes
