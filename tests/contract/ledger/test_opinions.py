"""What every ledger keeps of second opinions: beside the book, in no sum of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_cost.ledger import Disagreement, Ledger
from otel_cost.ledger.base import MAX_AMOUNT, bookable
from otel_cost.model import MAX_OPINION_NANO, CostRecord, Opinion, OpinionSource, Reason, Void
from tests.contract.ledger.books import EVER, NOON, again, priced, record, settled_elsewhere, total, unpriced

S = OpinionSource


def heard(number: int, *opinions: Opinion, **labels: str) -> CostRecord:
    return replace(record(number, **labels), opinions=opinions)


def one(
    source: OpinionSource, compared: int, disagreeing: int, stated: int, against: int, example: int
) -> Disagreement:
    key = record(example).key if example else ""
    return Disagreement("openai", "gpt-5-2025-08-07", source, compared, disagreeing, stated, against, key)


def test_opinions_are_summed_by_model_and_source_the_farthest_off_first(ledger: Ledger) -> None:
    ledger.write(
        [
            heard(1, Opinion(S.OPENLIT, 1500, 1000, disagrees=True), Opinion(S.LOGFIRE, 1000, 1000)),
            heard(2, Opinion(S.OPENLIT, 400, 1000, disagrees=True), Opinion(S.LITELLM, 9000, 1000, disagrees=True)),
            heard(3, Opinion(S.OPENLIT, 1001, 1000), Opinion(S.LANGFUSE, None)),
            heard(4),
        ],
        booked_at_ns=NOON,
    )
    assert ledger.disagreements(EVER) == (
        one(S.LITELLM, 1, 1, 9000, 1000, 2),
        one(S.OPENLIT, 3, 2, 1900, 2000, 2),
        one(S.LOGFIRE, 1, 0, 0, 0, 0),
    )
    assert total(ledger).amount_nano == 4000


def test_what_could_not_be_compared_is_kept_and_not_listed(ledger: Ledger) -> None:
    written = ledger.write([replace(record(1, unpriced()), opinions=(Opinion(S.OPENLIT, 5),))], booked_at_ns=NOON)
    assert [heard.opinion for heard in written.opinions] == [Opinion(S.OPENLIT, 5)]
    assert ledger.disagreements(EVER) == ()


def test_a_duplicate_has_opinions_and_no_money(ledger: Ledger) -> None:
    twin = replace(record(1, settled_elsewhere()), opinions=(Opinion(S.OPENLIT, 50, 10, disagrees=True),))
    ledger.write([twin], booked_at_ns=NOON)
    assert ledger.disagreements(EVER) == (one(S.OPENLIT, 1, 1, 50, 10, 1),)
    assert total(ledger).amount_nano == 0


def test_the_same_batch_again_is_heard_once(ledger: Ledger) -> None:
    batch = [heard(1, Opinion(S.OPENLIT, 1500, 1000, disagrees=True))]
    ledger.write(batch, booked_at_ns=NOON)
    before = ledger.disagreements(EVER)
    assert ledger.write(batch, booked_at_ns=NOON + 1).opinions == ()
    assert ledger.disagreements(EVER) == before != ()


def test_after_a_correction_its_own_comparison_counts(ledger: Ledger) -> None:
    first = replace(record(1, unpriced()), opinions=(Opinion(S.OPENLIT, 1500),))
    ledger.write([first], booked_at_ns=NOON)
    now = replace(again(first, priced(1000)), opinions=(Opinion(S.OPENLIT, 1500, 1000, disagrees=True),))
    ledger.write([now], booked_at_ns=NOON + 1)
    assert ledger.disagreements(EVER) == (one(S.OPENLIT, 1, 1, 1500, 1000, 1),)
    later = replace(again(first, priced(1500)), opinions=(Opinion(S.OPENLIT, 1500, 1500),))
    ledger.write([replace(later, charge=replace(later.charge, catalog="v1"))], booked_at_ns=NOON + 2)
    assert ledger.disagreements(EVER) == (one(S.OPENLIT, 1, 0, 0, 0, 0),)


@pytest.mark.parametrize(("reason", "stays"), [(Reason.SAME_CALL, True), (Reason.HAS_COUNTED_CHILD, False)])
def test_a_void_leaves_a_duplicates_opinion_but_not_a_wrappers(ledger: Ledger, reason: Reason, stays: bool) -> None:
    ledger.write([heard(1, Opinion(S.OPENLIT, 1500, 1000, disagrees=True)), record(2)], booked_at_ns=NOON)
    ledger.write([], [Void(record(1).key, reason, record(2).key)], booked_at_ns=NOON + 1)
    assert total(ledger).amount_nano == 1000
    assert ledger.disagreements(EVER) == ((one(S.OPENLIT, 1, 1, 1500, 1000, 1),) if stays else ())


def test_period_and_filters_apply(ledger: Ledger) -> None:
    off = Opinion(S.OPENLIT, 1500, 1000, disagrees=True)
    ledger.write([heard(1, off, team="search"), heard(2, off, team="support")], booked_at_ns=NOON)
    assert ledger.disagreements(replace(EVER, filters={"team": "support"})) == (one(S.OPENLIT, 1, 1, 1500, 1000, 2),)
    assert ledger.disagreements(replace(EVER, from_ns=record(2).start_ns)) == (one(S.OPENLIT, 1, 1, 1500, 1000, 2),)
    assert ledger.disagreements(replace(EVER, as_of_ns=NOON - 1)) == ()


def test_the_largest_figures_fit(ledger: Ledger) -> None:
    huge = Opinion(S.OPENLIT, MAX_OPINION_NANO, 0, disagrees=True)
    ledger.write([heard(number, huge) for number in range(1, 9)], booked_at_ns=NOON)
    [found] = ledger.disagreements(EVER)
    assert found.stated_nano == 8 * MAX_OPINION_NANO
    absurd = replace(record(1, priced(MAX_AMOUNT + 1)), opinions=(huge,))
    booked = bookable(absurd)
    assert booked is not None
    assert booked.opinions == ()
