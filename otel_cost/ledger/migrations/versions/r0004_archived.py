"""The days whose calls were archived."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Text, text

from otel_cost.errors import LedgerError

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "archived",
        Column("day_ns", BigInteger, primary_key=True, autoincrement=False),
        Column("closed_ns", BigInteger, nullable=False),
        Column("place", Text, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in ("records", "entries", "amount_nano")),
    )


def downgrade() -> None:
    if op.get_bind().execute(text("SELECT count(*) FROM archived")).scalar_one():
        raise LedgerError(
            "calls of this book were archived: revisions before 0004 know nothing of that, and would lose their sums"
            " and book them again if they were sent again. Restore a backup from before the archiving instead"
        )
    op.drop_table("archived")
