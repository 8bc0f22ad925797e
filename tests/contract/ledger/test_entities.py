"""What sessions, users, traces, ... came to, by the day; and how durations and costs are spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from otel_cost.ledger import CallQuery, Ledger, SummaryQuery
from otel_cost.ledger.schema import DAY_NS
from otel_cost.model import CostRecord, Kind, Status
from tests.contract.ledger.books import EVER, NOON, again, priced, record, settled_elsewhere, unpriced
from tests.contract.ledger.crowd import END, FILTERS, LATER, MIDNIGHT, live, questions

STANDING = (Status.PRICED, Status.ESTIMATED, Status.UNPRICED)


def test_entities_are_the_sums_of_their_calls(ledger: Ledger) -> None:
    random = Random(30)
    live(ledger, random, calls=50)
    for _ in range(4):
        query = questions(random)
        days = (query.from_ns // DAY_NS * DAY_NS, -(-query.to_ns // DAY_NS) * DAY_NS)
        if query.from_ns == query.to_ns:
            days = (query.from_ns, query.to_ns)
        for kind in ("session", "user"):
            found = ledger.entities(kind, query)
            asked = replace(query, from_ns=days[0], to_ns=days[1], as_of_ns=LATER, group_by=(kind, *query.group_by))
            expected = {row.group: replace(row, group=row.group[1:]) for row in ledger.summary(asked).rows}
            assert {(sums.entity, *sums.row.group): sums.row for sums in found} == {
                group: row for group, row in expected.items() if group[0]
            }, (kind, query)


def test_the_dearest_come_first_and_no_more_than_are_asked_for(ledger: Ledger) -> None:
    ledger.write(
        [
            record(1, priced(10), session="cheap"),
            record(2, priced(500), session="dear"),
            record(3, priced(700), session="dear", team="support"),
            record(4, priced(600), session="middle"),
            record(5, priced(9000)),
        ],
        booked_at_ns=NOON,
    )
    assert [(sums.entity, sums.row.amount_nano) for sums in ledger.entities("session", EVER)] == [
        ("dear", 1200), ("middle", 600), ("cheap", 10),
    ]  # fmt: skip
    by_team = ledger.entities("session", replace(EVER, group_by=("team",)), limit=2)
    assert [(sums.entity, sums.row.group, sums.row.amount_nano) for sums in by_team] == [
        ("dear", ("support",), 700), ("dear", ("search",), 500), ("middle", ("search",), 600),
    ]  # fmt: skip
    assert [sums.entity for sums in ledger.entities("session", replace(EVER, filters={"team": "support"}))] == ["dear"]
    assert ledger.entities("execution", EVER) == ()


def test_one_entity_alone_has_its_first_and_last_call(ledger: Ledger) -> None:
    ledger.write([record(number, session="s" if number % 2 else "t") for number in range(10)], booked_at_ns=NOON)
    (found,) = ledger.entities("session", EVER, entity="s")
    assert (found.first_ns, found.last_ns) == (record(1).start_ns, record(9).start_ns)
    assert (found.row.calls, found.row.amount_nano, found.row.input_tokens) == (5, 5000, 500)
    assert ledger.entities("session", EVER, entity="nobody") == ()
    (trace,) = ledger.entities("trace", EVER, entity=record(3).trace_id)
    assert (trace.row.calls, trace.first_ns) == (1, record(3).start_ns)


def test_what_is_settled_elsewhere_costs_an_entity_nothing(ledger: Ledger) -> None:
    twin = again(record(2, session="s"), settled_elsewhere(), counted_as=record(1).key)
    ledger.write([record(1, session="s"), twin], booked_at_ns=NOON)
    (found,) = ledger.entities("session", EVER)
    assert (found.row.amount_nano, found.row.calls) == (1000, 1)
    assert found.row.operations == {Status.PRICED: 1, Status.DUPLICATE: 1}


def test_the_period_is_widened_to_whole_days(ledger: Ledger) -> None:
    at = record(1, session="s").start_ns
    ledger.write([record(1, session="s")], booked_at_ns=NOON)
    day = at // DAY_NS * DAY_NS
    late = day + DAY_NS - 1
    assert len(ledger.entities("session", SummaryQuery(late, late + 1))) == 1
    assert len(ledger.entities("session", SummaryQuery(day - DAY_NS, day))) == 0
    assert len(ledger.entities("session", SummaryQuery(late, late))) == 0, "an empty period stays empty"
    assert len(ledger.distributions(SummaryQuery(late, late + 1), [0.5])) == 1


@pytest.mark.parametrize(
    ("kind", "query", "named"),
    [
        ("team", EVER, "no kind of entity; allowed: session"),
        ("session", replace(EVER, group_by=("price_id",)), "not kept by 'price_id'"),
        ("session", replace(EVER, filters={"user": "ada"}), "not kept by 'user'"),
        ("session", replace(EVER, as_of_ns=1), "leave as_of out"),
    ],
)
def test_what_days_cannot_tell_is_refused(ledger: Ledger, kind: str, query: SummaryQuery, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ledger.entities(kind, query)
    if query != EVER:
        with pytest.raises(ValueError, match=named):
            ledger.distributions(query, [0.5])


def test_quantiles_are_within_five_percent_of_the_true_ones(ledger: Ledger) -> None:
    live(ledger, Random(31), calls=80)
    shares = [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1]
    for filters in FILTERS[:4]:
        query = SummaryQuery(MIDNIGHT, END, ("provider",), filters)
        calls = [
            one.record
            for one in ledger.calls(CallQuery(MIDNIGHT, END, filters, limit=1000))
            if one.record.charge.status in STANDING
        ]
        found = ledger.distributions(query, shares)
        assert {row.group for row in found} == {(one.provider,) for one in calls}
        for row in found:
            of = [one for one in calls if one.provider == row.group[0]]
            assert (row.calls, row.errors) == (len(of), sum(1 for one in of if one.error))
            _close(row.duration_s, [one.end_ns - one.start_ns for one in of], 1e9)
            _close(row.amount_nano, [one.charge.amount_nano for one in of if one.charge.status.counted], 1)


def _close(found: object, values: Sequence[int], unit: float) -> None:
    assert isinstance(found, dict)
    ordered = sorted(values)
    assert bool(found) == bool(ordered)
    for share, value in found.items():
        true = ordered[max(1, math.ceil(share * len(ordered))) - 1] / unit
        assert value == pytest.approx(true, rel=0.05), (share, true)


def test_calls_without_a_price_have_a_duration_and_no_cost(ledger: Ledger) -> None:
    tool = replace(record(2, unpriced()), kind=Kind.TOOL)
    ledger.write([_lasting(tool, 2.0), again(record(3), settled_elsewhere())], booked_at_ns=NOON)
    (found,) = ledger.distributions(EVER, [0.5])
    assert (found.calls, found.errors, dict(found.amount_nano)) == (1, 0, {})
    assert found.duration_s[0.5] == pytest.approx(2, rel=0.05)
    with pytest.raises(ValueError, match=r"1\.5 is no quantile"):
        ledger.distributions(EVER, [1.5])


def _lasting(one: CostRecord, seconds: float) -> CostRecord:
    return replace(one, end_ns=one.start_ns + round(seconds * 1e9))
