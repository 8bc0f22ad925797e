"""uvicorn, with an end for streams: it waits for requests that are being answered before it tells the app to stop, and
a stream is one that is never done by itself."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn


class Server(uvicorn.Server):
    """Lets streams end as soon as it stops.

    Args:
        settings: Of uvicorn.
        end_streams: Called once when it begins to stop, in its event loop; must not block.
    """

    def __init__(self, settings: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(settings)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)
