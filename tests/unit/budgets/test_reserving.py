"""What a call is taken to need before it is made."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from otel_cost.budgets.reserving import OUTPUT_UNKNOWN, Reserving
from otel_cost.model import NANO, PlannedCall, Status, Usage
from otel_cost.planned_prices import PlannedPrices
from tests.support.world import PRICES
from tests.unit.budgets.shop import WINDOW, budget, cost_nano, planned, spent


@pytest.fixture
def reserving() -> Reserving:
    return Reserving(cost_nano, lambda _call: WINDOW)


def usd(nano: int | None) -> int:
    assert nano is not None
    return nano // NANO


def learn(reserving: Reserving, outputs: list[int], **more: object) -> None:
    for output in outputs:
        reserving.learned.take(spent(1, output=output, **more))  # type: ignore[arg-type]


def test_input_is_bounded_by_its_bytes_and_output_by_the_requests_own_limit(reserving: Reserving) -> None:
    assert usd(reserving.amount_nano(budget(), planned(sent=30, output=12))) == 42


def test_each_choice_may_write_to_the_limit(reserving: Reserving) -> None:
    assert usd(reserving.amount_nano(budget(), PlannedCall("p", "m", "chat", 5, 10, choices=3))) == 35


def test_without_a_limit_and_without_experience_a_middling_answer_is_assumed(reserving: Reserving) -> None:
    assert usd(reserving.amount_nano(budget(), planned(output=None))) == OUTPUT_UNKNOWN


def test_what_99_of_100_calls_wrote_stands_in_for_a_limit(reserving: Reserving) -> None:
    learn(reserving, [10] * 98 + [50, 9000])
    assert usd(reserving.amount_nano(budget(), planned(output=None))) == 50


def test_too_few_calls_teach_nothing(reserving: Reserving) -> None:
    learn(reserving, [10] * 19)
    assert usd(reserving.amount_nano(budget(), planned(output=None))) == OUTPUT_UNKNOWN


def test_only_what_the_provider_counted_is_learned(reserving: Reserving) -> None:
    learn(reserving, [10] * 50, status=Status.ESTIMATED)
    assert usd(reserving.amount_nano(budget(), planned(output=None))) == OUTPUT_UNKNOWN


def test_learned_p99_goes_by_experience_rather_than_by_a_generous_limit(reserving: Reserving) -> None:
    learn(reserving, [10] * 20)
    assert usd(reserving.amount_nano(budget(reserve="request"), planned(output=4000))) == 4000
    assert usd(reserving.amount_nano(budget(reserve="learned_p99"), planned(output=4000))) == 10


def test_max_takes_the_context_window_and_the_dearest_price_of_input(reserving: Reserving) -> None:
    assert usd(reserving.amount_nano(budget(reserve="max"), planned(output=None, sent=7))) == WINDOW + 14
    assert usd(reserving.amount_nano(budget(reserve="max"), planned(output=100, sent=7))) == 114


def test_the_cap_holds_where_the_request_has_no_limit_of_its_own(reserving: Reserving) -> None:
    capped = budget(reserve_cap_usd=Decimal(5))
    assert usd(reserving.amount_nano(capped, planned(output=None))) == 5
    assert usd(reserving.amount_nano(capped, planned(output=40))) == 40


def test_an_embedding_writes_nothing(reserving: Reserving) -> None:
    assert usd(reserving.amount_nano(budget(reserve="max"), PlannedCall("p", "m", "embeddings", 9))) == 18


def test_what_has_no_price_is_not_known(reserving: Reserving) -> None:
    assert reserving.amount_nano(budget(), planned(model="unheard-of")) is None


def test_a_tokenizer_counts_the_input_with_a_fifth_on_top_but_no_more_than_its_bytes(reserving: Reserving) -> None:
    def counting(tokens: int | None) -> PlannedCall:
        return PlannedCall("p", "m", "chat", 100, 0, count_input=lambda: tokens)

    assert usd(reserving.amount_nano(budget(), counting(20))) == 24
    assert usd(reserving.amount_nano(budget(), counting(99))) == 100
    assert usd(reserving.amount_nano(budget(), counting(None))) == 100
    assert usd(reserving.amount_nano(budget(reserve="max"), counting(20))) >= 200


PRICED = PlannedPrices(PRICES)


def test_a_dearer_tier_is_reserved_at_its_price() -> None:
    counts = Usage.of({"output_tokens": 1000})
    plain = PlannedCall("openai", "gpt-5", "chat")
    dearer = PRICED.cost_nano(replace(plain, service_tier="priority"), counts)
    cheaper = PRICED.cost_nano(plain, counts)
    assert dearer is not None
    assert cheaper is not None
    assert dearer > cheaper


def test_the_window_of_a_model_is_known_and_of_a_made_up_one_is_not() -> None:
    assert (PRICED.context_window(PlannedCall("openai", "gpt-4o", "chat")) or 0) >= 100_000
    assert PRICED.context_window(PlannedCall("openai", "made-up-9", "chat")) is None
    assert PRICED.has_price(PlannedCall("openai", "made-up-9", "chat")) is False
