"""Records, entries and opinions, as release 0.1 made them.

A book of that release says nothing of revisions: this one then finds its tables there, and adds what an even earlier
one lacks.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    inspect,
)

from otel_cost.errors import LedgerError
from otel_cost.ledger.schema import metadata as of_today

revision = "0001"
down_revision = None

_metadata = MetaData(naming_convention=of_today.naming_convention)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


Table(
    "records",
    _metadata,
    Column("record_key", Text, primary_key=True),
    *map(_text, ("trace_id", "span_id", "parent_span_id", "response_id")),
    *map(_amount, ("start_ns", "end_ns", "booked_ns")),
    *map(_text, ("kind", "operation", "provider", "model", "model_requested", "model_answered")),
    *map(_text, ("process", "scope", "layer")),
    *map(_text, ("service", "environment", "tenant", "workspace", "team", "project", "feature", "agent")),
    Column("labels", JSON, nullable=False),
    Column("usage", JSON, nullable=True),
    *map(_text, ("caller_route", "caller_address", "caller_token_hash", "finish_reason", "error")),
    *(Column(flag, Boolean, nullable=False) for flag in ("streaming", "sampled")),
    Column("time_to_first_chunk_s", Double, nullable=True),
    *map(_text, ("status", "counted_as")),
    Column("sequence", Integer, nullable=False),
    Column("service_tier", Text, nullable=True),
    Column("server_address", Text, nullable=True),
    Column("usage_estimated", Boolean, nullable=True),
    Index(None, "start_ns"),
    Index(None, "booked_ns"),
)

Table(
    "entries",
    _metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("record_key", Text, ForeignKey("records.record_key"), nullable=False),
    Column("sequence", Integer, nullable=False),
    _text("entry"),
    Column("operations", SmallInteger, nullable=False),
    *map(_amount, ("occurred_ns", "booked_ns", "amount_nano", "list_nano")),
    *map(_amount, ("input_nano", "output_nano", "cache_read_nano", "cache_write_nano", "other_nano")),
    *map(_amount, ("input_tokens", "output_tokens")),
    *map(_text, ("status", "reason", "detail", "pricing_model", "price_id", "catalog", "source", "counted_as")),
    Column("paying_list_nano", BigInteger, nullable=True),
    UniqueConstraint("record_key", "sequence"),
    Index(None, "occurred_ns"),
    Index(None, "booked_ns"),
)

Table(
    "opinions",
    _metadata,
    Column("record_key", Text, ForeignKey("records.record_key"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("amount_nano", BigInteger, nullable=False),
    Column("against_nano", BigInteger, nullable=True),
    Column("disagrees", Boolean, nullable=False),
)


def upgrade() -> None:
    connection = op.get_bind()
    _metadata.create_all(connection)
    for table in _metadata.sorted_tables:
        _add_columns(connection, table)


def downgrade() -> None:
    raise LedgerError("0001 is the first revision of the book: below it there is none")


def _add_columns(connection: Connection, table: Table) -> None:
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there and column.nullable:
            op.add_column(table.name, Column(column.name, column.type, nullable=True))
