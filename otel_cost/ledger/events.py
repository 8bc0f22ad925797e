"""What apps tell of their own budgets: events that came by OTLP, kept once each. They are in no sum of the book.

Budgets that live in an app's memory are known to nobody else; that one of them was reached, or stopped a call, is told
by the app, and can be read here beside the alerts of the budgets that the server keeps.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from otel_cost import semconv
from otel_cost.ledger import rows
from otel_cost.ledger.saving import put
from otel_cost.ledger.schema import events
from otel_cost.ledger.sql import SqlLedger
from otel_cost.model import EMPTY

MAX_LISTED: Final = 1000
"""Events that one call returns at most."""
_MINUTE_NS: Final = 60 * 10**9
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Reported:
    """One event, as an app told it at ``at_ns`` (UTC). ``labels``: whose it is, the app's service among them."""

    at_ns: int
    name: str
    budget: str
    severity: str
    message: str
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    attributes: Mapping[str, Value] = field(default_factory=dict[str, Value])

    @property
    def key(self) -> str:
        """The same for the same event, however often it is sent; and for calls of one scope that were not allowed
        within the same minute, of which a runaway agent makes thousands."""
        said: tuple[object, ...] = (self.name, self.budget, sorted(self.labels.items()))
        if self.name == semconv.EVENT_BUDGET_BLOCKED:
            said = (*said, self.at_ns // _MINUTE_NS)
        else:
            said = (*said, self.at_ns, sorted(self.attributes.items()))
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


class Events:
    """Thread-safe. All raise LedgerError on failure."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def note(self, reported: Sequence[Reported], *, booked_at_ns: int) -> None:
        """Keep events; those that are known already change nothing."""
        if not reported:
            return
        by_key = {event.key: _values(event, booked_at_ns) for event in reported}
        with self._ledger.transaction() as connection:
            put(connection, events, [by_key[key] for key in sorted(by_key)], known="leave")

    def newest(self, from_ns: int, to_ns: int, *, limit: int = 100) -> Sequence[Reported]:
        """Those from ``from_ns`` (inclusive) to ``to_ns`` (exclusive, UTC ns), newest first, at most ``limit`` (1 to
        ``MAX_LISTED``)."""
        wanted = (
            select(events)
            .where(events.c.at_ns >= from_ns, events.c.at_ns < to_ns)
            .order_by(events.c.at_ns.desc(), events.c.key)
            .limit(max(1, min(limit, MAX_LISTED)))
        )
        with self._ledger.beside() as connection:
            return [
                Reported(
                    at_ns=row["at_ns"],
                    name=row["name"],
                    budget=row["budget"],
                    severity=row["severity"],
                    message=row["message"],
                    labels=row["labels"],
                    attributes=row["attributes"],
                )
                for row in connection.execute(wanted).mappings()
            ]


def _values(event: Reported, booked_ns: int) -> tuple[object, ...]:
    """In the order of the columns of ``events``."""
    texts = map(rows.text, (event.name, event.budget, event.severity, event.message))
    return (event.key, event.at_ns, booked_ns, *texts, _json(event.labels), _json(event.attributes))


def _json(values: Mapping[str, Value]) -> str:
    kept = {rows.text(name): _kept(value) for name, value in list(values.items())[: rows.MAX_LABELS]}
    return json.dumps(kept, allow_nan=False)


def _kept(value: Value) -> Value:
    """What JSON has: no infinity, and nothing that is no number; they stay readable as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return rows.text(value) if isinstance(value, str) else value
