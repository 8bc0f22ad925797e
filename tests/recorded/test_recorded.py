"""otel-cost against what providers said in recorded responses: usage and cost, call by call (FEATURES E13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from genai_prices import extract_usage
from genai_prices.types import StartDateConstraint

from tests.recorded import bill
from tests.recorded.explained import EXPLAINED
from tests.recorded.judging import NOT_YET, Outcome, Verdict

Outcomes = tuple[Outcome, ...]


def _listed(outcomes: Iterable[Outcome]) -> str:
    return "\n".join(map(str, outcomes))


def test_every_call_is_exact_or_the_list_says_why_not(outcomes: Outcomes) -> None:
    """FEATURES E13, O2: what lands on the span is what the provider said, and its price to the nano-dollar."""
    differing = [outcome for outcome in outcomes if outcome.verdict in (Verdict.WRONG, Verdict.MISSING)]
    unexplained = [item for item in differing if not any(entry.explains(item) for entry in EXPLAINED)]

    assert not unexplained, _listed(unexplained)


def test_every_explanation_is_needed_and_says_no_more_than_it_must(outcomes: Outcomes) -> None:
    for entry in EXPLAINED:
        covered = [outcome for outcome in outcomes if entry.covers(outcome)]

        assert covered, f"about nothing that is recorded: {entry}"
        assert all(map(entry.explains, covered)), f"{entry} fits what it does not explain:\n" + _listed(
            outcome for outcome in covered if not entry.explains(outcome)
        )


def test_what_is_not_covered_yet_is_nothing_else(outcomes: Outcomes) -> None:
    """An endpoint that an instrumentor reads has to come off the list, so that it is compared."""
    endpoints = {outcome.exchange.endpoint for outcome in outcomes if outcome.verdict is Verdict.NOT_YET}

    assert endpoints == NOT_YET
    assert not [item for item in outcomes if item.exchange.endpoint in NOT_YET and item.seen is not None]


def test_the_sum_is_the_providers_bill(outcomes: Outcomes) -> None:
    """FEATURES E13 asks for 5 %; over all calls whose price is known it is the same sum."""
    known = [item for item in outcomes if item.bill_nano is not None and item.verdict is not Verdict.NOT_YET]
    ours = sum((item.seen.nano_usd or 0) for item in known if item.seen is not None)

    assert ours == sum(item.bill_nano or 0 for item in known) > 0


# --- the yardstick itself ---------------------------------------------------------------------------------------------


def test_providers_that_tell_a_total_tell_the_same(outcomes: Outcomes) -> None:
    """The readers of the recorded bodies leave nothing out and add nothing twice."""
    twice = [outcome for outcome in outcomes if outcome.answer.total is not None]
    differing = [outcome for outcome in twice if outcome.answer.total != _sum(outcome)]

    assert len(twice) > len(outcomes) / 2
    assert not differing, _listed(differing)


def _sum(outcome: Outcome) -> int:
    counts = outcome.answer.counts
    return counts.get("input_tokens", 0) + counts.get("output_tokens", 0)


def test_another_reader_reads_the_same(outcomes: Outcomes) -> None:
    """``genai-prices`` has a reader for whole bodies of many providers, written by others from the same references."""
    read = [(outcome, theirs) for outcome in outcomes if (theirs := _read_by_others(outcome)) is not None]
    differing = [outcome for outcome, theirs in read if theirs != _without_fees(outcome)]

    assert len(read) > len(outcomes) / 2
    assert not differing, _listed(differing)


def _read_by_others(outcome: Outcome) -> dict[str, int] | None:
    """Counts of the units that the answer has; None where nobody else knows the format."""
    exchange = outcome.exchange
    # It does not know modalities by number, which Vertex answers with when asked for them.
    if exchange.streamed or "enum-encoding" in exchange.query:
        return None
    for flavor in (exchange.endpoint.partition("/")[0], "default", "anthropic"):
        try:
            found = extract_usage(exchange.documents[-1], provider_id=bill.seller(exchange), api_flavor=flavor)
        except (ValueError, LookupError):
            continue
        return {unit: getattr(found.usage, unit) or 0 for unit in _without_fees(outcome)}
    return None


def _without_fees(outcome: Outcome) -> dict[str, int]:
    return {unit: count for unit, count in outcome.answer.counts.items() if unit.endswith("_tokens")}


def test_every_answer_tells_usage(outcomes: Outcomes) -> None:
    assert not [outcome for outcome in outcomes if not outcome.answer.counts]


def test_no_amount_depends_on_a_date_that_is_not_known(outcomes: Outcomes) -> None:
    """Where nothing says when an answer came, it costs the same at any time until the collection was closed."""
    undated = [outcome for outcome in outcomes if outcome.answer.at is None and outcome.bill_nano is not None]

    assert undated
    for outcome in undated:
        amounts = {at: bill.nano_usd(outcome.exchange, replace(outcome.answer, at=at)) for at in _changes(outcome)}
        assert set(amounts.values()) <= {outcome.bill_nano}, (outcome, amounts)


def _changes(outcome: Outcome) -> list[datetime]:
    """When the model's price may have changed."""
    price = bill.price_of(outcome.exchange, outcome.answer)
    assert price is not None
    listed = price.model.prices if isinstance(price.model.prices, list) else []
    starts = [item.constraint.start_date for item in listed if isinstance(item.constraint, StartDateConstraint)]
    assert len(starts) >= len(listed) - 1, "a price by the time of day"
    days = [datetime(2023, 1, 1, tzinfo=UTC), *(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in starts)]
    return [day for day in days if day <= bill.UNDATED]


def test_the_recordings_are_of_the_past(outcomes: Outcomes) -> None:
    """Times are read in the right unit: between the first model of the collection and now."""
    times = [outcome.answer.at for outcome in outcomes if outcome.answer.at is not None]

    assert all(datetime(2023, 1, 1, tzinfo=UTC) < moment < datetime.now(UTC) for moment in times)
