"""The settings of the book: where an app writes it by itself, and how ``otel-cost serve`` keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from otel_cost.settings_values import check_ledger_url, parse_duration

_FORBID: Final = {"extra": "forbid"}


@dataclass(frozen=True)
class LedgerSettings:
    """The book that an app writes by itself. Not needed where its spans go to ``otel-cost serve``."""

    __pydantic_config__: ClassVar = _FORBID
    url: str = ""
    """``jsonl:logs/costs.jsonl`` (``jsonl:`` alone is ``logs/cost-tracking.jsonl``), ``sqlite:///book.db``, or
    ``postgresql://...``. Empty: the app writes no book. ``OTEL_COST_LEDGER`` is short for it."""
    batch_size: int = 50
    """Records that are written together at most."""
    batch_age: str = "5s"
    """How long a record may wait for others before it is written: what a killed process loses at most."""
    queue_size: int = 20_000
    """Records that wait in memory at most; what comes beyond goes to the spool."""
    spool: Path | None = None
    """Directory where records wait while the book cannot be written; None: beside a book that is a file, else
    ``otel-cost-spool`` in the working directory."""
    spool_bytes: int = 256 * 2**20
    """Most that the spool may hold. What does not fit is dropped, and counted by number and USD."""
    rotate_bytes: int = 100 * 2**20
    """Size at which a JSONL file is put aside and a new one begun."""
    export_on_exit: Path | None = None
    """File that gets the sums of this process when it ends, JSON or CSV by its name. ``OTEL_COST_EXPORT_ON_EXIT``."""

    def __post_init__(self) -> None:
        check_ledger_url(self.url)
        if not 1 <= self.batch_size <= 10_000:
            raise ValueError(f"batch_size is {self.batch_size}; allowed: 1 to 10000")
        if not 0.01 <= parse_duration(self.batch_age) <= 3600:
            raise ValueError(f"batch_age is {self.batch_age}; allowed: 10ms to 1h")
        if not self.batch_size <= self.queue_size <= 1_000_000:
            raise ValueError(f"queue_size is {self.queue_size}; allowed: batch_size to 1000000")
        if self.spool_bytes < 2**20 or self.rotate_bytes < 2**20:
            raise ValueError("spool_bytes and rotate_bytes must be 1048576 (1 MiB) or more")
        if self.export_on_exit is not None and self.export_on_exit.suffix not in (".json", ".csv"):
            raise ValueError(f"export_on_exit is {str(self.export_on_exit)!r}; its name must end in .json or .csv")


@dataclass(frozen=True)
class ServerSettings:
    """``otel-cost serve``."""

    __pydantic_config__: ClassVar = _FORBID
    host: str = "127.0.0.1"
    """The address that it listens on. Another one than loopback needs keys: see docs/keys.md."""
    port: int = 4319
    """The port that it listens on; 0: any free one."""
    database: str = "sqlite:///otel-cost.db"
    """SQLAlchemy URL of the ledger."""
    max_body_bytes: int = 20 * 2**20
    """Largest request body, compressed and decompressed."""
    key: str = field(default="", repr=False)
    """A key of role admin that is not in the database, to begin with and for emergencies. Best set as
    ``OTEL_COST_SERVER_KEY``."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the API, for instance ``https://costs.example.com``. None by default."""
    rate_limit: int = 0
    """Requests that one key (without keys: one address) may make in a minute, OTLP and the budget store aside; 0: as
    many as it likes."""
    retention: str = "off"
    """How long calls stay in the book one by one, for instance ``400d``; their sums stay. ``off``: for good."""
    archive: Path | None = None
    """Directory that ``retention`` puts calls into, as ``otel-cost archive`` does, before they leave the book. None:
    they are given up."""
    log_format: str = "text"
    """``text``, or ``json``: one object a line."""

    def __post_init__(self) -> None:
        if self.key and not (len(self.key) >= 16 and self.key.isascii() and self.key.isprintable()):
            raise ValueError("key must be 16 ASCII characters or more, none of them a control character")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; allowed: 0 (any free one) to 65535")
        if self.max_body_bytes < 1024:
            raise ValueError("max_body_bytes must be at least 1024")
        for origin in self.cors_origins:
            if not origin.startswith(("http://", "https://")) or origin.endswith("/"):
                raise ValueError(f"cors_origins: {origin!r} is no origin; write for instance https://costs.example.com")
        if not 0 <= self.rate_limit <= 1_000_000:
            raise ValueError(f"rate_limit is {self.rate_limit}; allowed: 0 (none) to 1000000 requests a minute")
        if self.retention != "off" and parse_duration(self.retention) < 86_400:
            raise ValueError(f"retention is {self.retention}; allowed: off, or a day and more, for instance 400d")
        if self.log_format not in ("text", "json"):
            raise ValueError(f"log_format is {self.log_format!r}; allowed: text, json")
