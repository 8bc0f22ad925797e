"""Ports for processes that cannot be told to pick one themselves."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """``count`` different TCP ports on loopback that nothing listens on at the moment.

    All are held open until the last is found, so that they differ. Another process could still take one before it is
    used; the kernel hands out ephemeral ports in a spread order, which makes that rare enough for tests.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
