"""Who did what to the server: rows that are only ever added, in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, insert, select

from otel_cost.ledger import rows
from otel_cost.ledger.schema import audit
from otel_cost.ledger.sql import SqlLedger

MAX_LISTED: Final = 1000
"""Entries that one call returns at most."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One thing that was done, at ``at_ns`` (UTC). ``actor``: the id of the key that did it, or who ran the command.

    ``action`` says what was done (``key.created``), ``target`` to what; ``id`` ascends, and is 0 until it is written.
    """

    at_ns: int
    actor: str
    action: str
    target: str
    detail: Mapping[str, object] = field(default_factory=dict[str, object])
    id: int = 0


def note(connection: Connection, done: Audited) -> None:
    """Write ``done`` down, in a transaction that is under way."""
    values = {"actor": done.actor, "action": done.action, "target": done.target}
    texts = {name: rows.text(value) for name, value in values.items()}
    connection.execute(insert(audit).values(at_ns=done.at_ns, detail=dict(done.detail), **texts))


def newest(ledger: SqlLedger, *, before: int | None = None, limit: int = 100) -> Sequence[Audited]:
    """The newest entries first, at most ``limit`` (1 to ``MAX_LISTED``), those older than the id ``before``.

    Raises:
        LedgerError: the log cannot be read.
    """
    wanted = select(audit).order_by(audit.c.id.desc()).limit(max(1, min(limit, MAX_LISTED)))
    if before is not None:
        wanted = wanted.where(audit.c.id < before)
    with ledger.beside() as connection:
        return [Audited(**row) for row in connection.execute(wanted).mappings()]
