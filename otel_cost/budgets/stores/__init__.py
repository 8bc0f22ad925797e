"""Where budgets keep what was spent and what is reserved."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from otel_cost.budgets.stores.base import Store
from otel_cost.budgets.stores.memory import MemoryStore
from otel_cost.config import Config
from otel_cost.errors import ConfigError
from otel_cost.settings_values import check_store_url, parse_duration

__all__ = ["MemoryStore", "Store", "open_store", "store_of"]

TIMEOUT_S: Final = 0.25


def store_of(config: Config) -> Store:
    """The store that the settings name. Raises ConfigError."""
    patience = max((parse_duration(budget.timeout) for budget in config.budgets), default=TIMEOUT_S)
    return open_store(config.budget_store.url, key=config.budget_store.key, timeout_s=patience)


def open_store(url: str, *, key: str = "", timeout_s: float = TIMEOUT_S) -> Store:
    """The store at a URL, spelled as SQLAlchemy does: ``sqlite:///relative.db``, ``sqlite:////absolute.db``. Or that of
    an ``otel-cost serve``: ``https://costs.example.com``.

    A store that cannot be reached now is opened all the same: each call tries again.

    Args:
        key: What ``otel-cost serve`` wants to see.
        timeout_s: Seconds to wait for a server's answer before it counts as not there.

    Raises:
        ConfigError: the URL is of no known kind, its driver is not installed, or the store is of a later release.
    """
    try:
        check_store_url(url)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if url in ("", "memory:"):
        return MemoryStore()
    if url.startswith("sqlite:///"):
        # Imported where it is used: an app that shares no budgets does not load a database.
        from otel_cost.budgets.stores.sqlite import open_sqlite

        return open_sqlite(Path(url.removeprefix("sqlite:///")))
    if url.startswith(("http://", "https://")):
        from otel_cost.budgets.stores.http import HttpStore

        return HttpStore(url, key, timeout_s)
    return _open_postgres("postgresql" + url[url.index(":") :], timeout_s)


def _open_postgres(url: str, timeout_s: float) -> Store:
    try:
        from otel_cost.budgets.stores.postgres import open_postgres
    except ImportError as error:  # no psycopg, or psycopg without its C library
        raise ConfigError("psycopg is not installed: pip install 'otel-cost[postgres]'") from error
    return open_postgres(url, timeout_s=timeout_s)
