"""Settling in a SQL store: what calls really cost is added to rows, once, and comes out of their holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_cost.budgets.evaluate import newly_reached
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import Alert, Post, Posting, Settlement, Stale
from otel_cost.budgets.stores.database import Row, Session, Statement
from otel_cost.budgets.stores.sql_alerts import insert_alert
from otel_cost.budgets.stores.sql_holding import VERSION
from otel_cost.budgets.stores.sql_rows import (
    KEY,
    LockedRow,
    clamped,
    held_keys,
    held_rows,
    id_text,
    key_of,
    key_params,
    lock_rows,
    marks,
    row_id,
)

# A key that was voided takes no posting, whichever process comes first; and none for a value of a budget that it was
# posted to already, be it in another period: who reserved and who only saw the call may differ by one at its border.
_POST: Final = (
    "INSERT INTO budget_postings (record_key, row_id, amount, at_ns) SELECT ?, ?, ?, ?"
    " WHERE NOT EXISTS (SELECT 1 FROM budget_voided WHERE record_key = ?)"
    " AND NOT EXISTS (SELECT 1 FROM budget_postings JOIN budget_rows USING (row_id)"
    " WHERE record_key = ? AND budget = ? AND scope = ?)"
    " ON CONFLICT (record_key, row_id) DO NOTHING RETURNING 1"
)
_POSTED: Final = (
    f"SELECT {KEY}, ends_ns, amount FROM budget_postings JOIN budget_rows USING (row_id) WHERE record_key = ?"
)
_REPOST: Final = (
    "INSERT INTO budget_postings (record_key, row_id, amount, at_ns) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (record_key, row_id) DO UPDATE SET amount = excluded.amount, at_ns = excluded.at_ns"
)
_UNPOST: Final = "DELETE FROM budget_postings WHERE record_key = ? AND row_id = ?"
_VOID: Final = "INSERT INTO budget_voided (record_key, at_ns) VALUES (?, ?) ON CONFLICT (record_key) DO NOTHING"
_UNVOID: Final = "DELETE FROM budget_voided WHERE record_key = ?"


# --- what was spent ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What a batch works on, all of it locked. Holds and lost holds go by the ids and digests that the tables have."""

    rows: dict[RowKey, LockedRow]
    holds: dict[str, dict[bytes, int]]
    lost: dict[tuple[str, bytes], int]
    """What each lost hold was charged in advance."""
    writes: list[Statement] = field(default_factory=list[Statement])


def settle(
    session: Session, settlements: Sequence[Settlement], *, version: int, now_ns: int
) -> list[list[Posting]] | Stale:
    """Add what was spent and close holds. Rows are locked in key order over all of the settlements."""
    posts = [(settlement, post) for settlement in settlements for post in settlement.posts]
    rows = {post.row: post.ends_ns for _, post in posts}
    ids = [id_text(settlement.hold_id) for settlement in settlements if settlement.hold_id]
    before = [VERSION, held_rows(ids), *(_insert(*one, now_ns) for one in posts)]
    locked, [[(present,)], held, *inserted], answers = lock_rows(
        session, rows, now_ns=now_ns, before=before, then=_holds(ids)
    )
    if present != version:
        session.undo()
        return Stale(present)
    found = _found(locked, answers)
    others = {key: ends_ns for key, ends_ns in held_keys(held).items() if key not in rows}
    if others:  # holds, there or lost, in rows where nothing was spent
        locked, _, answers = lock_rows(session, others, now_ns=now_ns, then=_holds(ids))
        found = _found(found.rows | locked, answers)
    is_new = iter(inserted)
    postings = [
        _settle_one(found, settlement, [post for post in settlement.posts if next(is_new)], now_ns)
        for settlement in settlements
    ]
    session.at_end(found.writes)
    session.at_end(row.saved() for row in found.rows.values())
    return _with_alerts(session, postings, found.rows)


def _insert(settlement: Settlement, post: Post, now_ns: int) -> Statement:
    key = id_text(settlement.record_key)
    budget, scope, _ = key_params(post.row)
    return Statement(_POST, (key, row_id(post.row), clamped(post.amount_nano), now_ns, key, key, budget, scope))


def _holds(ids: Sequence[str]) -> list[Statement]:
    """What holds have left, and what lost ones were charged. Only to be asked with their rows locked."""
    return [
        Statement(f"SELECT hold_id, row_id, amount FROM budget_holds WHERE hold_id IN ({marks(ids)})", ids),
        Statement(f"SELECT hold_id, row_id, amount * charged FROM budget_lost WHERE hold_id IN ({marks(ids)})", ids),
    ]


def _found(locked: dict[RowKey, LockedRow], answers: Sequence[Sequence[Row]]) -> _Found:
    held, lost = answers
    holds: dict[str, dict[bytes, int]] = {}
    for hold_id, digest, amount in held:
        holds.setdefault(hold_id, {})[bytes(digest)] = amount
    return _Found(locked, holds, {(hold_id, bytes(digest)): charged for hold_id, digest, charged in lost})


def _settle_one(found: _Found, settlement: Settlement, new: Sequence[Post], now_ns: int) -> list[Posting]:
    hold_id = id_text(settlement.hold_id)
    for post in new:
        _find_again(found, hold_id, post.row)
    postings = [_post(found.rows[post.row], post, now_ns) for post in new]
    if settlement.closes:
        _close(found, hold_id)
    else:
        _draw(found, hold_id, new)
    return postings


