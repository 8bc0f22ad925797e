"""The tables of the book. Money is nano-USD and time UTC nanoseconds, both 64-bit integers everywhere.

A change here needs a revision in ``otel_cost/ledger/migrations``: a book that was upgraded is what one made anew is.

``entries`` is append-only. ``records`` has one row a call: what it was (never changed), and a pointer to the entry that
holds its present verdict (the last one), so that a re-sent record is compared with one look. ``opinions`` stands beside
them: what others say that a call cost, by the entry that it was compared with. It is in no sum.

What is asked for often is summed in the transaction that books it. ``dims`` names each combination of values of few
(``ROLLED_UP``). ``rollups_15min`` and ``rollups_day`` are the entries' sums by it and by the call's start, in UTC (time
zones of half and quarter hours exist); ``entity_days`` by what has many values (a session, a trace); ``distributions``
are the numbers of calls by duration and by cost. All of them can be made anew from ``entries`` and ``records``, but for
days that are ``archived``: of those they are what is left.
"""

from __future__ import annotations

from typing import Final

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
    event,
    text,
)

from otel_cost.ledger.questions import LABEL_COLUMNS, RECORD_FIELDS
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


_UNPRICED: Final = text("status = 'unpriced'")

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
    # Few, and looked for among millions.
    Index("ix_records_unpriced", "provider", "model", "start_ns", sqlite_where=_UNPRICED, postgresql_where=_UNPRICED),
    Index("ix_records_unpriced_start", "start_ns", sqlite_where=_UNPRICED, postgresql_where=_UNPRICED),
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
    UniqueConstraint("record_key", "sequence").ddl_if(dialect="sqlite"),
    # A partitioned table can promise only what each part can see. It says the same: a record's start is fixed by its
    # first booking (two first bookings meet in the primary key of records), and each entry takes it from there.
    UniqueConstraint("record_key", "sequence", "occurred_ns").ddl_if(dialect="postgresql"),
    Index(None, "occurred_ns"),
    Index(None, "booked_ns"),
    # Servers look for what others booked last; on SQLite this is the primary key.
    Index("ix_entries_id", "id").ddl_if(dialect="postgresql"),
    # By month: see otel_cost.ledger.partitions.
    postgresql_partition_by="RANGE (occurred_ns)",
)
entries.primary_key.ddl_if(dialect="sqlite")


def _default_partition(_table: Table, connection: Connection, **_options: object) -> None:
    """What starts in no month that has a partition needs a place as well."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("CREATE TABLE entries_default PARTITION OF entries DEFAULT")


event.listen(entries, "after_create", _default_partition)

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

ROLLED_UP: Final = (*RECORD_FIELDS, "status", "reason", "pricing_model", *LABEL_COLUMNS)
"""The names by which roll-ups are kept: all but the verdict's ids and texts."""
SUMS: Final = ("amount_nano", "list_nano", *PART_COLUMNS, "input_tokens", "output_tokens")
"""Columns of entries that are summed, as they stand: their sign is in them."""
QUARTER_NS: Final = 15 * 60 * 10**9
DAY_NS: Final = 86_400 * 10**9

dims: Final = Table(
    "dims",
    metadata,
    # Half of the 128 bits of a hash of the values: every writer makes the same id without asking.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *map(_text, ROLLED_UP),
    # "1" for calls that failed, else empty.
    _text("failed"),
)


def _sums() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in ("operations", *SUMS)]


def _rollup(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("start_ns", BigInteger, primary_key=True, autoincrement=False),
        Column("dims_id", BigInteger, ForeignKey("dims.id"), primary_key=True, autoincrement=False),
        # Several servers over one database add to rows of their own: none waits for another's commit.
        Column("writer", Text, primary_key=True),
        *_sums(),
        sqlite_with_rowid=False,
    )


rollups_15min: Final = _rollup("rollups_15min")
rollups_day: Final = _rollup("rollups_day")

entity_days: Final = Table(
    "entity_days",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("day_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("entity", Text, primary_key=True),
    Column("dims_id", BigInteger, ForeignKey("dims.id"), primary_key=True, autoincrement=False),
    *_sums(),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Index("ix_entity_days_entity", "entity", "kind"),
    sqlite_with_rowid=False,
)

distributions: Final = Table(
    "distributions",
    metadata,
    Column("day_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("dims_id", BigInteger, ForeignKey("dims.id"), primary_key=True, autoincrement=False),
    # "duration" or "cost".
    Column("measure", Text, primary_key=True),
    # The bin of x >= 1 (ns, nano-USD) is floor(log(x) / log(1.1)); what is below 1 has the bin -1.
    Column("bin", SmallInteger, primary_key=True, autoincrement=False),
    Column("calls", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

access_keys: Final = Table(
    "access_keys",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    # SHA-256 of the secret, which is random: nothing to guess, so nothing to slow down.
    Column("hash", Text, nullable=False, unique=True),
    _text("role"),
    Column("scope", JSON, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=True),
    Column("revoked_ns", BigInteger, nullable=True),
    Column("last_used_ns", BigInteger, nullable=True),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_ns", BigInteger, nullable=False),
    # The id of the key that did it, or who ran the command.
    _text("actor"),
    # What was done to what: "key.created", "prices.loaded", ...
    _text("action"),
    _text("target"),
    Column("detail", JSON, nullable=False),
    Index(None, "at_ns"),
)


events: Final = Table(
    "events",
    metadata,
    # A hash of what was told: an app that sends it again adds nothing.
    Column("key", Text, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("booked_ns", BigInteger, nullable=False),
    *map(_text, ("name", "budget", "severity", "message")),
    Column("labels", JSON, nullable=False),
    Column("attributes", JSON, nullable=False),
    Index(None, "at_ns"),
)

archived: Final = Table(
    "archived",
    metadata,
    # Calls that started on this UTC day are closed, and so are all before it: their rows in records, entries and
    # opinions are gone, or on their way out. What follows is what they were.
    Column("day_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("closed_ns", BigInteger, nullable=False),
    # The directory with the files; empty where none were wanted.
    _text("place"),
    *(Column(name, BigInteger, nullable=False) for name in ("records", "entries", "amount_nano")),
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True),
    # Of the last run, whichever server did it.
    Column("started_ns", BigInteger, nullable=False),
    Column("finished_ns", BigInteger, nullable=False),
    # Runs that failed since the last one that did not.
    Column("failures", Integer, nullable=False),
    # What it did, or what was wrong.
    _text("outcome"),
)
