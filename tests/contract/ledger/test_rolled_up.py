"""Answers out of roll-ups are the answers that entries give."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise
from random import Random

import pytest

from otel_cost.ledger import Ledger, SeriesRow, SummaryQuery
from otel_cost.ledger.schema import DAY_NS, QUARTER_NS
from otel_cost.model import Reason, Status
from tests.contract.ledger.books import EVER, NOON, again, priced, record, unpriced
from tests.contract.ledger.crowd import END, GROUPINGS, LATER, MIDNIGHT, instants, live, questions


def from_entries(query: SummaryQuery) -> SummaryQuery:
    return replace(query, as_of_ns=LATER)


def test_a_summary_is_the_same_out_of_roll_ups_and_entries(ledger: Ledger) -> None:
    random = Random(20)
    live(ledger, random, calls=100)
    whole = SummaryQuery(MIDNIGHT, END)
    asked = [replace(whole, group_by=names) for names in GROUPINGS] + [questions(random) for _ in range(10)]
    answered = 0
    for query in asked:
        summary = ledger.summary(query)
        expected = ledger.summary(from_entries(query))
        assert (summary.total, summary.rows) == (expected.total, expected.rows), query
        answered += len(summary.rows)
    assert answered > 30
    assert ledger.summary(whole).total.calls > 30


def test_values_that_read_the_same_one_after_the_other_are_kept_apart(ledger: Ledger) -> None:
    """Whatever stands between the values of which an id is made may be in one of them."""
    ledger.write([record(1, priced(1000), team="a\x1fb", project="c")], booked_at_ns=NOON)
    ledger.write([record(2, priced(7), team="a", project="b\x1fc")], booked_at_ns=NOON)
    query = replace(EVER, group_by=("team", "project"))
    assert ledger.summary(query).rows == ledger.summary(from_entries(query)).rows
    assert [row.amount_nano for row in ledger.summary(query).rows] == [1000, 7]


def test_unpriced_calls_are_the_same_out_of_roll_ups_and_entries(ledger: Ledger) -> None:
    random = Random(21)
    live(ledger, random, calls=100)
    for query in [SummaryQuery(MIDNIGHT, END), *(questions(random) for _ in range(4))]:
        found = ledger.unpriced(query)
        assert found == ledger.unpriced(from_entries(query)), query
    assert len(ledger.unpriced(SummaryQuery(MIDNIGHT, END))) > 3


def test_a_series_is_a_summary_of_each_part(ledger: Ledger) -> None:
    random = Random(22)
    live(ledger, random, calls=100)
    for _ in range(3):
        query = questions(random)
        between = sorted(at for at in islice(instants(random), 12) if query.from_ns < at < query.to_ns)
        edges = [query.from_ns, *between, query.to_ns]
        expected = [
            SeriesRow(start, row)
            for start, end in pairwise(edges)
            for row in ledger.summary(from_entries(replace(query, from_ns=start, to_ns=end))).rows
        ]
        assert list(ledger.series(query, edges)) == expected, (query, edges)
        assert list(ledger.series(from_entries(query), edges)) == expected


@pytest.mark.parametrize("offset_h", [-8, -3.5, 0, 1, 5.75, 12])
def test_days_of_any_time_zone(ledger: Ledger, offset_h: float) -> None:
    random = Random(23)
    live(ledger, random, calls=60)
    first = MIDNIGHT - round(offset_h * 4) * QUARTER_NS
    edges = [first + number * DAY_NS for number in range(6)]
    query = SummaryQuery(edges[0], edges[-1], ("team",))
    assert ledger.series(query, edges) == ledger.series(from_entries(query), edges)


def test_by_hours_and_by_what_is_not_rolled_up(ledger: Ledger) -> None:
    live(ledger, Random(24), calls=60)
    edges = range(MIDNIGHT, END + 1, 4 * QUARTER_NS)
    for group_by in (("provider",), ("session",), ("catalog", "user")):
        query = SummaryQuery(MIDNIGHT, END, group_by)
        found = ledger.series(query, edges)
        assert found == ledger.series(from_entries(query), edges)
        assert sum(row.row.amount_nano for row in found) == ledger.summary(query).total.amount_nano > 0


def test_a_series_of_no_time_at_all(ledger: Ledger) -> None:
    ledger.write([record(1)], booked_at_ns=NOON)
    start = record(1).start_ns
    assert list(ledger.series(SummaryQuery(start, start), [start, start])) == []
    assert list(ledger.series(SummaryQuery(start, start), [start])) == []
    parts = ledger.series(SummaryQuery(start, start + 1), [start, start, start + 1])
    assert [(row.start_ns, row.row.amount_nano) for row in parts] == [(start, 1000)]
    with pytest.raises(ValueError, match="must ascend"):
        ledger.series(SummaryQuery(start, start + 1), [start + 1, start])


def test_what_was_corrected_is_counted_under_its_last_verdict_only(ledger: Ledger) -> None:
    first = record(1, unpriced(Reason.PRICES_LOADING))
    ledger.write([first], booked_at_ns=NOON)
    ledger.write([again(first, priced(2500))], booked_at_ns=NOON + 10)
    whole = replace(EVER, group_by=("status", "reason"))
    assert [(row.group, row.operations) for row in ledger.summary(whole).rows] == [(("priced", ""), {Status.PRICED: 1})]
    assert ledger.unpriced(EVER) == ()


def test_the_detail_of_an_unpriced_call_is_that_of_one_that_stands(ledger: Ledger) -> None:
    told = [replace(unpriced(), detail=f"detail {number}") for number in range(3)]
    calls = [record(number, charge) for number, charge in enumerate(told)]
    ledger.write(calls, booked_at_ns=NOON)
    ledger.write([again(calls[2], priced(5))], booked_at_ns=NOON + 1)
    (found,) = ledger.unpriced(EVER)
    assert (found.detail, found.operations) == ("detail 1", 2)
    assert ledger.unpriced(replace(EVER, filters={"status": "priced"})) == ()
    assert ledger.unpriced(replace(EVER, filters={"status": "unpriced"})) == (found,)
