"""How far the import of each file got, in a small file beside the book: a run that was stopped goes on from there.

Nothing depends on it but time: calls have keys, so that a file that is read twice is booked once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from otel_cost.importing.files import RowFile, digest_of

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file.

    Attributes:
        rows: How many of its rows are done.
        read: Bytes of the file that were read for that.
        digest: Their hash: the file is another one if it begins otherwise now.
        asked: Hash of what was asked for (which book, which options).
        key: Of a call that was booked by then; a book without it is another one.
    """

    rows: int
    read: int
    digest: str
    asked: str
    key: str


class Memory:
    """The marks of all files that were imported into one book. None as path: nothing is remembered."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._marks = _read(path) if path is not None else {}

    def mark(self, file: Path, asked: str) -> Mark | None:
        """Where to go on; None where it is to be read from its beginning."""
        mark = self._marks.get(_name(file))
        if mark is None or mark.asked != asked or digest_of(file, mark.read) != mark.digest:
            return None
        return mark

    def keep(self, file: RowFile, rows: int, asked: str, key: str) -> None:
        """Raises OSError where the file of marks cannot be written."""
        if self._path is None:
            return
        self._marks[_name(file.path)] = Mark(rows, file.source.done, file.source.digest(), asked, key)
        whole = {"format": _FORMAT, "files": {name: asdict(mark) for name, mark in self._marks.items()}}
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_text(json.dumps(whole, indent=1))
        beside.replace(self._path)


def asked_for(parts: Iterable[str]) -> str:
    """The hash of what an import was asked for."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _name(file: Path) -> str:
    return str(file.absolute())


def _read(path: Path) -> dict[str, Mark]:
    try:
        whole = cast("dict[str, Any]", json.loads(path.read_text()))
        if whole["format"] != _FORMAT:
            return {}
        return {str(name): Mark(**mark) for name, mark in whole["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # there is none, or it was cut: all is read again, which changes nothing