def _find_again(found: _Found, hold_id: str, key: RowKey) -> None:
    """The maker of a hold that was lost is there after all: what was charged in advance is not spent twice."""
    charged = found.lost.pop((hold_id, row_id(key)), None)
    if charged is not None:
        found.rows[key].spend(-charged)
        delete = "DELETE FROM budget_lost WHERE hold_id = ? AND row_id = ?"
        found.writes.append(Statement(delete, (hold_id, row_id(key))))


def _post(row: LockedRow, post: Post, now_ns: int) -> Posting:
    before = row.spent
    row.add(clamped(post.amount_nano), now_ns)
    limit_nano = clamped(post.limit_nano)
    reached, row.told = newly_reached(post.thresholds, limit_nano, row.spent, row.told, row.told_limit)
    row.told_limit = limit_nano
    alerts = tuple(Alert(0, row.key, share, row.spent, limit_nano, now_ns, changed_ns=now_ns) for share in reached)
    paused = row.state == "" and post.pause_at_nano is not None and row.spent >= post.pause_at_nano
    if paused:
        row.state = "paused"
    return Posting(row.key, before, row.spent, alerts, paused)


def _close(found: _Found, hold_id: str) -> None:
    digests = {digest for lost_id, digest in found.lost if lost_id == hold_id}
    for key in [key for key in found.rows if digests and row_id(key) in digests]:
        _find_again(found, hold_id, key)
    amounts = found.holds.pop(hold_id, {})
    if not amounts:
        return
    for row in found.rows.values():
        row.free(amounts.get(row_id(row.key), 0))
    found.writes.append(Statement("DELETE FROM budget_holds WHERE hold_id = ?", (hold_id,)))


def _draw(found: _Found, hold_id: str, new: Sequence[Post]) -> None:
    """Take what was posted out of a hold that lives on."""
    amounts = found.holds.get(hold_id, {})
    for post in new:
        digest = row_id(post.row)
        drawn = min(max(post.amount_nano, 0), amounts.get(digest, 0))
        if drawn:
            amounts[digest] -= drawn
            found.rows[post.row].free(drawn)
            update = "UPDATE budget_holds SET amount = ? WHERE hold_id = ? AND row_id = ?"
            found.writes.append(Statement(update, (amounts[digest], hold_id, digest)))


def _with_alerts(
    session: Session, postings: list[list[Posting]], rows: Mapping[RowKey, LockedRow]
) -> list[list[Posting]]:
    """Store the alerts; those that are stored already were told by somebody else."""
    if not any(posting.alerts for some in postings for posting in some):
        return postings
    return [
        [posting._replace(alerts=_stored_alerts(session, posting.alerts, rows[posting.row])) for posting in some]
        for some in postings
    ]


def _stored_alerts(session: Session, alerts: Sequence[Alert], row: LockedRow) -> tuple[Alert, ...]:
    answers = session.run(*(insert_alert(alert, row.resets) for alert in alerts)) if alerts else []
    return tuple(alert._replace(id=found[0][0]) for alert, found in zip(alerts, answers, strict=True) if found)


# --- setting right ----------------------------------------------------------------------------------------------------


def correct(session: Session, settlements: Sequence[Settlement], *, now_ns: int) -> int:
    """Bring postings to what they should be. One record after another: the same key may come twice."""
    return sum(_correct_one(session, settlement, now_ns) for settlement in settlements)


def _correct_one(session: Session, settlement: Settlement, now_ns: int) -> int:
    key = id_text(settlement.record_key)
    posted, ends = _posted(session, key)
    wanted = {post.row: clamped(post.amount_nano) for post in settlement.posts}
    ends |= {post.row: post.ends_ns for post in settlement.posts}
    wrong = {row: ends[row] for row in ends if posted.get(row) != wanted.get(row)}
    session.at_end([Statement(_UNVOID, (key,))])
    if wrong:
        locked, _, _ = lock_rows(session, wrong, now_ns=now_ns)
        for row in locked.values():
            row.add(wanted.get(row.key, 0) - posted.get(row.key, 0), now_ns)
        session.run(
            *(row.saved() for row in locked.values()),
            *(Statement(_REPOST, (key, row_id(row), wanted[row], now_ns)) for row in wrong if row in wanted),
            *(Statement(_UNPOST, (key, row_id(row))) for row in wrong if row not in wanted),
        )
    return len(wrong)


def _posted(session: Session, record_key: str) -> tuple[dict[RowKey, int], dict[RowKey, int | None]]:
    """What is posted under a key, and when those rows' periods end."""
    [found] = session.run(Statement(_POSTED, (record_key,)))
    keys = [key_of(*row[:3]) for row in found]
    return (
        {key: row[4] for key, row in zip(keys, found, strict=True)},
        {key: row[3] for key, row in zip(keys, found, strict=True)},
    )


def void(session: Session, record_key: str, *, now_ns: int) -> None:
    """Take back what was posted under a key, and keep it from being posted again."""
    key = id_text(record_key)
    posted, ends = _posted(session, key)
    locked, _, _ = lock_rows(session, ends, now_ns=now_ns)
    for row in locked.values():
        row.add(-posted[row.key], now_ns)
    session.at_end(row.saved() for row in locked.values())
    session.at_end([Statement(_VOID, (key, now_ns))])
    session.at_end(Statement(_REPOST, (key, row_id(row), 0, now_ns)) for row in posted)
