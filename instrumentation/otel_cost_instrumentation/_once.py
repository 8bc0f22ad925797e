"""Answers that a provider gives again to whoever asks: the first telling is charged, the others are looked at.

Responses that run in the background are fetched by their id, as often as the app likes, and batches' results are
downloaded as files. What was told is remembered for as long as the process lives, within a bound; between processes
the server knows a call by its response id.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation._read import Attributes

_REMEMBERED: Final = 200_000
"""Answers: about 30 MB, and four times the largest batch."""
_UNCHARGED: Final = frozenset(
    {
        *(semconv.RESPONSE_ID, semconv.RESPONSE_MODEL, semconv.RESPONSE_FINISH_REASONS),
        *(semconv.ERROR_TYPE, semconv.OPENAI_RESPONSE_SERVICE_TIER),
    }
)
"""What says nothing about money."""


class Once:
    """Who told of which answer first. Thread-safe."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._first: OrderedDict[str, int] = OrderedDict()

    def teller(self) -> Teller:
        """One telling, which may come in several pieces."""
        return Teller(self, next(self._numbers))

    def first(self, key: str, number: int) -> bool:
        with self._lock:
            known = self._first.setdefault(key, number)
            self._first.move_to_end(key)
            if len(self._first) > self._remembered:
                self._first.popitem(last=False)
        return known == number


class Teller:
    """Tells of answers, perhaps of the same ones more than once: that is still one telling."""

    __slots__ = ("_number", "_once")

    def __init__(self, once: Once, number: int) -> None:
        self._once = once
        self._number = number

    def first(self, key: str) -> bool:
        """Whether nobody else told of ``key`` before."""
        return self._once.first(key, self._number)

    def charged(self, found: Attributes) -> Attributes:
        """``found``, without its counts where another teller had them."""
        key = found.get(semconv.RESPONSE_ID)
        if found.keys() <= _UNCHARGED or not isinstance(key, str) or self.first(key):
            return found
        return {name: value for name, value in found.items() if name in _UNCHARGED}
