"""The ASGI side: ``app.add_middleware(AsgiMiddleware)``, or ``AsgiMiddleware(app)``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, Final, Unpack

from otel_cost import callers, runtime
from otel_cost.errors import BudgetExceeded
from otel_cost.middleware.limiting import Answer, Incoming, Limiting, Options

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_DENIAL: Final = "websocket.http.response"
"""The extension of servers that can answer the beginning of a websocket as they answer a request."""
_BEGINS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.close", f"{_DENIAL}.start"})
_POLICY_VIOLATION: Final = 1008


class AsgiMiddleware:
    """Around an ASGI app. Does nothing where otel-cost is not installed.

    Args:
        app: What it is around.
        budgets: Ask the budgets before each request, and answer 429 with problem details where nothing is left for its
            labels. The beginning of a websocket is such a request; an ``OPTIONS`` request is not.
        include: Only for paths that fit one of these patterns (``/api/*``; ``*`` also goes over slashes); all where
            there are none.
        exclude: But not for these, for instance ``/healthz``.
        scope: From a request to its labels, on top of those that the settings take from headers. What it raises goes to
            the server.
        estimated_usd: Reserve this much for each request, in USD, until its answer has been sent; None asks only
            whether anything is left.
        answer_escaped: Whether a BudgetExceeded of a call that the app lets escape becomes that 429 too, where no
            answer has begun.
        figures: Whether the answer tells the budget's name, limit and spend; never those of somebody else's.
    """

    def __init__(self, app: App, *, budgets: bool = False, **options: Unpack[Options]) -> None:
        self._app = app
        limiting = Limiting(**options)  # also where it is not used: options that are wrong are wrong
        self._limiting = limiting if budgets else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        installed = runtime.current()
        if installed is None or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        client = scope.get("client")
        address = str(client[0]) if client else ""
        with callers.around(installed.config, headers, address, lambda: _route(scope)):
            if self._limiting is None:
                await self._app(scope, receive, send)
            else:
                request = _incoming(scope, headers, address)
                await self._limited(self._limiting, request, scope, receive, send)

    async def _limited(self, limiting: Limiting, request: Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        guard = limiting.guard(request)
        if guard is None:
            await self._app(scope, receive, send)
            return
        sending = _Sending(send)
        async with AsyncExitStack() as block:
            try:
                await block.enter_async_context(guard)
            except BudgetExceeded as error:
                await _refuse(scope, send, limiting.refusal(error, request))
                return
            try:
                await self._app(scope, receive, sending)
            except BudgetExceeded as error:
                if sending.begun or not limiting.answer_escaped:
                    raise
                await _refuse(scope, send, limiting.escaped(error, request))


class _Sending:
    """Sees whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.begun = self.begun or message["type"] in _BEGINS
        await self._send(message)


async def _refuse(scope: Scope, send: Send, answer: Answer) -> None:
    websocket = scope["type"] == "websocket"
    if websocket and _DENIAL not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": answer.reason})
        return
    kind = _DENIAL if websocket else "http.response"
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": answer.body})


def _incoming(scope: Scope, headers: Mapping[str, str], address: str) -> Incoming:
    method = str(scope["method"]) if scope["type"] == "http" else "WEBSOCKET"
    return Incoming(method, str(scope["path"]), headers, address, scope)


def _route(scope: Scope) -> str:
    """The template of the route that Starlette and FastAPI have put into the scope by now."""
    path = getattr(scope.get("route"), "path", "")
    return path if isinstance(path, str) else ""
