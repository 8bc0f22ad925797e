"""Books with calls of two months in them, and all that is in their tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, MetaData, inspect, select, text

from otel_cost.ledger import upgrading
from otel_cost.ledger.migrations import VERSION_TABLE
from otel_cost.ledger.partitions import Month
from otel_cost.ledger.schema import DAY_NS
from otel_cost.ledger.schema import metadata as of_today
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.model import CostRecord, Opinion, OpinionSource
from tests.contract.ledger.books import again, priced, record, settled_elsewhere, unpriced

OCTOBER: Final = Month(2025, 10)
NOVEMBER: Final = Month(2025, 11)
BOOKED: Final = NOVEMBER.end_ns


def call(number: int, start_ns: int, **labels: str) -> CostRecord:
    """The ``number``-th record, at another time; every tenth has no price, every seventh an opinion beside it."""
    made = record(number, unpriced() if number % 10 == 0 else priced(1000 + number), **labels)
    opinions = (Opinion(OpinionSource.GATEWAY, 999, 1000 + number, True),) if number % 7 == 0 else ()
    return replace(made, start_ns=start_ns, end_ns=start_ns + 10**9, opinions=opinions)


def calls(count: int = 200, *, first: int = 0) -> list[CostRecord]:
    """As many in October as in November 2025, spread over the days."""
    return [
        call(number, OCTOBER.start_ns + 61 * DAY_NS * (number - first) // count, team=f"team{number % 3}")
        for number in range(first, first + count)
    ]


def fill(ledger: SqlLedger, count: int = 200) -> list[CostRecord]:
    """Book them, correct some, and void one."""
    made = calls(count)
    ledger.write(made, booked_at_ns=BOOKED)
    ledger.write([again(made[number], priced(77)) for number in range(0, count, 20)], booked_at_ns=BOOKED + 1)
    ledger.write([again(made[1], settled_elsewhere(), counted_as=made[2].key)], booked_at_ns=BOOKED + 2)
    return made


def of_the_last_release(url: str, count: int = 200) -> None:
    """A book as release 0.1 leaves it: without a word about its revision."""
    with open_ledger(url) as ledger:
        fill(ledger, count)
        with ledger.transaction() as connection:
            upgrading.downgrade(connection, upgrading.FIRST)
            connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))


def contents(connection: Connection) -> Mapping[str, list[tuple[object, ...]]]:
    """Every row of every table of the book, in order."""
    return {name: rows_of(connection, name) for name in sorted(of_today.tables) if inspect(connection).has_table(name)}


def rows_of(connection: Connection, name: str) -> list[tuple[object, ...]]:
    there = MetaData()
    there.reflect(connection, only=[name], resolve_fks=False)
    columns = sorted(there.tables[name].columns, key=lambda column: column.name)
    return sorted((tuple(row) for row in connection.execute(select(*columns))), key=repr)


def booked(connection: Connection) -> tuple[int, int, int]:
    """Calls, entries, and the sum of all amounts in nano-USD."""
    calls = connection.execute(text("SELECT count(*) FROM records")).scalar_one()
    entries, amount = connection.execute(text("SELECT count(*), coalesce(sum(amount_nano), 0) FROM entries")).one()
    return int(calls), int(entries), int(amount)
