"""The ledger at a URL, whatever it is kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_cost.errors import ConfigError
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.jsonl import JsonlLedger, is_jsonl, path_of

if TYPE_CHECKING:
    from otel_cost.ledger.sql import SqlLedger


def open_ledger(url: str, *, create: bool = True) -> Ledger:
    """The ledger at ``jsonl:<file>`` or a database URL; see :func:`otel_cost.ledger.sql.open_ledger`.

    With ``create=False`` nothing is made: a book that does not exist is an error.

    Raises:
        ConfigError: the URL is not one, or what it needs is not installed.
        LedgerError: the book cannot be opened.
    """
    if is_jsonl(url):
        return JsonlLedger(path_of(url), create=create)
    return open_database(url, create=create, needed_by="")


def open_database(url: str, *, needed_by: str, create: bool = True) -> SqlLedger:
    """The ledger in a database, for ``needed_by``, which cannot do with files.

    Raises:
        ConfigError: as above, or the URL is one of a JSONL book.
        LedgerError: the book cannot be opened.
    """
    if is_jsonl(url):
        raise ConfigError(
            f"{needed_by} needs a database, and {url} is a file of JSON lines: name sqlite:///<file> or postgresql://..."
        )
    try:
        from otel_cost.ledger.sql import open_ledger as open_sql
    except ModuleNotFoundError as error:
        needed = f"a book in a database needs {error.name}, which is not installed"
        raise ConfigError(f"{needed}: pip install 'otel-cost[ledger]'") from error
    return open_sql(url, create=create)
