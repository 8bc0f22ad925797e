"""The gate in front of all routes, without a server around it."""

from __future__ import annotations

from starlette.types import Message, Receive, Scope, Send

from otel_cost.server.access import Access
from otel_cost.server.security import Gate


async def test_no_socket_goes_past_the_keys() -> None:
    sent: list[Message] = []

    async def behind(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("it came through")

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await Gate(behind, Access(), 0)({"type": "websocket", "path": "/healthz"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
