"""Sums that are kept beside the entries, and an index of the calls without a price.

The sums are filled once all revisions are there: see ``otel_cost.ledger.upgrading``.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, SmallInteger, Text, text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "dims",
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        *map(_text, ("provider", "model", "operation", "kind", "layer", "scope", "status", "reason", "pricing_model")),
        *map(_text, ("service", "environment", "tenant", "workspace", "team", "project", "feature", "agent")),
        _text("failed"),
    )
    for name in ("rollups_15min", "rollups_day"):
        op.create_table(
            name, _key("start_ns"), _dims(), Column("writer", Text, primary_key=True), *_sums(), sqlite_with_rowid=False
        )
    op.create_table(
        "entity_days",
        Column("kind", Text, primary_key=True),
        _key("day_ns"),
        Column("entity", Text, primary_key=True),
        _dims(),
        *_sums(),
        *map(_amount, ("first_ns", "last_ns")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_entity_days_entity", "entity_days", ["entity", "kind"])
    unpriced = text("status = 'unpriced'")
    op.create_index(
        "ix_records_unpriced",
        "records",
        ["provider", "model", "start_ns"],
        sqlite_where=unpriced,
        postgresql_where=unpriced,
    )
    op.create_index(
        "ix_records_unpriced_start", "records", ["start_ns"], sqlite_where=unpriced, postgresql_where=unpriced
    )
    op.create_table(
        "distributions",
        _key("day_ns"),
        _dims(),
        Column("measure", Text, primary_key=True),
        Column("bin", SmallInteger, primary_key=True, autoincrement=False),
        _amount("calls"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_index("ix_records_unpriced_start", "records")
    op.drop_index("ix_records_unpriced", "records")
    for table in ("distributions", "entity_days", "rollups_day", "rollups_15min", "dims"):
        op.drop_table(table)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _dims() -> Column[int]:
    return Column("dims_id", BigInteger, ForeignKey("dims.id"), primary_key=True, autoincrement=False)


def _sums() -> list[Column[int]]:
    sums = ("operations", "amount_nano", "list_nano", "input_nano", "output_nano", "cache_read_nano")
    return [_amount(name) for name in (*sums, "cache_write_nano", "other_nano", "input_tokens", "output_tokens")]
