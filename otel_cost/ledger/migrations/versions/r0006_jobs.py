"""Events that apps told, when each job ran last, and the way to calls without a price and to the latest entries."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Integer, Text, text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "events",
        Column("key", Text, primary_key=True),
        *(Column(name, BigInteger, nullable=False) for name in ("at_ns", "booked_ns")),
        *map(_text, ("name", "budget", "severity", "message")),
        *(Column(name, JSON, nullable=False) for name in ("labels", "attributes")),
    )
    op.create_index("ix_events_at_ns", "events", ["at_ns"])
    op.create_table(
        "jobs",
        Column("name", Text, primary_key=True),
        *(Column(name, BigInteger, nullable=False) for name in ("started_ns", "finished_ns")),
        Column("failures", Integer, nullable=False),
        _text("outcome"),
    )
    unpriced = text("status = 'unpriced'")
    op.create_index(
        "ix_records_unpriced", "records", ["provider", "model", "start_ns"],
        sqlite_where=unpriced, postgresql_where=unpriced,
    )  # fmt: skip
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_entries_id", "entries", ["id"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_entries_id")
    op.drop_index("ix_records_unpriced")
    op.drop_table("jobs")
    op.drop_table("events")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)
