"""What every ledger promises to those who price booked calls anew."""

from __future__ import annotations

from dataclasses import replace

from otel_cost.ledger import Correction, EntryKind, Ledger
from otel_cost.ledger.base import MAX_STORED
from otel_cost.model import Called, Kind, Reason, Status, Terms, Usage, Void
from tests.contract.ledger.books import (
    EVER,
    NOON,
    again,
    by,
    priced,
    record,
    settled_elsewhere,
    total,
    unpriced,
)

SECOND = 10**9


def test_standing_calls_come_in_order_and_in_pages(ledger: Ledger) -> None:
    batch = [record(n) for n in (5, 3, 1, 4)]
    same_time = [replace(record(n), start_ns=record(3).start_ns) for n in (7, 6)]
    ledger.write([*batch, *same_time, again(record(2), settled_elsewhere())], booked_at_ns=NOON)
    expected = [record(n).key for n in (1, 3, 6, 7, 4, 5)]
    assert [call.key for call in ledger.standing(0, MAX_STORED)] == expected
    found, after = [], None
    while page := ledger.standing(0, MAX_STORED, after=after, limit=2):
        assert len(page) <= 2
        found += [call.key for call in page]
        after = (page[-1].occurred_ns, page[-1].key)
    assert found == expected
    inside = ledger.standing(NOON + SECOND, NOON + 4 * SECOND)
    assert [call.key for call in inside] == expected[:4], "the start is inclusive, the end is not"


def test_a_standing_call_has_all_that_pricing_needs(ledger: Ledger) -> None:
    usage = Usage.of({"input_tokens": 9, "cache_read_tokens": 4, "output_tokens": 0, "web_searches": 2})
    full = replace(record(1), usage=usage, error="Timeout", terms=Terms("batch", "eu.example", usage_estimated=True))
    bare = replace(record(2), usage=None, terms=None, kind=Kind.TOOL)
    ledger.write([full, bare], booked_at_ns=NOON)
    first, second = ledger.standing(0, MAX_STORED)
    assert dict(first.counts) == dict(usage.counts)
    assert first.called == full.called == Called("openai", "gpt-5", "gpt-5-2025-08-07", full.terms)
    assert (first.charge, first.error, first.occurred_ns) == (full.charge, "Timeout", full.start_ns)
    assert (dict(second.counts), second.called.terms, second.dimensions["kind"]) == ({}, None, "tool")


def test_a_correction_takes_back_and_posts_anew_with_both_provenances(ledger: Ledger) -> None:
    ledger.write([record(1, priced(1000, catalog="october"))], booked_at_ns=100)
    (call,) = ledger.standing(0, MAX_STORED)
    better = replace(priced(1700, catalog="november"), price_id="some:other")
    back, posted = ledger.correct([Correction(call.key, call.sequence, better)], booked_at_ns=200).entries
    assert (back.kind, back.operations, back.charge.price_id, back.charge.catalog) == (
        EntryKind.CORRECTION, -1, "some:price", "october",
    )  # fmt: skip
    assert (posted.kind, posted.operations, posted.charge) == (EntryKind.CORRECTION, 1, better)
    assert by(ledger, "price_id", "catalog") == {("some:other", "november"): 1700}
    assert (total(ledger).calls, total(ledger).input_tokens) == (1, 100)
    earlier = ledger.summary(replace(EVER, group_by=("price_id", "catalog"), as_of_ns=199))
    assert {row.group: row.amount_nano for row in earlier.rows} == {("some:price", "october"): 1000}


def test_a_correction_worked_out_for_an_earlier_verdict_is_not_booked(ledger: Ledger) -> None:
    ledger.write([record(1), record(2)], booked_at_ns=NOON)
    corrections = [Correction(call.key, call.sequence, priced(7)) for call in ledger.standing(0, MAX_STORED)]
    ledger.write([], [Void(record(1).key, Reason.SAME_CALL, "")], booked_at_ns=NOON + 1)
    written = ledger.correct(corrections, booked_at_ns=NOON + 2)
    assert (written.corrected, written.unchanged) == (1, 1)
    assert total(ledger).operations == {Status.PRICED: 1, Status.DUPLICATE: 1}
    assert total(ledger).amount_nano == 7
    again_written = ledger.correct([*corrections, Correction("nobody", 0, priced(1))], booked_at_ns=NOON + 3)
    assert (again_written.corrected, again_written.unchanged, again_written.entries) == (0, 3, ())
    assert ledger.correct([], booked_at_ns=NOON).entries == ()


