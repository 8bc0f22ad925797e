"""What the server logs: text or one JSON object a line; requests that failed or were slow, never what was in them."""

from __future__ import annotations

import logging
import time
from typing import Final

from pythonjsonlogger.json import JsonFormatter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otel_cost import semconv

SLOW_S: Final = 1.0
"""A request that took longer is logged, streams of events apart."""
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_log = logging.getLogger(f"{semconv.LOGGER}.requests")


def configure(log_format: str, level: int = logging.INFO) -> None:
    """Let the process log to its standard error. ``log_format``: ``text``, or ``json``: one object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _json() -> logging.Formatter:
    formatter = JsonFormatter(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )
    formatter.converter = time.gmtime
    return formatter


class RequestLog:
    """ASGI middleware. One line a request that failed (5xx: warning, 4xx: info) or was slow (warning); OTLP batches and
    all others at DEBUG. A path is logged as its route has it: what stands in it, or in the query, names people."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        began = time.perf_counter()
        try:
            await self._app(scope, receive, answer.send)
        finally:
            _tell(scope, answer, time.perf_counter() - began)


class _Answer:
    """Passes an answer on, and keeps what is worth telling."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = dict(message.get("headers", ()))
            self.is_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
        await self._send(message)


def _tell(scope: Scope, answer: _Answer, seconds: float) -> None:
    slow = seconds > SLOW_S and not answer.is_stream
    level = logging.DEBUG
    if answer.status >= 500 or slow:
        level = logging.WARNING
    elif answer.status >= 400:
        level = logging.INFO
    if not _log.isEnabledFor(level):
        return
    route = getattr(scope.get("route"), "path_format", "(no such route)")
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    said = {
        "method": scope["method"],
        "route": route,
        "status": answer.status,
        "seconds": round(seconds, 4),
        "request_bytes": int(length) if length.isdigit() else None,
    }
    text = f"{said['method']} {route} answered {answer.status} in {seconds:.3f} s"
    _log.log(level, "%s%s", text, " (slow)" if slow else "", extra=said)
