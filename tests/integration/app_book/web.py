"""A web app whose every request makes one call: ``wsgi`` for gunicorn, ``asgi`` for uvicorn. Under
``opentelemetry-instrument``, which sets everything up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind

ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}


def call() -> bytes:
    tracer = trace.get_tracer("opentelemetry.instrumentation.genai.openai")
    with tracer.start_as_current_span("chat", kind=SpanKind.CLIENT, attributes=ATTRIBUTES):
        return str(os.getpid()).encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [call() if environ["PATH_INFO"] == "/call" else b"ready"]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = call() if scope["path"] == "/call" else b"ready"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
