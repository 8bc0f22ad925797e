"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from otel_cost.errors import LedgerError


def put(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a file beside ``path``, which gets its name once it is on the disk. What a killed process left
    half done is written over.

    Raises:
        LedgerError: it cannot be written; nothing is there then but what was before.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        write(partial)
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise LedgerError(f"{path} cannot be written: {error}") from error


def sha256(path: Path) -> str:
    """In hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
