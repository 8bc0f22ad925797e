"""Waiting on a condition. Tests never wait for a time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, *, timeout_s: float = 30.0, poll_s: float = 0.05) -> T:
    """The first true value that ``condition`` returns.

    Args:
        condition: Called again and again; an ``OSError`` (nothing listens yet) counts as not yet.
        what: What is waited for; ends up in the error.
        timeout_s: When to give up: far beyond what it takes, so that a slow machine does not fail a test.

    Raises:
        TimeoutError: it never became true. The text carries the last error or value seen.
    """
    deadline = time.monotonic() + timeout_s
    seen: object = None
    while time.monotonic() < deadline:
        try:
            value = condition()
        except OSError as error:
            seen = error
        else:
            if value:
                return value
            seen = value
        time.sleep(poll_s)
    raise TimeoutError(f"gave up after {timeout_s:g} s on: {what}; last seen: {seen!r}")
