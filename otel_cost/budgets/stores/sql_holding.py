"""Holds in a SQL store: taking room, giving it back, and finding those whose makers are gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import LostHold, Refused, Reserved, RowState, Stale, Want
from otel_cost.budgets.stores.database import Session, Statement
from otel_cost.budgets.stores.sql_rows import (
    KEY,
    id_text,
    insert_row,
    key_of,
    keys_of_holds,
    lock_rows,
    marks,
    read_rows,
    restored,
    row_id,
    state_of,
    take_room,
)

VERSION: Final = Statement("SELECT version FROM budget_controls_version")
_HELD: Final = "SELECT 1 FROM budget_holds WHERE hold_id = ? LIMIT 1"
_HOLD: Final = "INSERT INTO budget_holds (hold_id, row_id, amount, expires_ns) VALUES (?, ?, ?, ?)"
_TAKE_HOLD: Final = (
    "DELETE FROM budget_holds WHERE hold_id = ? AND row_id = ? AND expires_ns <= ? RETURNING amount, expires_ns"
)
_LAPSED: Final = (
    f"SELECT hold_id, {KEY}, ends_ns FROM budget_holds JOIN budget_rows USING (row_id) WHERE expires_ns <= ?"
    " ORDER BY hold_id, row_id"
)
_LOSE: Final = (
    "INSERT INTO budget_lost (hold_id, row_id, amount, expired_ns, charged) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (hold_id, row_id) DO UPDATE SET"
    " amount = excluded.amount, expired_ns = excluded.expired_ns, charged = excluded.charged"
)
_LOST: Final = (
    f"SELECT hold_id, {KEY}, amount, expired_ns, charged FROM budget_lost JOIN budget_rows USING (row_id)"
    " ORDER BY id DESC LIMIT ?"
)


class Full(NamedTuple):
    """``row`` said no."""

    row: RowKey


class Held(NamedTuple):
    """The hold has its room already."""


# --- taking room ------------------------------------------------------------------------------------------------------


def asks_only(wants: Sequence[Want]) -> bool:
    """Whether nothing is to be reserved: then there is nothing to write either."""
    return not any(want.amount_nano for want in wants)


def ask(session: Session, wants: Sequence[Want], version: int) -> Reserved | Refused | Stale:
    """Whether there is room, as far as can be seen without taking it."""
    [[(present,)]] = session.run(VERSION)
    if present != version:
        return Stale(present)
    rows = read_rows(session, [want.row for want in wants])
    refusing = first_refusing(wants, rows)
    return Reserved(tuple(rows)) if refusing is None else Refused(refusing)


def first_refusing(wants: Sequence[Want], rows: Sequence[RowState]) -> RowState | None:
    """The first row, in the order of the wants, that has no room."""
    for want, row in zip(wants, rows, strict=True):
        if row.state == "paused" or row.spent_nano + row.reserved_nano + want.amount_nano > want.cap_nano:
            return row
    return None


def reserve(
    session: Session, hold_id: str, wants: Sequence[Want], *, version: int, now_ns: int, expires_ns: int
) -> Reserved | Stale | Full | Held:
    """Take room in all rows; for any other answer than ``Reserved`` the transaction is undone.

    One row at a time, in key order: two calls that want the same two rows wait for each other in the first one.
    """
    ordered = sorted(_merged(wants), key=lambda want: want.row)
    takes = [take_room(want.row, want.amount_nano, want.cap_nano, now_ns) for want in ordered]
    [[(present,)], held, taken] = session.run(VERSION, Statement(_HELD, (id_text(hold_id),)), takes[0])
    if present != version or held:
        session.undo()
        return Stale(present) if present != version else Held()
    states: dict[RowKey, RowState] = {}
    for want, take in zip(ordered, takes, strict=True):
        if states:
            [taken] = session.run(take)
        if not taken:
            [_, taken] = session.run(insert_row(want.row, want.ends_ns, now_ns), take)
        if not taken:
            session.undo()
            return Full(want.row)
        states[want.row] = state_of(want.row, taken[0])
    session.at_end(
        Statement(_HOLD, (id_text(hold_id), row_id(want.row), want.amount_nano, expires_ns))
        for want in ordered
        if want.amount_nano
    )
    return Reserved(tuple(states[want.row] for want in wants))


def _merged(wants: Sequence[Want]) -> list[Want]:
    """One want for each row."""
    merged: dict[RowKey, Want] = {}
    for want in wants:
        same = merged.get(want.row)
        amount_nano = want.amount_nano + (same.amount_nano if same else 0)
        cap_nano = min(want.cap_nano, same.cap_nano) if same else want.cap_nano
        merged[want.row] = want._replace(amount_nano=amount_nano, cap_nano=cap_nano)
    return list(merged.values())


# --- keeping and giving back ------------------------------------------------------------------------------------------


def release(session: Session, hold_ids: Collection[str]) -> None:
    """Give back what holds have left; and where they were lost meanwhile, what they were charged for that."""
    rows = keys_of_holds(session, hold_ids)
    if not rows:
        session.undo()
        return
    ids = [id_text(hold_id) for hold_id in hold_ids]
    take = Statement(f"DELETE FROM budget_holds WHERE hold_id IN ({marks(ids)}) RETURNING row_id, amount", ids)
    find = f"DELETE FROM budget_lost WHERE hold_id IN ({marks(ids)}) RETURNING row_id, amount * charged"
    locked, _, [freed, found] = lock_rows(session, rows, then=[take, Statement(find, ids)])
    by_id = {row_id(key): row for key, row in locked.items()}
    for digest, amount in freed:
        by_id[bytes(digest)].free(amount)
    for digest, charged in found:
        by_id[bytes(digest)].spend(-charged)
    session.at_end(row.saved() for row in locked.values())


def renew(session: Session, hold_ids: Collection[str], expires_ns: int) -> set[str]:
    """Let holds live longer."""
    ordered = sorted(hold_ids)
    update = "UPDATE budget_holds SET expires_ns = ? WHERE hold_id = ? RETURNING 1"
    answers = session.run(*(Statement(update, (expires_ns, id_text(hold_id))) for hold_id in ordered))
    return {hold_id for hold_id, found in zip(ordered, answers, strict=True) if found}


# --- finding those whose makers are gone ------------------------------------------------------------------------------


def any_lapsed(session: Session, now_ns: int) -> bool:
    """Whether there is anything to sweep: looked at first, since a sweep makes others wait."""
    [found] = session.run(Statement("SELECT 1 FROM budget_holds WHERE expires_ns <= ? LIMIT 1", (now_ns,)))
    return bool(found)


def sweep(session: Session, *, now_ns: int, charge: Collection[str]) -> list[LostHold]:
    """Take lapsed holds away; what another sweep took meanwhile is its own."""
    [lapsed] = session.run(Statement(_LAPSED, (now_ns,)))
    keys = [(hold_id, key_of(*key)) for hold_id, *key, _ in lapsed]
    ends = {key: row[-1] for (_, key), row in zip(keys, lapsed, strict=True)}
    takes = [Statement(_TAKE_HOLD, (hold_id, row_id(key), now_ns)) for hold_id, key in keys]
    locked, _, taken = lock_rows(session, ends, then=takes)
    lost = [
        LostHold(hold_id, key, found[0][0], found[0][1], key.budget in charge)
        for (hold_id, key), found in zip(keys, taken, strict=True)
        if found
    ]
    for hold in lost:
        row = locked[hold.row]
        row.free(hold.amount_nano)
        row.spent += hold.amount_nano if hold.charged else 0
    session.at_end(row.saved() for row in locked.values())
    session.at_end(_lose(hold) for hold in lost)
    return [hold._replace(hold_id=restored(hold.hold_id)) for hold in lost]


def _lose(hold: LostHold) -> Statement:
    return Statement(_LOSE, (hold.hold_id, row_id(hold.row), hold.amount_nano, hold.expired_ns, int(hold.charged)))


def lost(session: Session, limit: int) -> list[LostHold]:
    """Lapsed holds that no settlement has come for, newest first."""
    [found] = session.run(Statement(_LOST, (limit,)))
    return [
        LostHold(restored(hold_id), key_of(budget, scope, period), amount, expired_ns, bool(charged))
        for hold_id, budget, scope, period, amount, expired_ns, charged in found
    ]
