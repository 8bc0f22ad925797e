"""Middleware for web apps: who called, and labels from request headers, on every cost inside a request.

``AsgiMiddleware`` is for FastAPI, Starlette, Quart, Django and others on ASGI, ``WsgiMiddleware`` for Flask, Django and
others on WSGI. Neither imports a framework.

With ``budgets=True`` they also ask the budgets before each request, and answer 429 where nothing is left.
"""

from __future__ import annotations

from otel_cost.middleware.asgi import AsgiMiddleware
from otel_cost.middleware.limiting import Answer, Incoming, answer_to
from otel_cost.middleware.wsgi import WsgiMiddleware

__all__ = ["Answer", "AsgiMiddleware", "Incoming", "WsgiMiddleware", "answer_to"]
