"""What stands in front of all routes: security headers on every answer, CORS, keys, and how often one may ask.

A route that somebody adds is closed because of where this stands, not because its author thought of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otel_cost.book_settings import ServerSettings
from otel_cost.budgets.stores import wire
from otel_cost.errors import LedgerError
from otel_cost.server import otlp, problems
from otel_cost.server.access import KEY_HEADER, LOCAL, Access, Principal, Role, require
from otel_cost.server.keys_ring import FRESH_S
from otel_cost.server.otlp import Encoding
from otel_cost.server.rate_limit import Buckets, headers, network_of
from otel_cost.server.routes.export import encoding_of

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""For probes: they say whether the server lives, and nothing else."""
_OTLP_PATHS: Final = frozenset({"/v1/traces", "/v1/logs"})
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer; one that sets a header of these itself keeps its own."""
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def install(app: FastAPI, access: Access, settings: ServerSettings) -> None:
    """Put it in front of ``app``."""
    app.add_middleware(Gate, access=access, per_minute=settings.rate_limit)
    if settings.cors_origins:
        # A key goes in a header that the page has to know: there are no cookies, and credentials are not allowed.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=_METHODS,
            allow_headers=("Authorization", KEY_HEADER, "Content-Type", "Last-Event-ID"),
            expose_headers=("RateLimit", "RateLimit-Policy", "Retry-After"),
            allow_credentials=False,
        )
    app.add_middleware(WithSecurityHeaders)
    # What nobody catches is answered outside of all middleware.
    app.add_exception_handler(Exception, _fault)


async def _fault(_request: Request, _error: Exception) -> Response:
    """The error itself goes to the log: whoever runs the server raises it again."""
    return problems.problem(500, "otel-cost failed; its log says how", headers=dict(SECURITY_HEADERS))


class WithSecurityHeaders:
    """Middleware that adds ``SECURITY_HEADERS``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, _adding(send, SECURITY_HEADERS) if scope["type"] == "http" else send)


class _Over(Exception):
    """Whoever is being answered may not be any longer."""


class Gate:
    """Middleware that knows whose a request is, as ``request.state.principal``, or lets it no further.

    Args:
        app: What stands behind it.
        access: Tells keys.
        per_minute: Requests that one key, or without keys one address, may make; 0: any number. What apps send while
            they work (OTLP, the calls of the budget store) is not counted: held back, it would be lost, or stop calls.
    """

    def __init__(self, app: ASGIApp, access: Access, per_minute: int) -> None:
        self._app = app
        self._access = access
        self._asked = Buckets(per_minute) if per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # there are none, and one that is added would have no key
            return
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            who = await self._access.who(request)
            if request.url.path in _OTLP_PATHS:
                require(who, Role.INGEST)  # here, to be told in OTLP's words
            more = self._counted(request, who)
        except HTTPException as error:
            await _refusal(request, error.status_code, error.detail, error.headers)(scope, receive, send)
        except LedgerError:
            text, after = "access keys cannot be looked up right now", {"Retry-After": str(problems.RETRY_AFTER_S)}
            await _refusal(request, 503, text, after)(scope, receive, send)
        else:
            request.state.principal = who
            await self._answer(request, receive, _adding(send, more) if more else send)

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        """Let the app answer, for as long as the key may: a stream goes on for hours, and the key is revoked."""
        checked_s: float | None = None  # until some of the body is sent: what came late is answered whole

        async def checking(message: Message) -> None:
            nonlocal checked_s
            if checked_s is not None and time.monotonic() - checked_s >= FRESH_S:
                await self._check(request)
                checked_s = None
            if checked_s is None and message["type"] == "http.response.body":
                checked_s = time.monotonic()
            await send(message)

        try:
            await self._app(request.scope, receive, checking)
        except _Over:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _check(self, request: Request) -> None:
        try:
            await self._access.who(request)
        except (HTTPException, LedgerError) as error:
            raise _Over from error

    def _counted(self, request: Request, who: Principal) -> Mapping[str, str]:
        """Headers that say how many requests are left. Raises HTTPException where none are."""
        path = request.url.path
        if self._asked is None or path in _OTLP_PATHS or path.startswith(f"{wire.PATH}/"):
            return {}
        address = network_of(request.client.host if request.client else "")
        allowance = self._asked.take(f"address {address}" if who is LOCAL else f"key {who.key_id}")
        found = headers(allowance, self._asked.per_minute)
        if not allowance.granted:
            raise HTTPException(
                429, f"more than {self._asked.per_minute} requests in a minute (server.rate_limit)", found
            )
        return found


def _refusal(request: Request, status: int, detail: str, more: Mapping[str, str] | None) -> Response:
    """A problem; for senders of OTLP, what its specification wants to see instead."""
    if request.url.path not in _OTLP_PATHS:
        return problems.problem(status, detail, headers=dict(more or {}))
    encoding = encoding_of(request) or Encoding.JSON
    return Response(otlp.encode(otlp.error_response(detail), encoding), status, more, media_type=encoding.value)


def _adding(send: Send, more: Mapping[str, str]) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = MutableHeaders(scope=message)
            for name, value in more.items():
                there.setdefault(name, value)
        await send(message)

    return adding
