"""Files to rows, one in memory at a time: JSON Lines, a JSON array or document, CSV; plain or gzip.

What a file is shows in its first bytes. Text is UTF-8.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, NoReturn, Self, cast

MAX_ROW: Final = 64 * 2**20
"""Bytes of one row at most: a line, an element of an array, or a document that is one JSON object."""
_CHUNK: Final = 2**16
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = " \t\r\n"


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        place: Its line, from 1; in an array or a document the number of the element.
        value: JSON as it stands there (a line, a document), or what was read of it. None where it cannot be.
        problem: Why not.
        torn: The file ends in the middle of it, perhaps because it is still written.
    """

    place: int
    value: bytes | Mapping[str, object] | None
    problem: str = ""
    torn: bool = False


class Digested(io.RawIOBase):
    """A file that is read from its beginning, and the hash of what was read of it so far."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._sha256 = hashlib.sha256()
        self.done = 0
        """Bytes that were read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what io calls it with
        count = self._file.readinto(buffer) or 0
        self._sha256.update(memoryview(buffer)[:count])
        self.done += count
        return count

    def digest(self) -> str:
        return self._sha256.hexdigest()

    def close(self) -> None:
        self._file.close()
        super().close()


def digest_of(path: Path, length: int) -> str:
    """The hash of the first ``length`` bytes of a file; of all of it where it is shorter."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0 and (some := file.read(min(length, 2**20))):
            sha256.update(some)
            length -= len(some)
    return sha256.hexdigest()


class RowFile:
    """A file that is open for reading. ``source.done`` of its ``size`` bytes were read so far.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.source = Digested(path)
        start = io.BufferedReader(self.source, _CHUNK)
        packed = start.peek(2)[:2] == _GZIP
        unpacked: io.RawIOBase = cast("io.RawIOBase", gzip.GzipFile(fileobj=start))
        self._stream = io.BufferedReader(unpacked, _CHUNK) if packed else start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self.source.close()

    def rows(self) -> Iterator[Row]:
        """Every row, in order. What cannot be read of a file is a row with a problem; such a one may be the last."""
        place = 0
        try:
            for row in self._by_shape():
                place = row.place
                yield row
        except (OSError, EOFError) as error:  # of gzip: what it holds is damaged, or cut
            yield Row(place + 1, None, f"the file cannot be read any further: {error}", torn=True)

    def _by_shape(self) -> Iterator[Row]:
        head = self._stream.peek(_CHUNK).removeprefix(_BOM)
        start = head.lstrip()
        if start.startswith(b"["):
            return _elements(self._text())
        if not start.startswith(b"{"):
            return _cells(self._text())
        line, newline, _ = start.partition(b"\n")
        return _document(self._stream) if newline and not _is_json(line) and _goes_on(line) else _lines(self._stream)

    def _text(self) -> IO[str]:
        return io.TextIOWrapper(self._stream, encoding="utf-8-sig", errors="replace", newline="")


def parse(text: str | bytes) -> object:
    """JSON, with numbers as they were written (``Decimal`` where they have a fraction or an exponent).

    Raises:
        ValueError: it is none; also where it nests too deeply, or has NaN or Infinity.
    """
    try:
        return _DECODER.decode(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def _is_json(line: bytes) -> bool:
    try:
        parse(line)
    except ValueError:
        return False
    return True


def _goes_on(line: bytes) -> bool:
    """Whether a line that is no JSON looks like the beginning of an object that was printed over several lines."""
    return line.strip() == b"{" or line.rstrip().endswith((b"{", b"[", b","))


# --- shapes -----------------------------------------------------------------------------------------------------------


def _lines(stream: IO[bytes]) -> Iterator[Row]:
    number = 0
    while line := stream.readline(MAX_ROW + 1):
        number += 1
        if len(line) > MAX_ROW and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_CHUNK)
            yield Row(number, None, f"the line is longer than {MAX_ROW} bytes")
        elif line.strip():
            yield Row(number, line, torn=not line.endswith(b"\n"))


def _document(stream: IO[bytes]) -> Iterator[Row]:
    whole = stream.read(MAX_ROW + 1)
    if len(whole) > MAX_ROW:
        problem = f"one JSON object of more than {MAX_ROW} bytes; write one object a line, for instance with jq -c"
        yield Row(1, None, problem)
    else:
        yield Row(1, whole)


def _elements(text: IO[str]) -> Iterator[Row]:
    """The elements of an array. After one that is no JSON nobody knows where the next begins: it is the last."""
    buffer, at, number = text.read(_CHUNK), 0, 0
    at = buffer.index("[") + 1
    while True:
        at = _skip(buffer, at, _BLANK + ",")
        if buffer[at : at + 1] == "]":
            return
        try:
            value, end = _DECODER.raw_decode(buffer, at)
        except (ValueError, RecursionError) as error:
            left = len(buffer) - at
            more = text.read(max(_CHUNK, left)) if left <= MAX_ROW else ""
            if not more:
                yield Row(
                    number + 1,
                    None,
                    f"it is no JSON, and where the next one begins is not known: {error}"
                    if left
                    else "the array does not end",
                )
                return
            buffer, at = buffer[at:] + more, 0
            continue
        number, at = number + 1, end
        if isinstance(value, dict):
            yield Row(number, cast("dict[str, object]", value))
        else:
            yield Row(number, None, "it is no JSON object")


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _cells(text: IO[str]) -> Iterator[Row]:
    csv.field_size_limit(MAX_ROW)
    reader = csv.DictReader(text, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield Row(reader.line_num, None, f"it is no CSV: {error}")
            continue
        if row is None:
            return
        if None in row or None in row.values():
            yield Row(reader.line_num, None, f"it has not the {len(reader.fieldnames or ())} cells of the first line")
        else:
            yield Row(reader.line_num, cast("dict[str, object]", row))
