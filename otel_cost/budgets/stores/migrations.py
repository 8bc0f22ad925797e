"""The tables of budgets, version by version: what each version adds, and how to take it back.

Money is nano-USD and time UTC nanoseconds, both 64-bit. ``BYTES``, ``BIG`` and ``ID`` are the dialect's column types.
A row is known by a digest of its key (labels have any length), the key itself is beside it. ``scope`` columns are JSON;
other text is escaped as in a Python literal, since PostgreSQL keeps no NUL and neither keeps lone surrogates.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Migration(NamedTuple):
    """Statements that lead to a version from the one before it, and back. ``{…}`` stands for a column type."""

    up: tuple[str, ...]
    down: tuple[str, ...]


_ROWS: Final = """
CREATE TABLE budget_rows (
    row_id {BYTES} PRIMARY KEY,
    budget TEXT NOT NULL,
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    ends_ns {BIG},
    fleeting INTEGER NOT NULL,
    spent {BIG} NOT NULL DEFAULT 0,
    reserved {BIG} NOT NULL DEFAULT 0,
    forgiven {BIG} NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT '',
    updated_ns {BIG} NOT NULL DEFAULT 0,
    touched_ns {BIG} NOT NULL DEFAULT 0,
    told {BIG} NOT NULL DEFAULT 0,
    told_limit {BIG} NOT NULL DEFAULT 0,
    resets {BIG} NOT NULL DEFAULT 0
)"""
_HOLDS: Final = """
CREATE TABLE budget_holds (
    hold_id TEXT NOT NULL,
    row_id {BYTES} NOT NULL,
    amount {BIG} NOT NULL,
    expires_ns {BIG} NOT NULL,
    PRIMARY KEY (hold_id, row_id)
)"""
_LOST: Final = """
CREATE TABLE budget_lost (
    id {ID},
    hold_id TEXT NOT NULL,
    row_id {BYTES} NOT NULL,
    amount {BIG} NOT NULL,
    expired_ns {BIG} NOT NULL,
    charged INTEGER NOT NULL,
    UNIQUE (hold_id, row_id)
)"""
_POSTINGS: Final = """
CREATE TABLE budget_postings (
    record_key TEXT NOT NULL,
    row_id {BYTES} NOT NULL,
    amount {BIG} NOT NULL,
    at_ns {BIG} NOT NULL,
    PRIMARY KEY (record_key, row_id)
)"""
_VOIDED: Final = "CREATE TABLE budget_voided (record_key TEXT PRIMARY KEY, at_ns {BIG} NOT NULL)"
_CONTROLS: Final = """
CREATE TABLE budget_controls (
    control_id {BYTES} PRIMARY KEY,
    budget TEXT NOT NULL,
    scope TEXT NOT NULL,
    amount {BIG},
    action TEXT,
    paused INTEGER NOT NULL
)"""
_VERSION: Final = "CREATE TABLE budget_controls_version (version {BIG} NOT NULL)"
_AUDIT: Final = """
CREATE TABLE budget_audit (
    id {ID},
    at_ns {BIG} NOT NULL,
    kind TEXT NOT NULL,
    budget TEXT NOT NULL,
    scope TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    was TEXT NOT NULL,
    became TEXT NOT NULL
)"""
_ALERTS: Final = """
CREATE TABLE budget_alerts (
    id {ID},
    row_id {BYTES} NOT NULL,
    budget TEXT NOT NULL,
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    threshold {BIG} NOT NULL,
    spent {BIG} NOT NULL,
    limit_nano {BIG} NOT NULL,
    resets {BIG} NOT NULL,
    at_ns {BIG} NOT NULL,
    state TEXT NOT NULL DEFAULT 'active',
    told INTEGER NOT NULL DEFAULT 0,
    actor TEXT NOT NULL DEFAULT '',
    changed_ns {BIG} NOT NULL,
    UNIQUE (row_id, threshold, limit_nano, resets)
)"""

MIGRATIONS: Final = (
    Migration(
        up=(
            _ROWS,
            "CREATE INDEX budget_rows_by_budget ON budget_rows (budget)",
            "CREATE INDEX budget_rows_by_end ON budget_rows (ends_ns)",
            _HOLDS,
            "CREATE INDEX budget_holds_by_expiry ON budget_holds (expires_ns)",
            _LOST,
            _POSTINGS,
            "CREATE INDEX budget_postings_by_row ON budget_postings (row_id)",
            _VOIDED,
            _CONTROLS,
            _VERSION,
            "INSERT INTO budget_controls_version (version) VALUES (0)",
            _AUDIT,
            _ALERTS,
            "CREATE INDEX budget_alerts_untold ON budget_alerts (at_ns) WHERE told = 0",
        ),
        down=tuple(
            f"DROP TABLE budget_{table}"
            for table in (
                *("alerts", "audit", "controls_version", "controls", "voided"),
                *("postings", "lost", "holds", "rows"),
            )
        ),
    ),
)
"""From an empty database to the present tables: the first leads to version 1."""
