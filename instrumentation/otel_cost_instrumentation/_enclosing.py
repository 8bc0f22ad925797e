"""Calls inside calls: a gateway's library over an SDK that is instrumented as well.

The budgets are asked once, for the outer one: asked again, they could refuse in the middle what they have just allowed.
Both get a span; the inner one counts, and has to end first for the outer one to be its wrapper.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, Protocol


class Stream(Protocol):
    """A call whose answer may still be streaming."""

    def left_behind(self) -> None:
        """Nobody will read on: the call around this one is over."""


class Enclosed:
    """What happens inside one call. Calls in the background can outlive it, and are then on their own.

    Attributes:
        parses_raw: Raw responses of the calls inside are read by the library around them, so no app sees the wire.
        headers: Of the HTTP response, where the SDK passes one through a place that is watched.
    """

    __slots__ = ("_calls", "_over", "headers", "parses_raw")

    def __init__(self, parses_raw: bool = False) -> None:
        self.parses_raw = parses_raw
        self.headers: object = None
        self._calls: list[Stream] = []
        self._over = False

    def add(self, call: Stream) -> None:
        self._calls.append(call)

    def end(self) -> None:
        """The call around them is over."""
        self._over = True
        calls, self._calls = self._calls, []
        for call in calls:
            call.left_behind()

    @property
    def over(self) -> bool:
        return self._over


_current: Final[ContextVar[Enclosed | None]] = ContextVar("otel_cost_enclosing", default=None)


def enclosing() -> Enclosed | None:
    """What calls made from here belong to; None where they are on their own."""
    found = _current.get()
    return None if found is None or found.over else found


def enclose(calls: Enclosed) -> Token[Enclosed | None]:
    """Calls from here on belong to ``calls``, until :func:`release`."""
    return _current.set(calls)


def release(token: Token[Enclosed | None]) -> None:
    _current.reset(token)
