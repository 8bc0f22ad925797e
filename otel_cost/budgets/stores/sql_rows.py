"""Rows in a SQL store: how keys and texts are spelled, and how rows are locked, read and written.

Whoever changes a row, or the holds on it, locks the row first, and several rows in the order of their keys: so nobody
waits for somebody who waits for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from otel_cost.budgets.spec import RowKey, Scope
from otel_cost.budgets.stores.base import RowState
from otel_cost.budgets.stores.database import Row, Session, Statement

LARGEST: Final = 2**62 - 1
"""Amounts and sums beyond this, either way, are kept as this: two of them still fit into 64 bits."""
_LONGEST_ID: Final = 200
_KEYS_A_QUERY: Final = 500
_FLEETING: Final = frozenset({"session", "trace"})
"""Labels whose values do not come back: rows by them are forgotten once nobody uses them."""

KEY: Final = "budget, scope, period"
_STATE: Final = "spent, reserved, forgiven, state, updated_ns"
_INSERT: Final = (
    f"INSERT INTO budget_rows (row_id, {KEY}, ends_ns, fleeting, touched_ns) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (row_id) DO NOTHING"
)
_TAKE: Final = (
    "UPDATE budget_rows SET reserved = reserved + ?, touched_ns = ? WHERE row_id = ? AND state <> 'paused'"
    f" AND spent + reserved <= ? AND reserved <= ? RETURNING {_STATE}"
)
_LOCK: Final = f"SELECT {_STATE}, told, told_limit, resets, touched_ns FROM budget_rows WHERE row_id = ?"
_SAVE: Final = (
    "UPDATE budget_rows SET spent = ?, reserved = ?, forgiven = ?, state = ?, updated_ns = ?, touched_ns = ?,"
    " told = ?, told_limit = ?, resets = ? WHERE row_id = ?"
)


# --- spelling ---------------------------------------------------------------------------------------------------------


def clamped(amount_nano: int) -> int:
    """The amount, or the largest one that is kept."""
    return max(-LARGEST, min(LARGEST, amount_nano))


@lru_cache(maxsize=10_000)
def row_id(key: RowKey) -> bytes:
    """The digest that a row is known by."""
    return blake2b(json.dumps(key).encode(), digest_size=16).digest()


def scope_text(scope: Scope) -> str:
    """A scope as JSON, in ASCII: it holds any label value."""
    return json.dumps(scope)


def scope_of(text: str) -> Scope:
    return tuple((label, value) for label, value in json.loads(text))


def stored(text: str) -> str:
    """Any text in a form that every database keeps; most texts as they are."""
    return text.encode("unicode_escape").decode()


def restored(text: str) -> str:
    return text.encode().decode("unicode_escape")


def id_text(chosen: str) -> str:
    """An id that somebody else chose. One too long for an index is known by its digest."""
    if len(chosen) <= _LONGEST_ID:
        return stored(chosen)
    return "blake2b:" + blake2b(chosen.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def key_params(key: RowKey) -> tuple[str, str, str]:
    """The columns ``KEY``."""
    return stored(key.budget), scope_text(key.scope), stored(key.period)


def key_of(budget: str, scope: str, period: str) -> RowKey:
    """The key in the columns ``KEY``."""
    return RowKey(restored(budget), scope_of(scope), restored(period))


def state_of(key: RowKey, columns: Row) -> RowState:
    return RowState(key, *columns)


# --- locking and writing ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class LockedRow:
    """A row that nobody else can change before this transaction ends."""

    key: RowKey
    spent: int
    reserved: int
    forgiven: int
    state: str
    updated_ns: int
    told: int
    told_limit: int
    resets: int
    touched_ns: int

    def seen(self) -> RowState:
        return state_of(self.key, (self.spent, self.reserved, self.forgiven, self.state, self.updated_ns))

    def add(self, amount_nano: int, now_ns: int) -> None:
        self.spend(amount_nano)
        self.updated_ns = now_ns
        self.touched_ns = max(self.touched_ns, now_ns)

    def spend(self, amount_nano: int) -> None:
        """Add to what is spent. What is taken back beyond that had been forgiven."""
        self.spent = clamped(self.spent + amount_nano)
        forgiven = max(0, min(-self.spent, self.forgiven)) if amount_nano < 0 else 0
        self.spent += forgiven
        self.forgiven -= forgiven

    def free(self, amount_nano: int) -> None:
        self.reserved = max(0, self.reserved - amount_nano)

    def saved(self) -> Statement:
        values = (
            clamped(self.spent),
            self.reserved,
            clamped(self.forgiven),
            self.state,
            self.updated_ns,
            self.touched_ns,
        )
        return Statement(_SAVE, (*values, self.told, self.told_limit, self.resets, row_id(self.key)))


def insert_row(key: RowKey, ends_ns: int | None, now_ns: int) -> Statement:
    """Make a row unless it is there."""
    fleeting = int(any(label in _FLEETING for label, _ in key.scope))
    ends_ns = None if ends_ns is None else clamped(ends_ns)  # a call may say that it was made in the year 2600
    return Statement(_INSERT, (row_id(key), *key_params(key), ends_ns, fleeting, now_ns))


def take_room(key: RowKey, amount_nano: int, cap_nano: int, now_ns: int) -> Statement:
    """Reserve in a row if there is room in it; returns its state, or nothing."""
    if amount_nano > LARGEST:
        amount_nano, cap_nano = LARGEST, -LARGEST  # no row has so much
    room = clamped(cap_nano) - amount_nano
    return Statement(_TAKE, (amount_nano, now_ns, row_id(key), room, LARGEST - amount_nano))


def lock_rows(
    session: Session,
    rows: Mapping[RowKey, int | None],
    *,
    now_ns: int = 0,
    before: Sequence[Statement] = (),
    then: Sequence[Statement] = (),
) -> tuple[dict[RowKey, LockedRow], list[list[Row]], list[list[Row]]]:
    """Lock rows, given with their ends, one after the other; those that are missing are made.

    ``before`` and ``then`` are carried out before the first and once all are locked, without trips of their own.
    Returns the rows, and what each of the two returned.
    """
    locked: dict[RowKey, LockedRow] = {}
    if not rows:
        answers = session.run(*before, *then)
        return locked, answers[: len(before)], answers[len(before) :]
    first: list[list[Row]] = []
    last: list[list[Row]] = []
    for number, key in enumerate(sorted(rows), 1):
        lock = Statement(_LOCK + session.dialect.for_update, (row_id(key),))
        after = then if number == len(rows) else ()
        asked = () if locked else before
        answers = session.run(*asked, lock, *after)
        first = first or answers[: len(asked)]
        found, *last = answers[len(asked) :]
        if not found:
            _, found, *last = session.run(insert_row(key, rows[key], now_ns), lock, *after)
        locked[key] = LockedRow(key, *found[0])
    return locked, first, last


# --- reading ----------------------------------------------------------------------------------------------------------


def marks(values: Sequence[object]) -> str:
    """Question marks for a list of parameters. Nothing is IN an empty one."""
    return ", ".join("?" * len(values)) or "NULL"


def read_rows(session: Session, keys: Sequence[RowKey]) -> list[RowState]:
    """Where rows stand, in the order asked for."""
    ids = list({row_id(key) for key in keys})
    found: dict[bytes, Row] = {}
    for start in range(0, len(ids), _KEYS_A_QUERY):
        some = ids[start : start + _KEYS_A_QUERY]
        sql = f"SELECT row_id, {_STATE} FROM budget_rows WHERE row_id IN ({marks(some)})"
        [answers] = session.run(Statement(sql, some))
        found.update((bytes(row[0]), row[1:]) for row in answers)
    return [state_of(key, found.get(row_id(key), ())) for key in keys]


def rows_of(session: Session, budget: str) -> list[RowState]:
    """All rows of a budget, the one used last at the end."""
    sql = f"SELECT {KEY}, {_STATE} FROM budget_rows WHERE budget = ? ORDER BY touched_ns, row_id"
    [found] = session.run(Statement(sql, (stored(budget),)))
    return [state_of(key_of(*row[:3]), row[3:]) for row in found]


def keys_of_holds(session: Session, hold_ids: Iterable[str]) -> dict[RowKey, int | None]:
    """The rows that holds are in, or were before they were lost, with their ends: which rows to lock."""
    [found] = session.run(held_rows([id_text(hold_id) for hold_id in hold_ids]))
    return held_keys(found)


def held_rows(ids: Sequence[str]) -> Statement:
    """The same, by the ids that the tables have; see :func:`held_keys`. Also of holds that were lost."""
    held = f"SELECT {KEY}, ends_ns FROM %s JOIN budget_rows USING (row_id) WHERE hold_id IN ({marks(ids)})"
    return Statement(f"{held % 'budget_holds'} UNION {held % 'budget_lost'}", (*ids, *ids))


def held_keys(found: Sequence[Row]) -> dict[RowKey, int | None]:
    return {key_of(*row[:3]): row[3] for row in found}
