"""What this process spent, into a file when it ends: sums by provider, model and status, for whoever wants no more.

The file is written whole or not at all. A process never takes away another's: children of a fork, and those that
``multiprocessing`` starts, write beside it, with their process id in the name (``costs.4711.json``), if they made any
call; and so does a process that finds a file which was written since it began.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from otel_cost import semconv, shield
from otel_cost.ending import at_end
from otel_cost.forking import after_fork_in_child, at_end_of_child
from otel_cost.model import NANO, CostRecord, Status, Void

_AT_END_S: Final = 5.0
"""How long the end of the process may wait for calls that have no price yet."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = ("provider", "model", "status", "calls", "usd", "input_tokens", "output_tokens")
_FORMULA: Final = ("=", "+", "-", "@")
_log = logging.getLogger(semconv.LOGGER)


class _Sums(NamedTuple):
    """Sums over some calls, ``nano`` in nano-USD."""

    calls: int = 0
    nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(*map(sum, zip(self, other, strict=True)))

    def shown(self) -> dict[str, object]:
        return {
            "calls": self.calls,
            "usd": f"{self.nano // NANO}.{self.nano % NANO:09}",
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }


_NONE: Final = _Sums()


class ExitExport:
    """A taker that sums up and writes ``path`` (``.json`` or ``.csv``) as the process ends. Thread-safe.

    Args:
        path: Relative ones start at the working directory as it is now.
        settle: Called before, with seconds that it may take: whatever still waits is to be taken.
        clock_ns: UTC nanoseconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        settle: Callable[[float], object] = lambda _: None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path.absolute()
        self._settle = settle
        self._clock_ns = clock_ns
        self._main = _is_main()
        self._begin()
        after_fork_in_child(self._after_fork_in_child)
        at_end_of_child(self._at_end)
        at_end(self._at_end)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may end a span in the middle of it
        self._began_ns = self._clock_ns()
        self._sums: dict[tuple[str, str, str], _Sums] = {}
        self._written: Path | None = None

    def _after_fork_in_child(self) -> None:
        self._main = False
        self._begin()

    def take(self, record: CostRecord) -> None:
        """Add a call. Tokens of wrappers and duplicates are another's."""
        status = record.charge.status
        own = record.usage is not None and status not in (Status.WRAPPER, Status.DUPLICATE)
        counts = record.usage.counts if own and record.usage is not None else {}
        nano = record.charge.amount_nano if status.counted else 0
        added = _Sums(1, nano, counts.get("input_tokens", 0), counts.get("output_tokens", 0))
        key = (record.provider, record.model, status.value)
        with self._lock:
            self._sums[key] = self._sums.get(key, _NONE).plus(added)

    def void(self, void: Void) -> None:
        """In process nothing is ever voided."""

    def flush(self, timeout_s: float) -> bool:
        """Nothing waits here."""
        return True

    def write(self) -> Path | None:
        """Write the file now, over what this process wrote before; its path, or None where there is nothing to say: in
        a child without calls.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            sums = dict(sorted(self._sums.items()))
            if not sums and not self._main:
                return None
            path = self._written or self._free_path()
            text = self._as_csv(sums) if path.suffix == ".csv" else self._as_json(sums)
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, text)
            self._written = path
        return path

    def _free_path(self) -> Path:
        """The file's path; with the process id where it is another process's."""
        try:
            taken = self._path.stat().st_mtime_ns >= self._began_ns
        except FileNotFoundError:
            taken = False
        return self._path.with_stem(f"{self._path.stem}.{os.getpid()}") if taken or not self._main else self._path

    def _as_json(self, sums: dict[tuple[str, str, str], _Sums]) -> str:
        groups = [
            {"provider": provider, "model": model, "status": status, **found.shown()}
            for (provider, model, status), found in sums.items()
        ]
        told = {"from": _iso(self._began_ns), "to": _iso(self._clock_ns()), "process": os.getpid()}
        return json.dumps({**told, "total": _total(sums).shown(), "groups": groups}, indent=2) + "\n"

    def _as_csv(self, sums: dict[tuple[str, str, str], _Sums]) -> str:
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(_FIELDS)
        for group, found in sums.items():
            rows.writerow((*map(_cell, group), *found.shown().values()))
        rows.writerow(("total", "", "", *_total(sums).shown().values()))
        return out.getvalue()

    def _at_end(self) -> None:
        shield.run("export on exit", None, self._settle, _AT_END_S)
        try:
            self.write()
        except OSError as error:
            _log.error("the sums of this process cannot be written to %s: %s", self._path, error)


def _total(sums: dict[tuple[str, str, str], _Sums]) -> _Sums:
    total = _NONE
    for found in sums.values():
        total = total.plus(found)
    return total


def _is_main() -> bool:
    process = sys.modules.get("multiprocessing.process")
    return process is None or process.parent_process() is None


def _replace(path: Path, text: str) -> None:
    """Make ``path`` have ``text``, for its owner alone; at no time less than all of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _cell(text: str) -> str:
    """A name for a spreadsheet: it came over the network, and must be neither a formula nor a row of its own."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def _iso(at_ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat().replace("+00:00", "Z")
