"""``POST /api/v1/budget-store/{method}``: the server's budget store for apps, so that they need no database.

The arguments go in and the result comes out as :mod:`otel_cost.budgets.stores.wire` has it; this is what
``otel_cost.budgets.stores.http`` speaks, and no interface for people.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from otel_cost.book_settings import ServerSettings
from otel_cost.budgets.stores import wire
from otel_cost.server.bodies import body_of
from otel_cost.server.budget_calls import BudgetCalls
from otel_cost.server.otlp import TooLarge
from otel_cost.server.schemas import Problem

_JSON: Final = "application/json"
_WAIT_MS: Final = 10_000
_MAX_WAIT_MS: Final = 60_000
_SHARE: Final = 0.8
"""Of the time that the client waits: the rest is for the way."""
_Wait = Annotated[int, Header(alias=wire.WAIT_HEADER, ge=1, le=_MAX_WAIT_MS, description="How long the client waits")]


def router(calls: BudgetCalls, settings: ServerSettings) -> APIRouter:
    routes = APIRouter(prefix=wire.PATH, tags=["budget store"])

    @routes.post(
        "/{method}",
        response_class=Response,
        responses={status: {"model": Problem} for status in (400, 401, 403, 404, 413, 415, 503)},
    )
    async def call(method: str, request: Request, wait_ms: _Wait = _WAIT_MS) -> Response:
        """One call of the store that apps share their budgets through. For otel-cost itself, of the same version."""
        _check_allowed(request, settings.key)
        known = wire.METHODS.get(method)
        if known is None:
            raise HTTPException(404, f"a budget store has no method of that name; it has: {', '.join(wire.METHODS)}")
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != _JSON:
            # A page in somebody's browser cannot send this type to another host without being asked whether it may.
            raise HTTPException(415, f"Content-Type must be {_JSON}")
        try:
            body = await body_of(request, settings.max_body_bytes)
            answer = await calls.answer(known, body, wait_ms / 1000 * _SHARE)
        except TooLarge as error:
            raise HTTPException(413, f"{error} (server.max_body_bytes)") from error
        except wire.Malformed as error:
            raise HTTPException(400, f"the call cannot be read: {error}") from error
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return Response(answer, media_type=_JSON)

    return routes


def _check_allowed(request: Request, key: str) -> None:
    """Raises HTTPException where the client may not use the store."""
    if key:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key.encode()):
            raise HTTPException(401, "the key is missing or wrong", {"WWW-Authenticate": "Bearer"})
    # The name that was asked for counts as well: a proxy on this machine, or a page that has its own name resolve to
    # 127.0.0.1, speaks for clients that are somewhere else.
    elif not (_is_loopback(request.client.host if request.client else "") and _is_loopback(request.url.hostname or "")):
        raise HTTPException(
            403, "without a key, budgets are for clients on the same machine: set server.key (OTEL_COST_SERVER_KEY)"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
