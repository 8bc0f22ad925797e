"""On PostgreSQL, entries by month. On SQLite, which has no partitions, nothing."""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0005"
down_revision = "0004"

_COLUMNS: Final = (
    "id, record_key, sequence, entry, operations, occurred_ns, booked_ns, amount_nano, list_nano, input_nano,"
    " output_nano, cache_read_nano, cache_write_nano, other_nano, input_tokens, output_tokens, status, reason, detail,"
    " pricing_model, price_id, catalog, source, counted_as, paying_list_nano"
)


def upgrade() -> None:
    """The months' own partitions are made, and filled, when all revisions are there."""
    if op.get_bind().dialect.name != "postgresql":
        return
    _put_aside()
    op.execute("CREATE TABLE entries (LIKE entries_before INCLUDING DEFAULTS) PARTITION BY RANGE (occurred_ns)")
    op.execute("CREATE TABLE entries_default PARTITION OF entries DEFAULT")
    _fill("uq_entries_record_key_sequence_occurred_ns UNIQUE (record_key, sequence, occurred_ns)")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    _put_aside()
    op.execute("CREATE TABLE entries (LIKE entries_before INCLUDING DEFAULTS)")
    op.execute("ALTER TABLE entries ADD CONSTRAINT pk_entries PRIMARY KEY (id)")
    _fill("uq_entries_record_key_sequence UNIQUE (record_key, sequence)")


def _put_aside() -> None:
    """Whoever writes waits; the sequence outlives the table that it counts for."""
    op.execute("LOCK TABLE records, entries IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE entries RENAME TO entries_before")
    op.execute("ALTER SEQUENCE entries_id_seq OWNED BY NONE")
    op.execute("ALTER TABLE entries_before DROP CONSTRAINT IF EXISTS pk_entries")


def _fill(unique: str) -> None:
    op.execute(f"INSERT INTO entries ({_COLUMNS}) SELECT {_COLUMNS} FROM entries_before")
    op.execute("DROP TABLE entries_before")
    op.execute("ALTER SEQUENCE entries_id_seq OWNED BY entries.id")
    op.execute(f"ALTER TABLE entries ADD CONSTRAINT {unique}")
    op.execute(
        "ALTER TABLE entries ADD CONSTRAINT fk_entries_record_key FOREIGN KEY (record_key)"
        " REFERENCES records (record_key)"
    )
    op.execute("CREATE INDEX ix_entries_occurred_ns ON entries (occurred_ns)")
    op.execute("CREATE INDEX ix_entries_booked_ns ON entries (booked_ns)")
