"""Waiting for something without blocking an event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def in_asyncio() -> bool:
    """Whether this is code of an asyncio event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def aside(ask: Callable[[], T], late: Callable[[T], None] = lambda _answer: None) -> T:
    """What ``ask`` returns, called in a thread and in the caller's context. ``late`` gets what comes after its caller
    was cancelled: room that was taken has to be given back."""

    def answered(asking: asyncio.Future[T]) -> None:
        if not asking.cancelled() and asking.exception() is None:
            late(asking.result())

    asking = asyncio.get_running_loop().run_in_executor(None, partial(contextvars.copy_context().run, ask))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        asking.add_done_callback(answered)
        raise
