"""Archived calls as Parquet, by pyarrow. The columns are those of the tables, with their types."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Integer, SmallInteger

from otel_cost.ledger import archive_rows
from otel_cost.ledger.schema import records

# It has no types of its own to check against.
_arrow: Final[Any] = importlib.import_module("pyarrow")
_parquet: Final[Any] = importlib.import_module("pyarrow.parquet")

_GROUP: Final = 10_000
"""Calls in a group of rows: what is in memory at once."""

Row = Mapping[str, Any]


def write(path: Path, rows: Iterable[Row]) -> None:
    """A file of ``rows``, group by group."""
    schema = _schema()
    with _parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting = iter(rows)
        while some := list(islice(waiting, _GROUP)):
            writer.write_table(_arrow.Table.from_pylist(some, schema=schema))


def read(path: Path) -> Iterator[Row]:
    """The rows of a file."""
    with _parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_GROUP):
            yield from batch.to_pylist(maps_as_pydicts="strict")


def _schema() -> Any:
    def struct(columns: Iterable[Column[Any]]) -> Any:
        return _arrow.list_(_arrow.struct([_field(column) for column in columns]))

    calls = [_field(column) for column in records.columns]
    entries, opinions = struct(archive_rows.ENTRY_COLUMNS), struct(archive_rows.OPINION_COLUMNS)
    return _arrow.schema([*calls, _arrow.field("entries", entries), _arrow.field("opinions", opinions)])


def _field(column: Column[Any]) -> Any:
    return _arrow.field(column.name, _type(column), nullable=bool(column.nullable))


def _type(column: Column[Any]) -> Any:
    # The narrower ones first: they are kinds of the wider.
    kinds = (
        (SmallInteger, _arrow.int16()),
        (BigInteger, _arrow.int64()),
        (Integer, _arrow.int32()),
        (Boolean, _arrow.bool_()),
        (Double, _arrow.float64()),
    )
    if isinstance(column.type, JSON):
        return _arrow.map_(_arrow.string(), _arrow.int64() if column.name == "usage" else _arrow.string())
    return next((arrow for kind, arrow in kinds if isinstance(column.type, kind)), _arrow.string())
