"""The server's own budgets: what it books counts against the limits of its settings, whatever language it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from otel_cost.budgets import Budgets
from otel_cost.budgets.spec import budget_of
from otel_cost.budgets.stores import Store, store_of
from otel_cost.config import Config
from otel_cost.errors import ConfigError
from otel_cost.ledger.base import bookable
from otel_cost.model import CostRecord, Void
from otel_cost.server.budget_metrics import BookBudgetMetrics
from otel_cost.settings_values import parse_duration

_WAIT_S: Final = 2.0
"""How long a sender waits for its spend to be settled, before it is told that all is booked."""


class BudgetKeeping:
    """A taker that settles what can be booked. Any thread.

    An app that shares the store settles its own calls as well: under the same key, so that whoever comes second changes
    nothing. While the store is away, settling is put off, and booking goes on.

    Args:
        config: The limits.
        store: Closed with this.
        clock: UTC nanoseconds.
    """

    def __init__(self, config: Config, store: Store, clock: Callable[[], int]) -> None:
        self._budgets = Budgets(
            [budget_of(settings) for settings in config.budgets],
            on_event=lambda event: self.metrics.count(event),
            store=store,
            hold_ttl_s=parse_duration(config.budget_store.hold_ttl),
            clock_ns=clock,
        )
        # Apps that keep budgets by HTTP may live for seconds: what they leave behind is the server's to give back.
        self._budgets.look_after()
        self.metrics = BookBudgetMetrics(self._budgets)
        self._keeps_up = True

    @property
    def budgets(self) -> Budgets:
        """Where they stand, and changing them."""
        return self._budgets

    def take(self, record: CostRecord) -> None:
        booked = bookable(record)
        if booked is not None:
            self._budgets.take(booked)

    def void(self, void: Void) -> None:
        self._budgets.void(void)

    def flush(self, timeout_s: float) -> bool:
        return self._budgets.flush(timeout_s)

    def wait(self) -> None:
        """Return when all is settled, or the store does not keep up. Then nobody waits until it has caught up."""
        self._keeps_up = self.flush(_WAIT_S if self._keeps_up else 0.0)

    def look_after(self) -> str:
        """Give back what callers that are gone have reserved; what was done. Raises BudgetStoreError."""
        given_back = self._budgets.sweep() if self._budgets.present else 0
        return f"{given_back} lapsed reservations given back" if given_back else ""

    def close(self) -> None:
        """Settle what waits, and close the store."""
        self._budgets.close()


def open_budget_store(config: Config) -> Store:
    """The store that the settings name; the one beside the book where they name none.

    Raises:
        ConfigError: the store's URL, or the book's, is wrong.
    """
    return store_of(replace(config, budget_store=replace(config.budget_store, url=store_url(config))))


def store_url(config: Config) -> str:
    """Where a server keeps budgets: beside a book in SQLite in a file of their own, since both are written all the time
    and a file has one writer; in PostgreSQL in the same database. Empty: in memory, as the book is. Raises ConfigError.
    """
    url = config.budget_store.url
    if url.startswith(("http://", "https://")):
        raise ConfigError(
            f"budget_store.url is {url}, which is for apps; otel-cost serve keeps the budgets itself: give it the URL "
            "of a database, or none (then they are kept beside the book)"
        )
    return url or _beside(config.server.database)


def _beside(database: str) -> str:
    try:
        where = make_url(database)
    except ArgumentError as error:
        raise ConfigError(f"server.database: {error}") from error
    backend, name = where.get_backend_name(), where.database
    if backend == "postgresql":
        return where.set(drivername=backend).render_as_string(hide_password=False)
    if backend != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return ""
    book = Path(name)
    return where.set(
        drivername=backend, database=str(book.with_name(f"{book.stem}-budgets.db")), query={}
    ).render_as_string()
