"""Forgets what no call can count against any more, a little at a time: others want to write too."""

from __future__ import annotations

from functools import partial
from typing import Final

from otel_cost.budgets.stores.database import Database, Session, Statement
from otel_cost.model import NANO

_DAY_NS: Final = 24 * 60 * 60 * NANO
KEPT_AFTER_END_NS: Final = 7 * _DAY_NS
"""How long a row outlives its period: a record that comes later than this is settled into a new, empty row."""
KEPT_UNUSED_NS: Final = 90 * _DAY_NS
"""How long rows of sessions and traces are kept without use, and tombstones of voided keys."""
_ROWS_A_SWEEP: Final = 100
_POSTINGS_AT_ONCE: Final = 2_000
_STEPS_A_SWEEP: Final = 200

_OLD_ROWS: Final = (
    "SELECT row_id FROM budget_rows WHERE reserved = 0 AND"
    " (ends_ns < ? OR (ends_ns IS NULL AND fleeting = 1 AND touched_ns < ?)) LIMIT ?"
)
_DELETE_POSTINGS: Final = (
    "DELETE FROM budget_postings WHERE row_id = ? AND record_key IN"
    " (SELECT record_key FROM budget_postings WHERE row_id = ? LIMIT ?) RETURNING 1"
)
# The row's own columns decide, again: somebody may have reserved in it meanwhile.
_DELETE_ROW: Final = (
    "DELETE FROM budget_rows WHERE row_id = ? AND reserved = 0 AND"
    " (ends_ns < ? OR (ends_ns IS NULL AND fleeting = 1 AND touched_ns < ?))"
)
_ROW_GONE: Final = "row_id = ? AND NOT EXISTS (SELECT 1 FROM budget_rows WHERE row_id = ?)"
_DELETE_LOST: Final = f"DELETE FROM budget_lost WHERE {_ROW_GONE}"
_DELETE_HOLDS: Final = f"DELETE FROM budget_holds WHERE {_ROW_GONE}"
_DELETE_VOIDED: Final = (
    "DELETE FROM budget_voided WHERE record_key IN (SELECT record_key FROM budget_voided WHERE at_ns < ? LIMIT ?)"
)


def prune(database: Database, now_ns: int) -> bool:
    """Forget old rows with their postings and lost holds, and old tombstones. Whether all of them are gone."""
    ended, unused = now_ns - KEPT_AFTER_END_NS, now_ns - KEPT_UNUSED_NS
    look = Statement(_OLD_ROWS, (ended, unused, _ROWS_A_SWEEP))
    [old] = database.read(lambda session: session.run(look), patient=True)
    steps = _STEPS_A_SWEEP
    for (digest,) in old:
        steps = _postings(database, bytes(digest), steps)
        if not steps:
            return False
        database.transact(partial(_row, row=bytes(digest), ended_ns=ended, unused_ns=unused), patient=True)
    forget = Statement(_DELETE_VOIDED, (unused, _POSTINGS_AT_ONCE))
    database.transact(lambda session: session.at_end([forget]), patient=True)
    return len(old) < _ROWS_A_SWEEP


def _postings(database: Database, row: bytes, steps: int) -> int:
    """Forget a row's postings in so many steps at most; the steps that are left."""
    delete = Statement(_DELETE_POSTINGS, (row, row, _POSTINGS_AT_ONCE))
    while steps:
        steps -= 1
        [gone] = database.transact(lambda session: session.run(delete), patient=True)
        if len(gone) < _POSTINGS_AT_ONCE:
            break
    return steps


def _row(session: Session, row: bytes, ended_ns: int, unused_ns: int) -> None:
    session.at_end(
        (
            Statement(_DELETE_ROW, (row, ended_ns, unused_ns)),
            Statement(_DELETE_LOST, (row, row)),
            Statement(_DELETE_HOLDS, (row, row)),
        )
    )
