"""What every ledger promises, whatever it keeps its rows in."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from otel_cost.errors import LedgerError
from otel_cost.ledger import EntryKind, Ledger, SummaryQuery
from otel_cost.model import Caller, CostRecord, Kind, Layer, Reason, Status, Usage, Void
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


def test_an_empty_book_sums_to_nothing(ledger: Ledger) -> None:
    ledger.check()
    summary = ledger.summary(EVER)
    assert summary.rows == () or summary.total.operations == {}
    assert (summary.total.amount_nano, summary.total.calls) == (0, 0)
    assert ledger.summary(replace(EVER, group_by=("team",))).rows == ()
    assert ledger.unpriced(EVER) == ()
    assert ledger.write([], booked_at_ns=NOON).entries == ()


def test_sums_are_exact_and_parts_make_up_the_amount(ledger: Ledger) -> None:
    amounts = [1, 37, 10**15, 999_999_999, 3]
    written = ledger.write([record(n, priced(nano)) for n, nano in enumerate(amounts)], booked_at_ns=NOON)
    assert (written.booked, written.unchanged, written.corrected, written.voided) == (5, 0, 0, 0)
    row = total(ledger)
    assert row.amount_nano == row.list_nano == sum(row.parts) == sum(amounts)
    assert (row.input_tokens, row.output_tokens) == (500, 50)
    assert row.operations == {Status.PRICED: 5}


def test_the_same_batch_again_changes_nothing(ledger: Ledger) -> None:
    batch = [record(n) for n in range(700)]
    ledger.write(batch, booked_at_ns=NOON)
    before = total(ledger)
    written = ledger.write(batch, booked_at_ns=NOON + 1)
    assert (written.booked, written.unchanged, written.entries) == (0, 700, ())
    assert total(ledger) == before


def test_a_record_twice_in_one_batch_is_booked_once(ledger: Ledger) -> None:
    written = ledger.write([record(1), record(1)], booked_at_ns=NOON)
    assert (written.booked, written.unchanged) == (1, 1)
    assert total(ledger).amount_nano == 1000


def test_a_price_that_comes_later_is_a_correction(ledger: Ledger) -> None:
    first = record(1, unpriced(Reason.PRICES_LOADING))
    ledger.write([first], booked_at_ns=NOON)
    assert total(ledger).operations == {Status.UNPRICED: 1}
    written = ledger.write([again(first, priced(2500))], booked_at_ns=NOON + 10)
    assert (written.booked, written.corrected) == (0, 1)
    assert [(entry.kind, entry.operations) for entry in written.entries] == [
        (EntryKind.CORRECTION, -1),
        (EntryKind.CORRECTION, 1),
    ]
    row = total(ledger)
    assert (row.amount_nano, row.operations, row.input_tokens) == (2500, {Status.PRICED: 1}, 100)
    assert by(ledger, "status") == {("priced",): 2500}
    assert ledger.unpriced(EVER) == ()


def test_corrected_counts_correct_the_amount_and_the_tokens(ledger: Ledger) -> None:
    first = record(1, priced(1000))
    ledger.write([first], booked_at_ns=NOON)
    more = replace(first, charge=priced(3000), usage=Usage.of({"input_tokens": 300, "output_tokens": 30}))
    assert ledger.write([more], booked_at_ns=NOON + 1).corrected == 1
    row = total(ledger)
    assert (row.amount_nano, row.input_tokens, row.output_tokens, row.calls) == (3000, 300, 30, 1)
    assert sum(row.parts) == 3000
    assert ledger.write([more], booked_at_ns=NOON + 2).unchanged == 1


def test_another_catalog_does_not_reprice_what_is_booked(ledger: Ledger) -> None:
    first = record(1, priced(1000, catalog="october"))
    ledger.write([first], booked_at_ns=NOON)
    written = ledger.write([again(first, priced(1500, catalog="november"))], booked_at_ns=NOON + 1)
    assert written.unchanged == 1
    assert total(ledger).amount_nano == 1000


@pytest.mark.parametrize(
    "worse",
    [unpriced(), unpriced(Reason.PRICES_LOADING), priced(900, status=Status.ESTIMATED)],
    ids=["unpriced", "loading", "estimated"],
)
def test_a_price_is_never_lost_to_less(ledger: Ledger, worse: object) -> None:
    first = record(1)
    ledger.write([first], booked_at_ns=NOON)
    assert ledger.write([replace(first, charge=worse)], booked_at_ns=NOON + 1).unchanged == 1  # type: ignore[arg-type]
    assert total(ledger).amount_nano == 1000


def test_an_exact_price_corrects_an_estimate(ledger: Ledger) -> None:
    first = record(1, priced(900, status=Status.ESTIMATED))
    ledger.write([first], booked_at_ns=NOON)
    assert ledger.write([again(first, priced(900))], booked_at_ns=NOON + 1).corrected == 1
    assert by(ledger, "status") == {("priced",): 900}


def test_a_void_takes_the_money_back_once_and_keeps_the_operation(ledger: Ledger) -> None:
    framework, wire = record(1, priced(1000), team="a"), record(2, priced(1010), team="a")
    ledger.write([framework], booked_at_ns=NOON)
    void = Void(framework.key, Reason.SAME_CALL, wire.key)
    written = ledger.write([wire], [void], booked_at_ns=NOON + 1)
    assert (written.booked, written.voided) == (1, 1)
    assert {entry.kind for entry in written.entries if entry.record_key == framework.key} == {EntryKind.VOID}
    row = total(ledger)
    assert (row.amount_nano, row.calls) == (1010, 1)
    assert row.operations == {Status.PRICED: 1, Status.DUPLICATE: 1}
    assert (row.input_tokens, row.output_tokens) == (100, 10)
    assert ledger.write([wire], [void], booked_at_ns=NOON + 2).entries == ()


def test_a_re_sent_record_does_not_come_back_from_a_void(ledger: Ledger) -> None:
    framework, wire = record(1), record(2)
    ledger.write([framework, wire], [Void(framework.key, Reason.SAME_CALL, wire.key)], booked_at_ns=NOON)
    assert ledger.write([framework], booked_at_ns=NOON + 1).unchanged == 1
    assert total(ledger).amount_nano == 1000


def test_a_duplicate_stays_one_when_a_forgetful_server_prices_it(ledger: Ledger) -> None:
    wire = record(1)
    twin = replace(record(2), charge=settled_elsewhere(), counted_as=wire.key)
    ledger.write([wire, twin], booked_at_ns=NOON)
    # After a restart the batch is sent again, twin first: now the twin is priced, and the wire span its duplicate.
    ledger.write([again(twin, priced(1000)), again(wire, settled_elsewhere(), counted_as=twin.key)], booked_at_ns=NOON)
    assert total(ledger).amount_nano == 1000


def test_nothing_is_voided_for_a_record_that_is_not_booked(ledger: Ledger) -> None:
    ledger.write([record(1)], [Void(record(1).key, Reason.SAME_CALL, record(2).key)], booked_at_ns=NOON)
    assert total(ledger).amount_nano == 1000
    assert ledger.write([], [Void(record(9).key, Reason.SAME_CALL, "")], booked_at_ns=NOON).entries == ()


def test_two_voids_that_name_each_other_leave_one_charge(ledger: Ledger) -> None:
    one, other = record(1), record(2)
    voids = [Void(one.key, Reason.SAME_CALL, other.key), Void(other.key, Reason.SAME_CALL, one.key)]
    assert ledger.write([one, other], voids, booked_at_ns=NOON).voided == 1
    assert total(ledger).amount_nano == 1000


def test_the_book_as_of_an_earlier_day(ledger: Ledger) -> None:
    first = record(1, unpriced(), team="a")
    ledger.write([first], booked_at_ns=100)
    ledger.write([again(first, priced(500)), record(2, team="b")], booked_at_ns=200)
    ledger.write([], [Void(record(2).key, Reason.HAS_COUNTED_CHILD, "")], booked_at_ns=300)
    ask = replace(EVER, group_by=("team", "status"))
    states = {
        as_of: {row.group: row.amount_nano for row in ledger.summary(replace(ask, as_of_ns=as_of)).rows}
        for as_of in (99, 100, 199, 200, 299, 300)
    }
    assert states[99] == {}
    assert states[100] == states[199] == {("a", "unpriced"): 0}
    assert states[200] == states[299] == {("a", "priced"): 500, ("b", "priced"): 1000}
    assert states[300] == {("a", "priced"): 500, ("b", "wrapper"): 0}
    assert len(ledger.unpriced(replace(EVER, as_of_ns=150))) == 1


def test_a_period_includes_its_start_and_excludes_its_end(ledger: Ledger) -> None:
    ledger.write([record(n, priced(10**n)) for n in range(4)], booked_at_ns=NOON)
    second = 10**9
    inside = ledger.summary(SummaryQuery(NOON + second, NOON + 3 * second)).total
    assert inside.amount_nano == 10 + 100
    assert ledger.summary(SummaryQuery(NOON + second, NOON + second)).total.amount_nano == 0


def test_groups_by_fields_columns_and_any_label(ledger: Ledger) -> None:
    batch = [
        record(1, priced(1), user="ada", **{"cost.center": "4711"}),
        record(2, priced(20), user="ada"),
        record(3, priced(300), user="bob", team="support"),
        replace(record(4, priced(4000)), provider="anthropic", model_answered="", model_requested="claude"),
    ]
    ledger.write(batch, booked_at_ns=NOON)
    assert by(ledger, "team") == {("search",): 4021, ("support",): 300}
    assert by(ledger, "user") == {("ada",): 21, ("bob",): 300, ("",): 4000}
    assert by(ledger, "cost.center") == {("4711",): 1, ("",): 4320}
    assert by(ledger, "provider", "model") == {("openai", "gpt-5-2025-08-07"): 321, ("anthropic", "claude"): 4000}
    assert by(ledger, "kind", "operation", "layer", "scope") == {("llm", "chat", "wire", "tests"): 4321}
    rows = ledger.summary(replace(EVER, group_by=("user",))).rows
    assert [row.group for row in rows] == [("",), ("bob",), ("ada",)], "the largest first"
    assert ledger.summary(replace(EVER, group_by=("user",))).total.amount_nano == 4321


def test_filters_by_fields_and_labels(ledger: Ledger) -> None:
    ledger.write([record(1, priced(1), user="ada"), record(2, priced(20)), record(3, unpriced())], booked_at_ns=NOON)

    def amount(**filters: str) -> int:
        return ledger.summary(replace(EVER, filters=filters)).total.amount_nano

    assert amount(user="ada") == 1
    assert amount(user="") == 20
    assert amount(team="search", status="priced") == 21
    assert amount(team="search' OR '1'='1") == 0
    assert amount(status="unpriced") == 0
    assert ledger.unpriced(replace(EVER, filters={"user": "ada"})) == ()


@pytest.mark.parametrize("name", ["", "team; drop table records", 'a"b', "x" * 65, "labels['a']", "user\0"])
def test_a_name_that_cannot_be_a_label_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a field"):
        SummaryQuery(0, 1, (name,))
    with pytest.raises(ValueError, match="is not a field"):
        SummaryQuery(0, 1, (), {name: "x"})


def test_unpriced_calls_are_listed_by_model_and_reason(ledger: Ledger) -> None:
    ledger.write(
        [
            record(1, unpriced()),
            record(2, unpriced()),
            record(3, unpriced(Reason.NO_USAGE)),
            record(4),
            again(record(5), settled_elsewhere()),
        ],
        booked_at_ns=NOON,
    )
    found = ledger.unpriced(EVER)
    assert [(calls.reason, calls.operations, calls.input_tokens) for calls in found] == [
        ("unknown_model", 2, 200),
        ("no_usage", 1, 100),
    ]
    assert found[0].provider == "openai"
    assert found[0].model == "gpt-5-2025-08-07"
    assert found[0].detail == "no price"
    assert total(ledger).calls == 4


def test_hostile_text_is_booked_and_harms_nothing(ledger: Ledger) -> None:
    nasty = "'; DROP TABLE entries; -- \0 \ud800 \N{PILE OF POO}" + "x" * 100_000
    hostile = replace(
        record(1, user=nasty, **{nasty: nasty}),
        provider=nasty,
        model_answered=nasty,
        error=nasty,
        response_id=nasty,
        charge=replace(unpriced(), detail=nasty),
        caller=Caller(nasty, nasty, nasty),
        finish_reason=nasty,
        kind=Kind.TOOL,
        layer=Layer.AGENT,
    )
    ledger.write([hostile, record(2)], booked_at_ns=NOON)
    assert ledger.write([hostile], booked_at_ns=NOON).unchanged == 1
    assert total(ledger).calls == 2
    assert ledger.unpriced(EVER)[0].provider.startswith("'; DROP TABLE")


def test_entries_carry_what_metrics_need(ledger: Ledger) -> None:
    first = record(1, team="a")
    (entry,) = ledger.write([first], booked_at_ns=NOON).entries
    back, _ = ledger.write([], [Void(first.key, Reason.SAME_CALL, "")], booked_at_ns=NOON).entries
    assert entry.dimensions == back.dimensions
    assert entry.dimensions["team"] == "a"
    assert entry.dimensions["model"] == "gpt-5-2025-08-07"
    assert (entry.amount_nano, back.amount_nano) == (1000, -1000)
    assert (entry.tokens, back.tokens) == ((100, 10), (-100, -10))


def test_a_batch_that_cannot_be_booked_is_not_booked_in_part(ledger: Ledger) -> None:
    beyond = replace(record(2), start_ns=2**63)
    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.write([record(1), beyond], booked_at_ns=NOON)
    assert total(ledger).operations == {}
    assert ledger.write([record(1)], booked_at_ns=NOON).booked == 1


def test_threads_that_book_the_same_records_book_them_once(ledger: Ledger) -> None:
    batches = [[record(n) for n in range(start, start + 60)] for start in (0, 20, 40, 0)]
    booked: list[int] = []

    def book(batch: list[CostRecord]) -> None:
        slices = (batch[start : start + 10] for start in range(0, 60, 10))
        booked.extend(ledger.write(each, booked_at_ns=NOON).booked for each in slices)

    threads = [threading.Thread(target=book, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(booked) == 100
    assert total(ledger).amount_nano == 100 * 1000


def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    ledger.close()
    ledger.close()
    for ask in (ledger.check, lambda: ledger.summary(EVER), lambda: ledger.write([record(1)], booked_at_ns=NOON)):
        with pytest.raises(LedgerError, match="closed"):
            ask()


def test_recent_records_come_back_as_matching_needs_them(ledger: Ledger) -> None:
    ledger.write([record(0)], booked_at_ns=NOON - 1)
    known = replace(record(1, tenant="t"), process="p", layer=Layer.FRAMEWORK, response_id="r")
    ledger.write([known], booked_at_ns=NOON)
    ledger.write([replace(record(2), kind=Kind.TOOL)], booked_at_ns=NOON + 1)
    (found, tool) = ledger.recent(NOON, 10)
    assert (found.kind, tool.kind) == (Kind.LLM, Kind.TOOL), "an agent's tokens are not those of the tools inside it"
    assert (found.key, found.process, found.layer, found.response_id) == (known.key, "p", Layer.FRAMEWORK, "r")
    assert (found.usage, found.scope, found.model_answered) == (known.usage, known.scope, known.model_answered)
    assert (found.start_ns, found.end_ns, dict(found.labels)) == (known.start_ns, known.end_ns, {"tenant": "t"})
    assert [item.key for item in ledger.recent(NOON, 1)] == [record(2).key]
