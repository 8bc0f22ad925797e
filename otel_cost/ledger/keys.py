"""Access keys in the book's database: what they may do, and the hash of their secret. No row is ever taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, and_, insert, not_, or_, select, update

from otel_cost.ledger import rows
from otel_cost.ledger.audit import Audited, note
from otel_cost.ledger.questions import LABEL_COLUMNS
from otel_cost.ledger.schema import access_keys, records
from otel_cost.ledger.sql import SqlLedger
from otel_cost.model import empty

SCOPE_LABELS: Final = LABEL_COLUMNS
"""Labels that a key can be bound to: those that every answer of the book can be narrowed to."""
USED_EVERY_NS: Final = 60 * 10**9
"""How often it is written down at most that a key was used."""
_KEYS_A_QUERY: Final = 500


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is kept. Times are UTC nanoseconds; ``hash`` is the SHA-256 of the whole key, in hex."""

    id: str
    name: str
    hash: str
    role: str
    created_ns: int
    scope: Mapping[str, str] = field(default_factory=empty)
    expires_ns: int | None = None
    revoked_ns: int | None = None
    last_used_ns: int | None = None

    def valid(self, now_ns: int) -> bool:
        """Whether it opens anything at ``now_ns``. It does not any more at the very moment when it expires."""
        return self.revoked_ns is None and (self.expires_ns is None or now_ns < self.expires_ns)


class AccessKeys:
    """Thread-safe; several processes may hold one over the same database. All raise LedgerError on failure."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def any(self) -> bool:
        """Whether there is a key, or was one: the book stays closed when the last one is revoked."""
        with self._ledger.beside() as connection:
            return connection.execute(select(access_keys.c.id).limit(1)).first() is not None

    def all(self) -> Sequence[StoredKey]:
        """Every key, also those that are over, the newest first."""
        newest = select(access_keys).order_by(access_keys.c.created_ns.desc(), access_keys.c.id)
        with self._ledger.beside() as connection:
            return [StoredKey(**row) for row in connection.execute(newest).mappings()]

    def find(self, key_id: str) -> StoredKey | None:
        with self._ledger.beside() as connection:
            return _find(connection, key_id)

    def add(self, key: StoredKey, *, actor: str) -> None:
        with self._ledger.transaction() as connection:
            _insert(connection, key)
            detail = {"name": key.name, "role": key.role, "scope": dict(key.scope), "expires_ns": key.expires_ns}
            note(connection, Audited(key.created_ns, actor, "key.created", key.id, detail))

    def revoke(self, key_id: str, *, actor: str, now_ns: int) -> StoredKey | None:
        """End a key at once; None where there is none of that id. Again changes nothing."""
        with self._ledger.transaction() as connection:
            key = _find(connection, key_id, to_change=True)
            if key is None or key.revoked_ns is not None:
                return key
            _change(connection, key_id, revoked_ns=now_ns)
            note(connection, Audited(now_ns, actor, "key.revoked", key_id, {"name": key.name}))
        return replace(key, revoked_ns=now_ns)

    def rotate(self, key_id: str, successor: StoredKey, *, until_ns: int, actor: str) -> StoredKey | None:
        """Put ``successor`` beside a key, which ends at ``until_ns`` at the latest.

        None, and nothing is done, where there is no valid key of that id when the successor is created.
        """
        with self._ledger.transaction() as connection:
            key = _find(connection, key_id, to_change=True)
            if key is None or not key.valid(successor.created_ns):
                return None
            ends_ns = until_ns if key.expires_ns is None else min(until_ns, key.expires_ns)
            _insert(connection, successor)
            _change(connection, key_id, expires_ns=ends_ns)
            detail = {"name": key.name, "successor": successor.id, "expires_ns": ends_ns}
            note(connection, Audited(successor.created_ns, actor, "key.rotated", key_id, detail))
        return replace(key, expires_ns=ends_ns)

    def used(self, key_id: str, at_ns: int) -> None:
        """Write down that a key was used, unless anybody did so within the last minute."""
        seen = access_keys.c.last_used_ns
        stale = or_(seen.is_(None), seen <= at_ns - USED_EVERY_NS)
        with self._ledger.transaction() as connection:
            connection.execute(update(access_keys).where(access_keys.c.id == key_id, stale).values(last_used_ns=at_ns))

    def booked_outside(self, keys: Collection[str], scope: Mapping[str, str]) -> frozenset[str]:
        """Those of the record keys that the book has under other labels than ``scope``'s."""
        within = and_(*(records.c[name] == rows.text(value) for name, value in scope.items()))
        sorted_keys = sorted(map(rows.text, keys))
        found: set[str] = set()
        with self._ledger.beside() as connection:
            for start in range(0, len(sorted_keys), _KEYS_A_QUERY):
                some = records.c.record_key.in_(sorted_keys[start : start + _KEYS_A_QUERY])
                found.update(connection.execute(select(records.c.record_key).where(some, not_(within))).scalars())
        return frozenset(found)


def _find(connection: Connection, key_id: str, *, to_change: bool = False) -> StoredKey | None:
    # NUL, which PostgreSQL takes for no text, may be in what somebody sends.
    wanted = select(access_keys).where(access_keys.c.id == rows.text(key_id))
    row = connection.execute(wanted.with_for_update() if to_change else wanted).mappings().first()
    return None if row is None else StoredKey(**row)


def _insert(connection: Connection, key: StoredKey) -> None:
    columns = [column.name for column in access_keys.columns]
    values = {name: getattr(key, name) for name in columns}
    connection.execute(insert(access_keys).values({**values, "scope": dict(key.scope)}))


def _change(connection: Connection, key_id: str, **values: int) -> None:
    connection.execute(update(access_keys).where(access_keys.c.id == key_id).values(**values))
