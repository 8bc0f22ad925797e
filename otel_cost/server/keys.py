"""Access keys: how they look, how they are made, and how a server knows one again.

A key is ``otc_<id>_<secret>``: the id is no secret (it finds the row), the secret has 256 random bits. Only the SHA-256
of the whole key is kept: there is nothing to guess in it, and a slow hash would slow down requests and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from otel_cost.labelling import MAX_LENGTH
from otel_cost.ledger.keys import SCOPE_LABELS, AccessKeys, StoredKey
from otel_cost.model import empty
from otel_cost.server.roles import Role
from otel_cost.settings_values import parse_duration

PREFIX: Final = "otc_"
"""What every key begins with, so that people and secret scanners know one when they see it."""
DEFAULT_GRACE: Final = "24h"
MAX_NAME: Final = 200
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_KEY: Final = re.compile(rf"{PREFIX}([0-9a-f]{{{2 * _ID_BYTES}}})_[0-9a-f]{{{2 * _SECRET_BYTES}}}")
_MAX_S: Final = 3650 * 86_400


class Issued(NamedTuple):
    """A new key: the only place and time where its text is."""

    text: str
    key: StoredKey


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key that is to be made.

    ``expires_s``: seconds from now on, None: never.

    Raises:
        ValueError: the name, the scope or the time makes no sense; the text says what is allowed.
    """

    name: str
    role: Role
    scope: Mapping[str, str] = field(default_factory=empty)
    expires_s: float | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        for label, value in self.scope.items():
            _check_scope(label, value)
        if self.scope and self.role is Role.ADMIN:
            raise ValueError("an admin key has no scope: it could make itself one without; use editor")


def check_name(name: str) -> str:
    """``name``, if a key can have it. Raises ValueError."""
    if not (0 < len(name) <= MAX_NAME and name.isprintable() and name.strip()):
        raise ValueError(f"a key's name has 1 to {MAX_NAME} printable characters: say what will use it")
    return name


def _check_scope(label: str, value: str) -> None:
    if label not in SCOPE_LABELS:
        raise ValueError(f"a key cannot be bound to {label!r:.80}; allowed: {', '.join(SCOPE_LABELS)}")
    if not (0 < len(value) <= MAX_LENGTH and value.isprintable()):
        raise ValueError(f"the value of {label} must have 1 to {MAX_LENGTH} printable characters")


def lifetime_s(text: str) -> float:
    """``90d``, ``24h``, ... in seconds, up to ten years.

    Raises:
        ValueError: none, not above 0, or more.
    """
    seconds = parse_duration(text)
    if not 0 < seconds <= _MAX_S:
        raise ValueError(f"{text!r} is outside of more than 0 to 3650d")
    return seconds


def grace_s(text: str) -> float:
    """How long a rotated key goes on, in seconds: ``0s`` to ten years. Raises ValueError."""
    seconds = 0.0 if text.strip() in ("0", "0s") else parse_duration(text)
    if seconds > _MAX_S:
        raise ValueError(f"{text!r} is outside of 0s to 3650d")
    return seconds


def issue(keys: AccessKeys, wanted: Wanted, *, actor: str, now_ns: int) -> Issued:
    """Make a key and store what is kept of it. Raises LedgerError."""
    expires_ns = None if wanted.expires_s is None else now_ns + round(wanted.expires_s * 10**9)
    issued = _new(wanted.name, str(wanted.role), wanted.scope, now_ns, expires_ns)
    keys.add(issued.key, actor=actor)
    return issued


def rotate(keys: AccessKeys, key_id: str, grace: float, *, actor: str, now_ns: int) -> Issued | None:
    """Make a key that may what ``key_id`` may, which ends ``grace`` seconds from now; the new one lives as long as the
    old one was made for. None where there is no valid key of that id. Raises LedgerError."""
    old = keys.find(key_id)
    if old is None:
        return None
    lives_ns = None if old.expires_ns is None else max(old.expires_ns - old.created_ns, 1)
    expires_ns = None if lives_ns is None else now_ns + lives_ns
    issued = _new(old.name, old.role, old.scope, now_ns, expires_ns)
    ended = keys.rotate(key_id, issued.key, until_ns=now_ns + round(grace * 10**9), actor=actor)
    return None if ended is None else issued


def _new(name: str, role: str, scope: Mapping[str, str], now_ns: int, expires_ns: int | None) -> Issued:
    key_id = secrets.token_hex(_ID_BYTES)
    text = f"{PREFIX}{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    key = StoredKey(key_id, name, digest(text), role, now_ns, dict(scope), expires_ns)
    return Issued(text, key)


def digest(text: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def id_of(text: str) -> str:
    """The id that a key names; empty where ``text`` is none."""
    found = _KEY.fullmatch(text)
    return found[1] if found is not None else ""


def is_it(key: StoredKey | None, hashed: str) -> bool:
    """Whether a key's digest is that of ``key``; takes as long where there is none."""
    return (
        hmac.compare_digest((key.hash if key is not None else _NO_HASH).encode(), hashed.encode()) and key is not None
    )


_NO_HASH: Final = "0" * 64
