"""``GET /api/v1/events``: what apps tell of budgets that live in their own memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from otel_cost.ledger.asking import iso
from otel_cost.ledger.events import MAX_LISTED, Reported
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.parameters import PeriodWords, Words, only_own
from otel_cost.server.problems import described
from otel_cost.server.schemas.history import EventList, EventOf

_Limit = Annotated[int, Query(ge=1, le=MAX_LISTED, description="At most", examples=[100])]
Told = Callable[[int, int, int], Sequence[Reported]]
"""The newest events from (inclusive) to (exclusive, UTC ns), at most so many."""


def router(told: Told, words: Words, access: Access) -> APIRouter:
    needs = [Depends(access.needs(Role.VIEWER)), Depends(only_own)]
    routes = APIRouter(prefix="/api/v1", tags=["alerts"], dependencies=needs, responses=described())

    @routes.get("/events", summary="What apps tell of their own budgets")
    def list_events(request: Request, period: Annotated[PeriodWords, Depends()], limit: _Limit = 100) -> EventList:
        """Budgets that live in an app's memory are known to nobody else: that one was reached, or stopped a call, comes
        as an OTLP log event. Those of the newest that are within the key's scope, the newest first; what the server's
        own budgets reached is in /alerts."""
        who = principal_of(request)
        start, end = words.period(period)
        found = told(start, end, MAX_LISTED if who.scope else limit)
        seen = [event for event in found if who.sees(event.labels)][:limit]
        return EventList.model_validate(
            {"from": iso(start), "to": iso(end), "events": [EventOf.of(event) for event in seen]}
        )

    return routes
