"""Archived calls in files: one call a row, with its entries and opinions in it, as JSON lines or Parquet.

A row has the columns of ``records`` by their names, ``entries`` and ``opinions`` (lists of rows of these tables,
without the call's key). Amounts are nano-USD and times UTC ns, as in the book. Files get their name when they are whole
and on the disk; ``manifest.json`` lists them with what is in them, and what it lists is never written over.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from otel_cost.errors import ConfigError, LedgerError
from otel_cost.ledger import files
from otel_cost.ledger.retention import Day

FORMATS: Final = {"jsonl": "jsonl.gz", "parquet": "parquet"}
"""Formats, and what their files' names end with."""
VERSION: Final = 1
_KIND: Final = "otel-cost-archive"
_MANIFEST: Final = "manifest.json"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """One file: its name, what it takes and has in it, and the days that are whole in it."""

    name: str
    bytes: int
    sha256: str
    days: tuple[Day, ...]

    def holds(self, day: Day) -> bool:
        return day in self.days


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a directory."""

    files: tuple[File, ...] = ()

    def holding(self, day: Day) -> File | None:
        return next((file for file in self.files if file.holds(day)), None)

    def name_for(self, month: str, form: str) -> str:
        """A name that no file of the month has yet."""
        taken = {file.name for file in self.files}
        names = (f"costs-{month}{f'.{part}' if part > 1 else ''}.{FORMATS[form]}" for part in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)


@dataclass(slots=True)
class Tally:
    """What went into a file, or came out of it: by the day the numbers of calls and entries and the sum in nano-USD;
    and a digest of every row."""

    days: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    digest: Any = field(default_factory=hashlib.sha256)

    def count(self, row: Row, day_ns: int) -> None:
        of_day = self.days.setdefault(day_ns, [0, 0, 0])
        of_day[0] += 1
        of_day[1] += len(row["entries"])
        of_day[2] += sum(entry["amount_nano"] for entry in row["entries"])
        self.digest.update(_line(row))

    def agrees(self, days: Iterable[Day]) -> bool:
        return self.days == {day.day_ns: [day.records, day.entries, day.amount_nano] for day in days}


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """While nobody else writes into ``directory``, which is made where it is missing; LedgerError if somebody does."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise LedgerError(f"{directory} cannot be used: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LedgerError(f"another process is archiving into {directory}: wait until it is done") from error
    finally:
        os.close(descriptor)


def read_manifest(directory: Path) -> Manifest:
    """The directory's manifest; an empty one where there is none.

    Raises:
        LedgerError: it cannot be read, or is of another kind.
    """
    path = directory / _MANIFEST
    try:
        told = json.loads(path.read_bytes())
        if (told["format"], told["version"]) != (_KIND, VERSION):
            raise LedgerError(f"{path} is of format {told['format']} {told['version']}, not {_KIND} {VERSION}")
        listed = [{**file, "days": tuple(Day(**day) for day in file["days"])} for file in told["files"]]
        return Manifest(tuple(File(**file) for file in listed))
    except FileNotFoundError:
        return Manifest()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{path} is no manifest of archived calls: {error}") from error


def add_to_manifest(directory: Path, manifest: Manifest, file: File) -> Manifest:
    """Write the manifest with one more file in it."""
    grown = Manifest((*manifest.files, file))
    told = {"format": _KIND, "version": VERSION, "files": [asdict(file) for file in grown.files]}

    def write(path: Path) -> None:
        path.write_text(json.dumps(told, indent=1))

    files.put(directory / _MANIFEST, write)
    return grown


def write(directory: Path, name: str, form: str, rows: Iterable[Row]) -> tuple[int, str]:
    """A new file of ``rows``; it has its name once it is whole. Returns its size and SHA-256."""
    path = directory / name
    files.put(path, lambda partial: _writer(form)(partial, rows))
    return path.stat().st_size, files.sha256(path)


def calls_in(path: Path) -> Iterator[Row]:
    """The rows of a file, in the order of the calls' starts.

    Raises:
        LedgerError: it cannot be read.
        ConfigError: it is Parquet, and pyarrow is not installed.
    """
    try:
        yield from (_parquet().read(path) if path.suffix == ".parquet" else _lines_in(path))
    except (OSError, EOFError, ValueError) as error:
        raise LedgerError(f"{path} cannot be read as an archive of calls: {error}") from error


def require_whole(directory: Path, file: File) -> None:
    """Return if ``file`` is still what the manifest says; LedgerError if not."""
    path = directory / file.name
    try:
        whole = path.stat().st_size == file.bytes and files.sha256(path) == file.sha256
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error}") from error
    if not whole:
        raise LedgerError(f"{path} is not what it was when it was written: restore it, or archive to another directory")


def require(form: str) -> None:
    """Return if files of this format can be written here; ConfigError with what to install if not."""
    _writer(form)


def _writer(form: str) -> Callable[[Path, Iterable[Row]], None]:
    return _parquet().write if form == "parquet" else _write_lines


def _parquet() -> ModuleType:
    # Only who wants Parquet needs pyarrow.
    try:
        return importlib.import_module("otel_cost.ledger.archive_parquet")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Parquet files need pyarrow, which is not installed: pip install 'otel-cost[parquet]', or use"
            " --format jsonl"
        ) from error


def _write_lines(path: Path, rows: Iterable[Row]) -> None:
    # No time in the header: the same calls make the same file.
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as file:
        for row in rows:
            file.write(_line(row))


def _lines_in(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rb") as file:
        for line in file:
            yield json.loads(line)


def _line(row: Row) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":")).encode() + b"\n"
