"""Request bodies, read up to a limit."""

from __future__ import annotations

from fastapi import Request

from otel_cost.server.otlp import TooLarge


async def body_of(request: Request, max_bytes: int) -> bytes:
    """The body as it was sent.

    Raises:
        TooLarge: it has more than ``max_bytes``; no more than that was read.
        ClientDisconnect: nobody waits for an answer.
    """
    declared = request.headers.get("content-length", "")
    body = bytearray()
    if not (declared.isdecimal() and int(declared[:20]) > max_bytes):
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                break
        else:
            return bytes(body)
    raise TooLarge(f"the body is larger than {max_bytes} bytes")
