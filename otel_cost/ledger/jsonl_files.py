"""The files of a JSONL book: one that is appended to, and those that were put aside when they were full.

``costs.jsonl`` is the one that is written; ``costs.jsonl.000001`` and so on are full, in that order. A batch is
appended whole or not at all, by one process at a time (``flock`` on the file), and is on the disk when that returns.
What a process or a machine that died left half written is a line of its own, which readers leave out.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from otel_cost.errors import LedgerError

MODE: Final = 0o600
"""Of the files: who called which model when is not for everybody on a machine."""
_DIGITS: Final = 6
_HEAD: Final = 128


class _Position(NamedTuple):
    """How far a file was read, and its first bytes: a number of an inode is used again once its file is gone."""

    offset: int
    head: bytes


class Appended(NamedTuple):
    """Where lines went: the file's device and inode, from which byte to which, and the file's first bytes."""

    which: tuple[int, int]
    start: int
    end: int
    head: bytes


class JsonlFiles:
    """The files of the book at ``path``. Safe from any thread, and from several processes.

    Args:
        path: The file that is written; relative ones start at the working directory as it is now.
        rotate_bytes: Size beyond which a file does not grow.
    """

    def __init__(self, path: Path, rotate_bytes: int) -> None:
        self.path = path.absolute()
        self._rotate_bytes = rotate_bytes

    def exist(self) -> bool:
        return self.path.exists() or bool(self._put_aside())

    @contextmanager
    def writing(self) -> Iterator[int]:
        """The file to append to, made where missing, with nobody else writing meanwhile.

        Raises:
            LedgerError: it cannot be opened or written.
        """
        try:
            with self._locked(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as descriptor:
                yield descriptor
        except OSError as error:
            raise LedgerError(f"the ledger at {self.path} cannot be written: {error.strerror or error}") from error

    def append(self, lines: bytes) -> None:
        """Append whole lines, all or none, and wait until they are on the disk. Raises as :meth:`writing`."""
        with self.writing() as descriptor:
            self.append_to(descriptor, lines)

    def append_to(self, descriptor: int, lines: bytes) -> Appended:
        """As :meth:`append`, within :meth:`writing`. Raises OSError."""
        size = os.fstat(descriptor).st_size
        if size and size + len(lines) > self._rotate_bytes:
            os.rename(self.path, self._next_aside())
            with self._locked(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as fresh:
                return self.append_to(fresh, lines)
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        try:
            _write_all(descriptor, b"\n" + lines if torn else lines)
            os.fdatasync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        status = os.fstat(descriptor)
        return Appended((status.st_dev, status.st_ino), size, status.st_size, os.pread(descriptor, _HEAD, 0))

    @contextmanager
    def _locked(self, flags: int, how: int) -> Iterator[int]:
        """The current file, locked; another one than was opened where it has been put aside meanwhile."""
        while True:
            descriptor = self._open(flags)
            try:
                fcntl.flock(descriptor, how)
                if _is_at(descriptor, self.path):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)  # and with it the lock

    def _open(self, flags: int) -> int:
        try:
            return os.open(self.path, flags, MODE)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, flags, MODE)

    def _put_aside(self) -> list[Path]:
        found = [
            each
            for each in self.path.parent.glob(f"{_escaped(self.path.name)}.{'[0-9]' * _DIGITS}*")
            if each.suffix[1:].isdecimal()
        ]
        return sorted(found, key=lambda each: int(each.suffix[1:]))

    def _next_aside(self) -> Path:
        last = self._put_aside()[-1:]
        number = int(last[0].suffix[1:]) + 1 if last else 1
        return self.path.with_name(f"{self.path.name}.{number:0{_DIGITS}}")

    @contextmanager
    def opened_for_reading(self, locked: int | None = None) -> Iterator[list[tuple[BinaryIO, int]]]:
        """All files, oldest first, and the size up to which each is whole.

        Args:
            locked: The descriptor of :meth:`writing`, by whoever is within it.
        """
        with ExitStack() as stack:
            yield self._all_open(stack) if locked is not None else self._all_open_while_nobody_writes(stack)

    def _all_open_while_nobody_writes(self, stack: ExitStack) -> list[tuple[BinaryIO, int]]:
        try:
            with self._locked(os.O_RDONLY, fcntl.LOCK_SH):
                return self._all_open(stack)
        except FileNotFoundError:
            return self._all_open(stack)  # nothing is written yet, or all was put aside

    def _all_open(self, stack: ExitStack) -> list[tuple[BinaryIO, int]]:
        opened: list[tuple[BinaryIO, int]] = []
        for path in (*self._put_aside(), self.path):
            if path.exists():
                file = stack.enter_context(path.open("rb"))
                opened.append((file, os.fstat(file.fileno()).st_size))
        return opened


class JsonlReader:
    """Reads on where it left off, across files that are put aside meanwhile. Not thread-safe by itself."""

    def __init__(self, files: JsonlFiles) -> None:
        self._files = files
        self._positions: dict[tuple[int, int], _Position] = {}

    def new_lines(self, locked: int | None = None) -> Iterator[bytes]:
        """Whole lines that were not read before, in the order of the book. ``locked`` as for the files' own.

        Raises:
            LedgerError: a file cannot be read.
        """
        try:
            with self._files.opened_for_reading(locked) as opened:
                for file, size in opened:
                    yield from self._lines_of(file, size)
        except OSError as error:
            raise LedgerError(f"the ledger at {self._files.path} cannot be read: {error.strerror or error}") from error

    def skip(self, appended: Appended) -> bool:
        """Take what was just appended for read. False where something is before it that was not."""
        known = self._positions.get(appended.which)
        if appended.start != (known.offset if known is not None else 0):
            return False
        self._positions[appended.which] = _Position(appended.end, appended.head[: appended.end])
        return True

    def _lines_of(self, file: BinaryIO, size: int) -> Iterator[bytes]:
        status = os.fstat(file.fileno())
        which = (status.st_dev, status.st_ino)
        known = self._positions.get(which)
        offset = known.offset if known is not None and file.read(len(known.head)) == known.head else 0
        file.seek(offset)
        while offset < size and (line := file.readline()).endswith(b"\n"):
            offset += len(line)
            yield line
        head = os.pread(file.fileno(), min(offset, _HEAD), 0)
        self._positions[which] = _Position(offset, head)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that ``path`` names now."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _escaped(name: str) -> str:
    """A name as a pattern that matches it alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
