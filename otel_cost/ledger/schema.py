"""The tables of the book. Money is nano-USD and time UTC nanoseconds, both 64-bit integers everywhere.

Columns that a later release added may be NULL: ``SqlLedger.prepare`` adds those to a book that lacks them, at its end.

``entries`` is append-only. ``records`` has one row a call: what it was (never changed), and a pointer to the entry that
holds its present verdict (the last one), so that a re-sent record is compared with one look. ``opinions`` stands beside
them: what others say that a call cost, by the entry that it was compared with. It is in no sum.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from otel_cost.ledger.base import LABEL_COLUMNS
from otel_cost.model import COST_PARTS

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PART_COLUMNS: Final = tuple(f"{part}_nano" for part in COST_PARTS)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


records: Final = Table(
    "records",
    metadata,
    Column("record_key", Text, primary_key=True),
    *map(_text, ("trace_id", "span_id", "parent_span_id", "response_id")),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("booked_ns", BigInteger, nullable=False),
    *map(
        _text,
        ("kind", "operation", "provider", "model", "model_requested", "model_answered", "process", "scope", "layer"),
    ),
    *map(_text, LABEL_COLUMNS),
    Column("labels", JSON, nullable=False),
    Column("usage", JSON, nullable=True),
    *map(_text, ("caller_route", "caller_address", "caller_token_hash", "finish_reason", "error")),
    *(Column(flag, Boolean, nullable=False) for flag in ("streaming", "sampled")),
    Column("time_to_first_chunk_s", Double, nullable=True),
    _text("status"),
    _text("counted_as"),
    Column("sequence", Integer, nullable=False),
    # What the price went by. NULL in rows of a release that did not keep it: such calls cannot be priced anew.
    Column("service_tier", Text, nullable=True),
    Column("server_address", Text, nullable=True),
    Column("usage_estimated", Boolean, nullable=True),
    Index(None, "start_ns"),
    Index(None, "booked_ns"),
)

entries: Final = Table(
    "entries",
    metadata,
    # SQLite counts up by itself only in a column declared INTEGER, which is 64 bits wide there.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("record_key", Text, ForeignKey("records.record_key"), nullable=False),
    Column("sequence", Integer, nullable=False),
    _text("entry"),
    Column("operations", SmallInteger, nullable=False),
    Column("occurred_ns", BigInteger, nullable=False),
    Column("booked_ns", BigInteger, nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("list_nano", BigInteger, nullable=False),
    *(Column(part, BigInteger, nullable=False) for part in PART_COLUMNS),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    *map(_text, ("status", "reason", "detail", "pricing_model", "price_id", "catalog", "source", "counted_as")),
    # The part of list_nano that no free allowance covered; NULL where no price schedule applied.
    Column("paying_list_nano", BigInteger, nullable=True),
    # Two writers that both believe a record to be new, or to need the same correction, cannot both commit.
    UniqueConstraint("record_key", "sequence"),
    Index(None, "occurred_ns"),
    Index(None, "booked_ns"),
)

opinions: Final = Table(
    "opinions",
    metadata,
    Column("record_key", Text, ForeignKey("records.record_key"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("amount_nano", BigInteger, nullable=False),
    Column("against_nano", BigInteger, nullable=True),
    Column("disagrees", Boolean, nullable=False),
)
