"""Where budgets keep what was spent and what is reserved."""

from __future__ import annotations

from otel_cost.budgets.stores.base import Store
from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.config import Config

__all__ = ["MemoryStore", "Store", "store_of"]


def store_of(config: Config) -> Store:
    """The store that the settings name."""
    return MemoryStore()
