"""The sums beside the entries are checked against them, and made anew (FEATURES B12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import delete, insert, text, update

from otel_cost.ledger import SummaryQuery
from otel_cost.ledger.checking import days, rebuild_rollups, verify
from otel_cost.ledger.saving import put
from otel_cost.ledger.schema import (
    DAY_NS,
    archived,
    dims,
    distributions,
    entity_days,
    entries,
    records,
    rollups_15min,
    rollups_day,
)
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.model import Reason, Void
from tests.contract.ledger.books import NOON, again, by, priced, record, unpriced
from tests.contract.ledger.conftest import POSTGRES, new_database
from tests.contract.ledger.crowd import DAYS, END, GROUPINGS, MIDNIGHT, live

TABLES = (rollups_15min, rollups_day, entity_days, distributions)


@pytest.fixture(params=["sqlite", "sqlite-memory", POSTGRES])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    urls: dict[str, Callable[[], str]] = {
        "sqlite": lambda: f"sqlite:///{tmp_path / 'book.db'}",
        "sqlite-memory": lambda: "sqlite://",
        "postgres": lambda: new_database(request.getfixturevalue("postgres")),
    }
    with open_ledger(urls[request.param]()) as opened:
        yield opened


def test_a_book_that_was_lived_in_has_no_findings(book: SqlLedger) -> None:
    assert verify(book) == ()
    live(book, Random(50), calls=80)
    assert list(days(book)) == [MIDNIGHT + number * DAY_NS for number in range(DAYS)]
    told: list[int] = []
    assert verify(book, told=told.append) == ()
    assert told == [1] * DAYS


def test_what_is_made_anew_is_what_was_kept(book: SqlLedger) -> None:
    live(book, Random(51), calls=80)
    questions = [SummaryQuery(MIDNIGHT, END, names) for names in GROUPINGS]

    def answers() -> list[object]:
        return [
            [book.summary(query) for query in questions],
            book.entities("session", questions[0]),
            book.distributions(questions[1], [0.5, 0.9]),
        ]

    before = answers()
    with book.transaction() as connection:
        for table in TABLES:
            connection.execute(delete(table))
    assert answers() != before
    assert {finding.table for finding in verify(book)} == {table.name for table in TABLES}
    assert rebuild_rollups(book) == DAYS
    assert answers() == before
    assert verify(book) == ()
    live(book, Random(51), calls=80)  # the same calls go on
    assert verify(book) == ()


def test_a_changed_sum_is_named_with_both_figures(book: SqlLedger) -> None:
    book.write([record(1, session="s", team="a")], booked_at_ns=NOON)
    with book.transaction() as connection:
        connection.execute(update(rollups_day).values(amount_nano=999, operations=2))
    (found,) = verify(book)
    assert (found.table, found.expected, found.found) == (
        "rollups_day", "operations 1, amount_nano 1000", "operations 2, amount_nano 999",
    )  # fmt: skip
    assert found.what.startswith("2026-09-21T00:00:00Z of provider openai, model gpt-5-2025-08-07")
    assert "team a" in found.what
    rebuild_rollups(book, days(book))
    assert verify(book) == ()


def test_rows_that_should_not_be_there_are_found_and_go(book: SqlLedger) -> None:
    book.write([record(1, session="s")], booked_at_ns=NOON)
    stray = record(1).start_ns // DAY_NS * DAY_NS + 7 * DAY_NS
    with book.transaction() as connection:
        dims_id = connection.execute(text("SELECT id FROM dims")).scalar_one()
        numbers = (1,) * 10
        put(connection, rollups_15min, [(stray, dims_id, "", *numbers)])
        put(connection, rollups_day, [(stray, dims_id, "", *numbers)])
        put(connection, entity_days, [("session", stray, "ghost", dims_id, *numbers, stray, stray)])
        put(connection, distributions, [(stray, dims_id, "cost", 3, 5)])
    found = verify(book)
    assert [(finding.table, finding.expected) for finding in found] == [(table.name, "nothing") for table in TABLES]
    assert "session 'ghost'" in found[2].what
    assert found[3].found == "calls 5"
    assert stray in days(book)
    assert rebuild_rollups(book) == 2
    assert verify(book) == ()


def test_a_row_of_zeros_is_no_finding(book: SqlLedger) -> None:
    first = record(1, unpriced(Reason.PRICES_LOADING), session="s")
    book.write([first], booked_at_ns=NOON)
    book.write([again(first, priced(5))], booked_at_ns=NOON + 1)
    assert verify(book) == ()
    rebuild_rollups(book)
    assert verify(book) == ()


def test_dimensions_of_another_name_are_found_and_set_right(book: SqlLedger) -> None:
    book.write([record(1, team="a")], booked_at_ns=NOON)
    with book.transaction() as connection:
        connection.execute(update(dims).values(team="b"))
    assert by(book, "team") == {("b",): 1000}
    (found,) = verify(book)
    assert (found.table, "team b" in found.what) == ("dims", True)
    rebuild_rollups(book)
    assert by(book, "team") == {("a",): 1000}
    assert verify(book) == ()


def test_what_was_taken_back_otherwise_than_posted_is_found(book: SqlLedger) -> None:
    book.write([record(1), record(2)], [Void(record(2).key, Reason.SAME_CALL, record(1).key)], booked_at_ns=NOON)
    with book.transaction() as connection:
        changed = update(entries).where(entries.c.operations == -1).values(amount_nano=-400)
        connection.execute(changed)
    found = [finding for finding in verify(book) if finding.table == "entries"]
    assert [(one.what, one.expected, one.found) for one in found] == [
        (
            f"call {record(2).key}",
            "amount_nano 0, entries of other parts 0",
            "amount_nano 600, entries of other parts 1",
        )
    ]


def test_archived_days_are_left_alone(book: SqlLedger) -> None:
    live(book, Random(52), calls=60)
    whole = SummaryQuery(MIDNIGHT, END)
    before = book.summary(whole).total
    with book.transaction() as connection:
        closed = {column.name: 0 for column in archived.columns} | {"day_ns": MIDNIGHT, "place": "somewhere"}
        connection.execute(insert(archived).values(closed))
        gone = entries.c.occurred_ns < MIDNIGHT + DAY_NS
        connection.execute(delete(entries).where(gone))
        connection.execute(delete(records).where(records.c.start_ns < MIDNIGHT + DAY_NS))
    assert MIDNIGHT not in days(book)
    assert verify(book) == ()
    assert verify(book, [MIDNIGHT]) == ()
    assert rebuild_rollups(book, [MIDNIGHT, MIDNIGHT + DAY_NS]) == 1
    assert book.summary(whole).total == before


def test_there_is_an_end_of_findings(book: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_cost.ledger.checking.MOST", 3)
    live(book, Random(53), calls=40)
    with book.transaction() as connection:
        connection.execute(update(entity_days).values(amount_nano=7))
    assert len(verify(book)) == 3
