"""One file of a spool: batches one after the other, each with its length and checksum, synced as it is written.

A file belongs to whoever has it locked (``flock``); the lock ends with its process, however that ends. What is torn at
the end was never acknowledged. Where something in the middle is damaged, reading goes on at the next batch that begins.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otel_cost.errors import OtelCostError
from otel_cost.ledger.jsonl_rows import record_from_json, record_to_json, void_from_json, void_to_json
from otel_cost.model import CostRecord, Void

SUFFIX: Final = ".spool"
_UNLOCKED: Final = ".new"
_MAGIC: Final = b"\xf0OCB"
"""Before every batch. Batches are ASCII, so that it is in none of them."""
_HEADER: Final = struct.Struct(">4sII")
_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Batch:
    """Records and voids that are booked together. ``damaged``: how many of them could not be read back."""

    records: tuple[CostRecord, ...]
    voids: tuple[Void, ...] = ()
    damaged: int = 0

    @property
    def size(self) -> int:
        return len(self.records) + len(self.voids)

    @property
    def nano(self) -> int:
        """What it comes to, in nano-USD."""
        return sum(record.charge.amount_nano for record in self.records if record.charge.status.counted)


def framed(batch: Batch) -> bytes:
    """A batch as bytes, with its length and checksum."""
    payload = json.dumps(
        {"records": list(map(record_to_json, batch.records)), "voids": list(map(void_to_json, batch.voids))},
        separators=(",", ":"),
        allow_nan=False,
    ).encode()
    return _HEADER.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


@dataclass(frozen=True, slots=True)
class Frame:
    """What is at one place of a file: a batch, or None where it is damaged; and where the next begins."""

    batch: Batch | None
    end: int


class SpoolFile:
    """A file that this process has locked. Not thread-safe by itself."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.offset = 0
        """Up to where it was replayed."""

    @classmethod
    def make(cls, path: Path) -> SpoolFile:
        """A new one. Raises OSError."""
        # Under another name until it is locked: whoever looks for what was left behind would take it, and remove it.
        unlocked = path.with_name(path.name + _UNLOCKED)
        descriptor = os.open(unlocked, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, _MODE)
        made = cls(unlocked, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.path = made.path.rename(path)
            _sync_directory(path.parent)
        except OSError:
            made.remove()
            raise
        return made

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """One that somebody left behind; None where it has an owner, or is gone. Raises OSError."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink == 0:  # its owner was just through with it
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    @property
    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def append(self, frame: bytes) -> None:
        """Write all of it and wait until it is on the disk, or leave the file as it was. Raises OSError."""
        size = self.size
        try:
            rest = memoryview(frame)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise

    def next(self) -> Frame | None:
        """What is at :attr:`offset`; None at the end, or where only a torn batch is left. Raises OSError."""
        header = os.pread(self._descriptor, _HEADER.size, self.offset)
        if len(header) == _HEADER.size:
            magic, length, checksum = _HEADER.unpack(header)
            end = self.offset + _HEADER.size + length
            if magic == _MAGIC and end <= self.size:
                payload = os.pread(self._descriptor, length, self.offset + _HEADER.size)
                if zlib.crc32(payload) == checksum:
                    return Frame(_batch_of(payload), end)
        following = self._find(self.offset + 1)
        return None if following is None else Frame(None, following)

    def _find(self, start: int) -> int | None:
        """Where the next batch seems to begin, from ``start`` on."""
        step, kept = 1 << 20, len(_MAGIC) - 1
        while chunk := os.pread(self._descriptor, step + kept, start):
            found = chunk.find(_MAGIC)
            if found >= 0:
                return start + found
            start += step
        return None

    def remove(self) -> None:
        """Delete it, and let it go."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let it go: another process may take it over."""
        os.close(self._descriptor)


def _batch_of(payload: bytes) -> Batch | None:
    """The batch; without records of a later release that this one cannot read. None where nothing can be read."""
    try:
        found = json.loads(payload)
        records, voids = found["records"], found["voids"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    read_records = tuple(record for record in map(_record_of, records) if record is not None)
    read_voids = tuple(void for void in map(_void_of, voids) if void is not None)
    return Batch(read_records, read_voids, len(records) + len(voids) - len(read_records) - len(read_voids))


def _record_of(found: dict[str, Any]) -> CostRecord | None:
    try:
        return record_from_json(found)
    except (ValueError, OtelCostError):
        return None


def _void_of(found: dict[str, Any]) -> Void | None:
    try:
        return void_from_json(found)
    except (ValueError, KeyError, TypeError):
        return None


def _sync_directory(directory: Path) -> None:
    """A file that was just made is found after a power cut as well."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
