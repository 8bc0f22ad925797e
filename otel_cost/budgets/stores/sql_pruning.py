"""Forgets what no call can count against any more, a little at a time: others want to write too."""

from __future__ import annotations

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
    old = database.read(
        lambda session: session.run(Statement(_OLD_ROWS, (ended, unused, _ROWS_A_SWEEP))), patient=True
    )[0]
    steps = _STEPS_A_SWEEP
    for (digest,) in old:
        while database.transact(lambda session, row=bytes(digest): _some_postings(session, row), patient=True):
            steps -= 1
            if not steps:
                return False
        database.transact(lambda session, row=bytes(digest): _row(session, row, ended, unused), patient=True)
    database.transact(
        lambda session: session.at_end([Statement(_DELETE_VOIDED, (unused, _POSTINGS_AT_ONCE))]), patient=True
    )
    return len(old) < _ROWS_A_SWEEP


def _some_postings(session: Session, row: bytes) -> bool:
    [gone] = session.run(Statement(_DELETE_POSTINGS, (row, row, _POSTINGS_AT_ONCE)))
    return len(gone) == _POSTINGS_AT_ONCE


def _row(session: Session, row: bytes, ended_ns: int, unused_ns: int) -> None:
    session.at_end(
        (
            Statement(_DELETE_ROW, (row, ended_ns, unused_ns)),
            Statement(_DELETE_LOST, (row, row)),
            Statement(_DELETE_HOLDS, (row, row)),
        )
    )
