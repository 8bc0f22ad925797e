"""Where a writer's batches end up: a JSONL book or a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from otel_cost.book_settings import LedgerSettings
from otel_cost.errors import ConfigError, LedgerRefused, OtelCostError
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.jsonl import JsonlSink, is_jsonl, path_of
from otel_cost.model import CostRecord, Void

DEFAULT_SPOOL: Final = "otel-cost-spool"
"""The spool's directory beside a book that is no file."""


class Sink(Protocol):
    """Takes batches. Used by one thread at a time."""

    @property
    def url(self) -> str:
        """Where the book is, for people; never a password."""
        ...

    def book(self, records: Sequence[CostRecord], voids: Sequence[Void], *, booked_at_ns: int) -> None:
        """Book all of it or none; what is booked already is not booked again. Raises LedgerError, ConfigError."""
        ...

    def refused(self, error: OtelCostError) -> bool:
        """Whether ``error`` is about what was to be booked, so that trying again cannot help."""
        ...

    def close(self) -> None:
        """Let go of connections; the next batch makes new ones."""
        ...

    def forget(self) -> None:
        """In a forked child: what is open is the parent's, and stays as it is."""
        ...


def sink_of(settings: LedgerSettings) -> Sink:
    """The book that ``settings`` name. Nothing is opened yet.

    Raises:
        ConfigError: the URL is not one, or what it needs is not installed.
    """
    if is_jsonl(settings.url):
        return JsonlSink(path_of(settings.url), settings.rotate_bytes)
    return DatabaseSink(_checked(settings.url))


def spool_directory(settings: LedgerSettings) -> Path:
    """Where batches wait: as set, else beside a book that is a file, else in the working directory."""
    if settings.spool is not None:
        return settings.spool
    if is_jsonl(settings.url):
        return _beside(path_of(settings.url))
    scheme, _, path = settings.url.partition(":///")
    return _beside(Path(path.partition("?")[0])) if scheme == "sqlite" and path else Path(DEFAULT_SPOOL)


def _beside(book: Path) -> Path:
    return book.with_name(f"{book.name}.spool")


class DatabaseSink:
    """Writes into a database, over a ledger that is opened with the first batch."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ledger: Ledger | None = None
        self._left_behind: list[Ledger] = []

    @property
    def url(self) -> str:
        from sqlalchemy.engine import make_url

        return make_url(self._url).render_as_string(hide_password=True)

    def book(self, records: Sequence[CostRecord], voids: Sequence[Void], *, booked_at_ns: int) -> None:
        if self._ledger is None:
            from otel_cost.ledger.sql import open_ledger

            self._ledger = open_ledger(self._url)
        self._ledger.write(records, voids, booked_at_ns=booked_at_ns)

    def refused(self, error: OtelCostError) -> bool:
        return isinstance(error, LedgerRefused)

    def close(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()

    def forget(self) -> None:
        if self._ledger is not None:
            self._left_behind.append(self._ledger)  # to close it here would end the parent's connection
            self._ledger = None


def _checked(url: str) -> str:
    """``url``, with its file's path made absolute: an app may change its directory before the first batch.

    What can be known without connecting is checked: whether there is such a database, and its driver.
    """
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ModuleNotFoundError as error:
        raise ConfigError(
            "ledger.url: a book in a database needs SQLAlchemy, pip install 'otel-cost[ledger]'; one in jsonl:<file>"
            " needs nothing"
        ) from error
    kind = url.partition(":")[0]
    try:
        where = make_url(url)
        if where.drivername == "postgresql":
            where = where.set(drivername="postgresql+psycopg")
        where.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        # Its own text would have the whole URL in it, and so a password.
        raise ConfigError(
            f"ledger.url: this {kind} URL is not one of a database; write sqlite:///<file> or"
            " postgresql://user:password@host/database"
        ) from error
    except ModuleNotFoundError as error:
        raise ConfigError(f"ledger.url: {error.name} is not installed: pip install 'otel-cost[postgres]'") from error
    if kind != "sqlite":
        return url
    if where.database in (None, "", ":memory:"):
        raise ConfigError("ledger.url: a book in memory ends with the app; write sqlite:///<file>")
    return where.set(database=str(Path(str(where.database)).absolute())).render_as_string(hide_password=False)
