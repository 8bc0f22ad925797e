"""``GET /api/v1/costs/stream``: newly booked costs as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from otel_cost.server.access import Access, Role
from otel_cost.server.live import MAX_CLIENTS, Booked, Live
from otel_cost.server.parameters import Words
from otel_cost.server.problems import RETRY_AFTER_S, described
from otel_cost.server.schemas.live import LiveCost

_Last = Annotated[
    str, Header(alias="Last-Event-ID", max_length=64, description="Go on after this one", examples=["1f3a5c7e-42"])
]
_Heartbeat = Annotated[
    int, Query(ge=1, le=60, description="Seconds of silence after which a comment is sent", examples=[15])
]
_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_EXAMPLE: Final = 'id: 1f3a5c7e-43\nevent: charge\ndata: {"key": "4bf9...", "cost": {"nano_usd": 1250000}}\n\n'


def router(live: Live, words: Words, access: Access) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1/costs", tags=["costs"], dependencies=[Depends(access.needs(Role.VIEWER))],
        responses=described(),
    )  # fmt: skip

    @routes.get(
        "/stream",
        summary="New costs as they are booked",
        response_class=Response,
        responses={
            200: {
                "description": "Server-sent events",
                "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
            }
        },
        openapi_extra=words.described(),
    )
    async def stream_costs(
        request: Request, last_event_id: _Last = "", heartbeat_s: _Heartbeat = 15
    ) -> StreamingResponse:
        """What this server books, as server-sent events (`charge`, `correction`, `void`) until it stops. A client that
        comes back with `Last-Event-ID` gets what it missed; where that is not known any more, or it was too slow, an
        event `missed` says so: read the entries anew then. Any other parameter is a filter."""
        asked = words.asked(request, (0, 0))
        if live.full:
            raise HTTPException(503, f"{MAX_CLIENTS} clients listen already", {"Retry-After": str(RETRY_AFTER_S)})
        filters: Mapping[str, str] | None = asked.query.filters if asked.visible else None
        return StreamingResponse(
            _events(live, filters, last_event_id, heartbeat_s), headers=_HEADERS, media_type="text/event-stream"
        )

    return routes


async def _events(live: Live, filters: Mapping[str, str] | None, last_id: str, heartbeat_s: int) -> AsyncIterator[str]:
    yield ": costs, as they are booked\nretry: 2000\n\n"
    async for heard in live.listen(filters, last_id, heartbeat_s):
        if heard is None:
            yield ": still here\n\n"
        elif isinstance(heard, Booked):
            data = LiveCost.of(heard.entry).model_dump_json()
            yield f"id: {live.id_of(heard.number)}\nevent: {heard.entry.kind}\ndata: {data}\n\n"
        else:
            yield f'event: missed\ndata: {{"missed": {heard if heard > 0 else "null"}}}\n\n'
