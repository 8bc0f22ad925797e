"""What a database has in it, so that two can be compared: more than Alembic compares."""

from __future__ import annotations

import re
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from otel_cost.ledger.migrations import VERSION_TABLE
from otel_cost.ledger.schema import metadata

_OF_POSTGRES = (
    "SELECT 'column ' || c.relname, a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN"
    " ' NOT NULL' ELSE '' END || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')"
    " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped",
    "SELECT 'constraint ' || conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND contype <> 'n'",
    "SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT 'part', relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'",
    "SELECT 'sequence', s.relname, d.refobjid::regclass || '' FROM pg_class s JOIN pg_depend d ON d.objid = s.oid"
    " AND d.deptype = 'a' WHERE s.relkind = 'S'",
)

# Alembic does not see that a constraint or an index is another database's.
_ELSEWHERE = {
    "sqlite": ("uq_entries_record_key_sequence_occurred_ns", "ix_entries_id"),
    "postgresql": ("uq_entries_record_key_sequence",),
}


def shape(connection: Connection) -> set[tuple[str, ...]]:
    """Tables, columns, constraints, indexes and partitions as the database tells them, whatever the columns' order."""
    if connection.dialect.name == "postgresql":
        found = {tuple(map(str, row)) for statement in _OF_POSTGRES for row in connection.execute(text(statement))}
        return {row for row in found if VERSION_TABLE not in "".join(row)}
    return {part for sql in _sqlite(connection) for part in _parts(sql)}


def differences(connection: Connection) -> list[Any]:
    """What Alembic would change to make the database what the code says that it is."""
    elsewhere = _ELSEWHERE[connection.dialect.name]
    context = MigrationContext.configure(
        connection,
        opts={
            "include_name": _ours,
            "include_object": lambda _object, name, *_more: name not in elsewhere,
            "compare_server_default": True,
            "compare_type": True,
        },
    )
    return list(compare_metadata(context, metadata))


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name in metadata.tables


def _sqlite(connection: Connection) -> list[str]:
    made = connection.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")).scalars()
    return [sql for sql in made if VERSION_TABLE not in sql]


def _parts(sql: str) -> set[tuple[str, ...]]:
    """``CREATE TABLE`` taken apart by lines: a column that was added later is at the end."""
    words = " ".join(sql.split())
    head, _, body = words.partition("(")
    return {(head.strip(), part.strip(" )")) for part in re.split(r", (?![^(]*\))", body)}
