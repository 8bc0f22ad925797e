"""uvicorn, with a stop that loses nothing: load balancers are told, what is being answered is answered and booked, and
new connections are taken until then. A stream, which is never done by itself, ends at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import uvicorn

GRACE_S: Final = 10.0
"""How long requests that are being answered when the server is told to stop may take."""
_CLOSE: Final = (b"connection", b"close")


class Server(uvicorn.Server):
    """Told to stop, it goes on for ``drain_s``, and until no request is being answered; ``GRACE_S`` more at most. What
    is answered from then on closes its connection, so that clients come back elsewhere. A second SIGINT stops it at
    once.

    Args:
        settings: Of uvicorn.
        stopping: Called once when it is told to stop, in its event loop; must not block.
        drain_s: How long it can be reached at least after that: what load balancers take to notice.
    """

    def __init__(self, settings: uvicorn.Config, stopping: Callable[[], None], drain_s: float = 0.0) -> None:
        super().__init__(settings)
        self._stopping = stopping
        self._drain_s = drain_s
        self._told_at: float | None = None

    async def on_tick(self, counter: int) -> bool:
        """Called every 0.1 s; whether it is to close its sockets."""
        over = await super().on_tick(counter)
        if not over:
            return False
        now = time.monotonic()
        if self._told_at is None:
            self._told_at = now
            self.config.encoded_headers.append(_CLOSE)
            self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
            self._stopping()
        since_s = now - self._told_at
        answering = bool(self.server_state.tasks)
        return self.force_exit or since_s >= self._drain_s + (GRACE_S if answering else 0.0)
