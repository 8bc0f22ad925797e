"""Overhearing the body of a raw response while the app reads it, in whatever way it likes.

Under an SDK that traces itself the body's end is the last moment at which its span is open: afterwards, when the app
has the answer, there is nothing left to write to.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, Final, NamedTuple, cast

from otel_cost_instrumentation._stand_in import StandIn

_LARGEST: Final = 16 * 2**20
"""Bytes, as they come; of a larger body nothing is kept. A usual answer has a few thousand."""


class Wire(NamedTuple):
    """A whole body as it came, perhaps compressed, and what it takes to read it. Holds no response: the response will
    hold who hears of this."""

    response: type
    status: int
    headers: object
    body: bytes

    def decoded(self) -> object | None:
        """The JSON in it; None where it is none."""
        try:
            return cast("object", json.loads(self.content()))
        except (RuntimeError, ValueError):
            return None

    def content(self) -> bytes:
        """The body, unpacked: the library's own response undoes what its headers say, with the codecs that are there.

        Raises:
            RuntimeError: it cannot.
        """
        return cast("bytes", self.response(self.status, headers=self.headers, content=self.body).content)


def overhear(raw: object, heard: Callable[[Wire], object], kinds: str = "json") -> None:
    """Have ``heard`` called when the app has read the last byte of an unread body whose content type has ``kinds`` in
    it. It must not raise. Bodies that are read already, and empty and very large ones, are left alone."""
    response = cast("Any", raw).http_response
    if not response.is_closed and kinds in response.headers.get("content-type", ""):
        head = Wire(type(response), response.status_code, response.headers, b"")
        response.stream = _Overheard(response.stream, lambda body: heard(head._replace(body=body)))


class _Overheard(StandIn):
    """A stream of bytes, sync or async as the one that it stands for."""

    __slots__ = ("_self_heard", "_self_kept", "_self_seen")

    def __init__(self, wrapped: object, heard: Callable[[bytes], object]) -> None:
        super().__init__(wrapped)
        self._self_heard = heard
        self._self_kept = bytearray()
        self._self_seen = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.__wrapped__:
            self._self_keep(part)
            yield part
        self._self_end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self.__wrapped__)
        try:
            async for part in parts:
                self._self_keep(part)
                yield part
        finally:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()
        self._self_end()

    def _self_keep(self, part: bytes) -> None:
        self._self_seen += len(part)
        if self._self_seen <= _LARGEST:
            self._self_kept += part
        else:
            self._self_kept.clear()

    def _self_end(self) -> None:
        if self._self_kept:
            self._self_heard(bytes(self._self_kept))
