"""Access keys, the log of who changed what, what apps tell of their budgets, and when the server's jobs ran."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Integer, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "access_keys",
        Column("id", Text, primary_key=True),
        _text("name"),
        Column("hash", Text, nullable=False, unique=True),
        _text("role"),
        Column("scope", JSON, nullable=False),
        Column("created_ns", BigInteger, nullable=False),
        *(Column(name, BigInteger, nullable=True) for name in ("expires_ns", "revoked_ns", "last_used_ns")),
    )
    op.create_table(
        "audit",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("at_ns", BigInteger, nullable=False),
        *map(_text, ("actor", "action", "target")),
        Column("detail", JSON, nullable=False),
    )
    op.create_index("ix_audit_at_ns", "audit", ["at_ns"])
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


def downgrade() -> None:
    op.drop_table("jobs")
    op.drop_table("events")
    op.drop_table("audit")
    op.drop_table("access_keys")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)
