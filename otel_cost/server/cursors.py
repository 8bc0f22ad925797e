"""Where the next page of calls begins, as text that clients hand back as it is.

It carries the period as it was when the first page was asked for, so that a list that began ten minutes ago does not
slide, and a sum over the filters, so that it is not taken for another list's. It gives no access: the scope of a key is
looked at for every page.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self

from otel_cost.ledger.base import MAX_STORED
from otel_cost.server.problems import BadRequest

_VERSION: Final = 1
_SUM_BYTES: Final = 12
MAX_LENGTH: Final = 1200


@dataclass(frozen=True, slots=True)
class Cursor:
    """The period of the list (UTC ns), and the (start, key) of the last call of the page before."""

    from_ns: int
    to_ns: int
    after: tuple[int, str]

    def text(self, question: Mapping[str, str]) -> str:
        """For a list that ``question`` (its filters, and how its period was said) tells from others."""
        body = json.dumps([_VERSION, self.from_ns, self.to_ns, *self.after], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(_sum(body, question) + body).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, question: Mapping[str, str]) -> Self:
        """Raises BadRequest for what is no cursor, or another list's."""
        try:
            raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
            found, body = raw[:_SUM_BYTES], raw[_SUM_BYTES:]
            if found != _sum(body, question):
                raise BadRequest("cursor", "not the next page of this list: filters and period must be the same")
            _, from_ns, to_ns, start_ns, key = json.loads(body)
            if not all(isinstance(at, int) and 0 <= at <= MAX_STORED for at in (from_ns, to_ns, start_ns)):
                raise ValueError("a time that no book has")
            key = str(key)
            key.encode()  # half a character is in no book's keys, and no database takes it
        except (ValueError, TypeError, RecursionError, binascii.Error) as error:
            raise BadRequest("cursor", "not a cursor: hand back next_cursor as it was") from error
        return cls(min(from_ns, to_ns), to_ns, (start_ns, key.replace("\0", "")))


def _sum(body: bytes, question: Mapping[str, str]) -> bytes:
    said = json.dumps(sorted(question.items())).encode()
    return blake2b(body + b"\0" + said, digest_size=_SUM_BYTES, person=b"otel-cost/cursor").digest()
