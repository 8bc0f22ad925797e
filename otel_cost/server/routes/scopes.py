"""``GET /api/v1/executions/{id}/costs``, ``/sessions/...`` and ``/traces/...``: one thing over its whole life."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.exceptions import HTTPException

from otel_cost.ledger.asking import iso
from otel_cost.ledger.base import MAX_STORED
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.parameters import MAX_TEXT, Words, only_own, text_of
from otel_cost.server.problems import described
from otel_cost.server.reading import Reader, row_of
from otel_cost.server.schemas.calls import Entry
from otel_cost.server.schemas.scopes import TraceCosts, Whole
from otel_cost.server.wholes import NAMES, parts_of

_Execution = Annotated[str, Path(alias="id", max_length=MAX_TEXT, examples=["run-17"])]
_Session = Annotated[str, Path(alias="id", max_length=MAX_TEXT, examples=["chat-4711"])]
_Trace = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="32 hex digits", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
]
_SHOWN = 1000


def router(reader: Reader, words: Words, access: Access) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1", tags=["scopes"], responses=described(404),
        dependencies=[Depends(access.needs(Role.VIEWER)), Depends(only_own)],
    )  # fmt: skip

    def whole(request: Request, kind: str, entity: str) -> Whole:
        asked = words.asked(request, (0, MAX_STORED), NAMES, filters={})
        found = reader.entities(kind, asked, entity=text_of("id", entity), limit=_SHOWN)
        if not found:
            raise HTTPException(404, f"the book has no {kind} of that id")
        first, last = min(one.first_ns for one in found), max(one.last_ns for one in found)
        return Whole.model_validate(
            {
                "kind": kind,
                "id": entity,
                "first": iso(first) if first else None,
                "last": iso(last) if last else None,
                **parts_of([one.row for one in found]),
            }
        )

    @routes.get("/executions/{id:path}/costs", summary="What one execution cost")
    def execution_costs(request: Request, execution: _Execution) -> Whole:
        """All that one execution (the label `execution`) cost: model calls, tools and compute, by model and by
        resource, with tokens and calls."""
        return whole(request, "execution", execution)

    @routes.get("/sessions/{id:path}/costs", summary="What one session cost")
    def session_costs(request: Request, session: _Session) -> Whole:
        """All that one session (the label `session`, attribute `session.id`) cost."""
        return whole(request, "session", session)

    @routes.get("/traces/{trace_id}/costs", summary="What one trace cost")
    def trace_costs(request: Request, trace_id: _Trace) -> TraceCosts:
        """All that one trace cost, with its calls, those that turned out to be wrappers or duplicates included."""
        calls = reader.calls_of_trace(trace_id, principal_of(request))
        if not calls:
            raise HTTPException(404, "the book has no trace of that id")
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, call in enumerate(calls):
            record = call.record
            groups.setdefault((record.kind.value, record.provider, record.model), []).append(place)
        rows = [row_of([calls[place] for place in places], group) for group, places in groups.items()]
        return TraceCosts.model_validate(
            {
                "kind": "trace",
                "id": trace_id,
                "first": iso(calls[0].record.start_ns),
                "last": iso(calls[-1].record.start_ns),
                **parts_of(rows),
                "calls": [Entry.of(call) for call in calls[:_SHOWN]],
                "calls_left_out": max(0, len(calls) - _SHOWN),
            }
        )

    return routes
