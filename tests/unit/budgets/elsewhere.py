"""A store that is not this process's own: the one in memory, which can be away, busy or slow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.errors import BudgetStoreError


class Elsewhere(MemoryStore):
    """``failing``: what every call raises, ``failing_at`` what one of them does; None: it works. ``calls``: the names
    of what was called. ``gate``: settling waits for it."""

    local = False  # type: ignore[assignment]

    def __init__(self) -> None:
        self.failing: BudgetStoreError | None = None
        self.failing_at: dict[str, BudgetStoreError] = {}
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        super().__init__()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return _Checked(self, name, found) if name in _ASKED else found


_ASKED = {"controls", "reserve", "settle", "release", "renew", "sweep", "read", "rows", "change", "told", "void"}


class _Checked:
    def __init__(self, store: Elsewhere, name: str, method: Callable[..., object]) -> None:
        self._store = store
        self._name = name
        self._method = method

    def __call__(self, *args: object, **kwargs: object) -> object:
        self._store.calls.append(self._name)
        if self._name == "settle":
            assert self._store.gate.wait(30)
        error = self._store.failing_at.get(self._name, self._store.failing)
        if error is not None:
            raise error
        return self._method(*args, **kwargs)