def test_a_corrected_call_is_not_corrected_back_when_it_is_sent_again(ledger: Ledger) -> None:
    """A price that was put right stays right."""
    first = record(1, priced(1000, catalog="october"))
    ledger.write([first], booked_at_ns=NOON)
    ledger.correct([Correction(first.key, 0, priced(1700, catalog="november"))], booked_at_ns=NOON + 1)
    assert ledger.write([first], booked_at_ns=NOON + 2).unchanged == 1
    assert total(ledger).amount_nano == 1700


def test_another_amount_by_the_same_schedule_does_not_correct(ledger: Ledger) -> None:
    """A schedule makes another amount of a call that is priced a second time, after what was used meanwhile."""
    first = record(1, replace(priced(1000), paying_list_nano=1000))
    ledger.write([first], booked_at_ns=NOON)
    less = replace(priced(900), paying_list_nano=900)
    assert ledger.write([again(first, less)], booked_at_ns=NOON + 1).unchanged == 1
    other_price = replace(less, price_id="some:tier")
    assert ledger.write([again(first, other_price)], booked_at_ns=NOON + 2).corrected == 1


def test_a_list_price_that_is_sent_again_does_not_undo_what_a_schedule_made_of_it(ledger: Ledger) -> None:
    """An app knows no schedules; re-pricing applied one, by the very same prices."""
    first = record(1, priced(1000))
    ledger.write([first], booked_at_ns=NOON)
    free = replace(priced(0), list_nano=1000, paying_list_nano=0, price_id="some:price+schedule:deal")
    ledger.correct([Correction(first.key, 0, free)], booked_at_ns=NOON + 1)
    assert ledger.write([first], booked_at_ns=NOON + 2).unchanged == 1
    assert total(ledger).amount_nano == 0
    more = replace(first, usage=Usage.of({"input_tokens": 200, "output_tokens": 10}), charge=priced(1900))
    assert ledger.write([more], booked_at_ns=NOON + 3).corrected == 1


def test_what_was_used_is_summed_by_who_was_called(ledger: Ledger) -> None:
    free = replace(priced(0), list_nano=5000, paying_list_nano=2000)
    elsewhere = replace(record(4), terms=Terms("", "eu.example"))
    batch = [
        record(1, replace(priced(700), list_nano=1000)),
        replace(record(2, free), usage=Usage.of({"input_tokens": 3 * 10**9, "requests": 5})),
        record(3, unpriced()),
        elsewhere,
        again(record(5), settled_elsewhere()),
        replace(record(6), kind=Kind.TOOL),
        record(9),
    ]
    ledger.write(batch, booked_at_ns=NOON)
    found = {used.called.terms: used for used in ledger.used(NOON, NOON + 9 * SECOND)}
    here, there = found[Terms(server_address="api.openai.com")], found[Terms(server_address="eu.example")]
    assert len(found) == 2
    assert here.called == Called("openai", "gpt-5", "gpt-5-2025-08-07", Terms(server_address="api.openai.com"))
    assert here.list_nano == 1000 + 2000
    assert dict(here.counts) == {"input_tokens": 3 * 10**9 + 100, "output_tokens": 10, "requests": 6}
    assert (there.list_nano, dict(there.counts)["requests"]) == (1000, 1)
    ledger.correct([Correction(record(1).key, 0, priced(400))], booked_at_ns=NOON + 1)
    assert sum(used.list_nano for used in ledger.used(NOON, NOON + 9 * SECOND)) == 400 + 2000 + 1000
    assert ledger.used(0, NOON) == ()
