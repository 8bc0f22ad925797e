"""The ASGI side: ``app.add_middleware(AsgiMiddleware)``, or ``AsgiMiddleware(app)``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from otel_cost import callers, runtime

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiMiddleware:
    """Around an ASGI app. Does nothing where otel-cost is not installed."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        installed = runtime.current()
        if installed is None or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        client = scope.get("client")
        with callers.around(installed.config, headers, str(client[0]) if client else "", lambda: _route(scope)):
            await self._app(scope, receive, send)


def _route(scope: Scope) -> str:
    """The template of the route that Starlette and FastAPI have put into the scope by now."""
    path = getattr(scope.get("route"), "path", "")
    return path if isinstance(path, str) else ""
