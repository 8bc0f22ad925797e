"""Where batches wait on the disk while the book cannot be written.

A directory of files, each of one process at a time. They are replayed oldest first when the book can be written
again, by whoever wrote them, or, if that process is gone, by the next that comes by. Replaying twice changes nothing,
since booking twice does not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_cost import semconv
from otel_cost.ledger.spool_files import SUFFIX, Batch, SpoolFile, framed

_FILE_BYTES: Final = 8 * 2**20
"""Beyond this a new file is begun, so that what is replayed makes room soon."""
_log = logging.getLogger(semconv.LOGGER)


class Spool:
    """Safe from any thread. Several processes may have one over the same directory.

    Args:
        directory: Made at the first batch that has to wait.
        max_bytes: What its files may come to, those of other processes too. (Each of them looks before it writes, so
            that processes which write at the same moment may each add one batch more.)
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.directory = directory.absolute()
        self.max_bytes = max_bytes
        self._clear()

    def _clear(self) -> None:
        self._lock = threading.RLock()  # the handler of a signal may end the process in the middle of it
        self._replaying = threading.Lock()
        self._own: deque[SpoolFile] = deque()
        self._adopted: SpoolFile | None = None
        self._made = 0
        self.waiting = 0
        """Records and voids of this process that are in it."""
        self.damaged = 0
        """Places in files that could not be read back: of how many records is not known."""

    def forget(self) -> None:
        """In a forked child: what is in it is its parent's. Nothing is unlocked, since the parent still has it open."""
        files = [*self._own, *([self._adopted] if self._adopted is not None else [])]
        self._clear()
        for file in files:
            file.close()

    def put(self, batch: Batch) -> bool:
        """Write a batch and wait until it is on the disk. False where it does not fit, or cannot be written."""
        frame = framed(batch)
        with self._lock:
            try:
                self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                if self._bytes() + len(frame) > self.max_bytes:
                    return False
                self._file().append(frame)
            except OSError as error:
                _log.debug("nothing can be written to %s: %s", self.directory, error)
                return False
            self.waiting += batch.size
            return True

    def _file(self) -> SpoolFile:
        if not self._own or self._own[-1].size >= _FILE_BYTES:
            self._made += 1
            name = f"{time.time_ns():020}-{os.getpid()}-{self._made}{SUFFIX}"
            self._own.append(SpoolFile.make(self.directory / name))
        return self._own[-1]

    def _bytes(self) -> int:
        total = 0
        for path in self._paths():
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def _paths(self) -> list[Path]:
        """All files, oldest first."""
        return sorted(self.directory.glob(f"*{SUFFIX}"))

    def anything(self) -> bool:
        """Whether there may be something to replay: of this process, or left behind by another."""
        with self._lock:
            return bool(self._own) or bool(self._paths())

    def replay(self, book: Callable[[Batch], None]) -> None:
        """Hand every batch to ``book``, oldest first, and delete what it took.

        What ``book`` raises ends it; that batch and those after it stay. Files that cannot be read are left alone.
        """
        with self._replaying:
            with self._lock:
                own = {file.path: file for file in self._own}
            # Its own are open: they are replayed also where somebody has cleared the directory.
            for path in sorted({*own, *self._paths()}):
                if path in own:
                    self._replay_own(own[path], book)
                else:
                    self._replay_left_behind(path, book)

    def _replay_own(self, file: SpoolFile, book: Callable[[Batch], None]) -> None:
        while True:
            with self._lock:  # not while it is booked: what comes meanwhile is appended
                frame = file.next()
                if frame is None:
                    self._own.remove(file)
                    file.remove()
                    if not self._own:
                        self.waiting = 0  # damaged batches, too: nobody waits for them any more
                    return
            if frame.batch is not None:
                book(frame.batch)
                self._tell_damaged(file.path, frame.batch.damaged)
            else:
                self._tell_damaged(file.path, 1)
            with self._lock:
                file.offset = frame.end
                self.waiting -= frame.batch.size + frame.batch.damaged if frame.batch is not None else 0

    def _replay_left_behind(self, path: Path, book: Callable[[Batch], None]) -> None:
        try:
            file = SpoolFile.adopt(path)
        except OSError as error:
            _log.warning("%s holds costs that wait for the book, and cannot be opened: %s", path, error)
            return
        if file is None:
            return
        self._adopted = file
        done = False
        try:
            while (frame := file.next()) is not None:
                if frame.batch is not None:
                    book(frame.batch)
                self._tell_damaged(path, 1 if frame.batch is None else frame.batch.damaged)
                file.offset = frame.end
            done = True
        finally:
            self._adopted = None
            if done:
                file.remove()
            else:
                file.close()

    def _tell_damaged(self, path: Path, places: int) -> None:
        if places:
            self.damaged += places
            _log.error("%s is damaged: %d places in it cannot be read, the rest is booked", path, places)
