"""Middleware for web apps: who called, and labels from request headers, on every cost inside a request.

``AsgiMiddleware`` is for FastAPI, Starlette, Quart, Django and others on ASGI, ``WsgiMiddleware`` for Flask, Django and
others on WSGI. Neither imports a framework.
"""

from __future__ import annotations

from otel_cost.middleware.asgi import AsgiMiddleware
from otel_cost.middleware.wsgi import WsgiMiddleware

__all__ = ["AsgiMiddleware", "WsgiMiddleware"]
