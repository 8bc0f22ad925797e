"""Pieces of time as rows, handed over in one parameter: the statement is the same for any number of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, FromClause, Integer, text

from otel_cost.ledger.covering import Span

# The limit, of none, keeps SQLite from reading the parameter again for each row that is within a span.
_SPANS: Final = {
    "sqlite": "SELECT json_extract(value, '$[0]') AS part, json_extract(value, '$[1]') AS sign,"
    " json_extract(value, '$[2]') AS start_ns, json_extract(value, '$[3]') AS end_ns FROM json_each(:{0}) LIMIT -1",
    "postgresql": "SELECT (value ->> 0)::int AS part, (value ->> 1)::int AS sign, (value ->> 2)::bigint AS start_ns,"
    " (value ->> 3)::bigint AS end_ns FROM json_array_elements(CAST(:{0} AS json))",
}


def spans_of(name: str, dialect: str) -> FromClause:
    """Rows of ``part``, ``sign``, ``start_ns`` and ``end_ns``, from the parameter ``name``."""
    return (
        text(_SPANS[dialect].format(name))
        .columns(part=Integer, sign=Integer, start_ns=BigInteger, end_ns=BigInteger)
        .cte(f"spans_of_{name}")
    )


def spans_value(spans: Iterable[Span]) -> str:
    """The parameter's value."""
    return json.dumps([(span.part, span.sign, span.start_ns, span.end_ns) for span in spans])
