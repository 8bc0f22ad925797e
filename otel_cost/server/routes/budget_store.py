"""``POST /api/v1/budget-store/{method}``: the server's budget store for apps, so that they need no database.

The arguments go in and the result comes out as :mod:`otel_cost.budgets.stores.wire` has it; this is what
``otel_cost.budgets.stores.http`` speaks, and no interface for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from otel_cost.book_settings import ServerSettings
from otel_cost.budgets.stores import wire
from otel_cost.server.access import Access, Role, principal_of, require
from otel_cost.server.bodies import body_of
from otel_cost.server.budget_calls import BudgetCalls
from otel_cost.server.otlp import TooLarge
from otel_cost.server.schemas import Problem
from otel_cost.server.scoped_store import OutOfScope

_JSON: Final = "application/json"
_WAIT_MS: Final = 10_000
_MAX_WAIT_MS: Final = 60_000
_SHARE: Final = 0.8
"""Of the time that the client waits: the rest is for the way."""
_Wait = Annotated[int, Header(alias=wire.WAIT_HEADER, ge=1, le=_MAX_WAIT_MS, description="How long the client waits")]

_READS: Final = (Role.INGEST, Role.VIEWER)
_METHOD_ROLES: Final[Mapping[str, tuple[Role, ...]]] = {
    **dict.fromkeys(("controls", "read", "rows"), _READS),
    **dict.fromkeys(("lost", "audit", "alerts"), (Role.VIEWER,)),
    **dict.fromkeys(("change", "set_alert"), (Role.EDITOR,)),
    "sweep": (Role.INGEST, Role.EDITOR),  # whoever looks at budgets by hand sweeps first
    **dict.fromkeys(("correct", "void"), (Role.ADMIN,)),
}
"""What it takes to call a method; any one of these. Others are what apps do while they work: ingest."""


def router(calls: BudgetCalls, access: Access, settings: ServerSettings) -> APIRouter:
    routes = APIRouter(prefix=wire.PATH, tags=["budget store"])

    @routes.post(
        "/{method}",
        dependencies=[Depends(access.needs())],
        response_class=Response,
        responses={status: {"model": Problem} for status in (400, 401, 403, 404, 413, 415, 429, 503)},
    )
    async def call(method: str, request: Request, wait_ms: _Wait = _WAIT_MS) -> Response:
        """One call of the store that apps share their budgets through. For otel-cost itself, of the same version."""
        who = principal_of(request)
        known = wire.METHODS.get(method)
        if known is None:
            raise HTTPException(404, f"a budget store has no method of that name; it has: {', '.join(wire.METHODS)}")
        require(who, *_METHOD_ROLES.get(method, (Role.INGEST,)))
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != _JSON:
            # A page in somebody's browser cannot send this type to another host without being asked whether it may.
            raise HTTPException(415, f"Content-Type must be {_JSON}")
        try:
            body = await body_of(request, settings.max_body_bytes)
            answer = await calls.answer(known, body, wait_ms / 1000 * _SHARE, who.scope)
        except TooLarge as error:
            raise HTTPException(413, f"{error} (server.max_body_bytes)") from error
        except wire.Malformed as error:
            raise HTTPException(400, f"the call cannot be read: {error}") from error
        except OutOfScope as error:
            raise HTTPException(403, str(error)) from error
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return Response(answer, media_type=_JSON)

    return routes
