"""What the book says after it was priced anew is what today's prices say, whatever it said before."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_cost.ledger import Ledger
from otel_cost.ledger.base import MAX_STORED, Correction, Written
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Charge, CostRecord, Kind, Reason, Status, Terms, Usage, record_key
from otel_cost.pricing import Catalog, PriceQuery, Pricer
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.snapshot import Snapshot
from otel_cost.repricing import NOT_FROM_PRICES, Window, reprice
from otel_cost.used_before import UsedBefore

START = 1_782_864_000 * 10**9  # 2026-07-01T00:00Z
DAY = 86_400 * 10**9
EVER = SummaryQuery(0, MAX_STORED)
MODELS = [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("openai", "gone"), ("acme", "found")]
OWN = {"provider": "acme", "model": "found", "per_1m": {"input": 1, "output": "2.5"}}
FREE, BRACKET = 5000, Fraction(2_000_000)
SCHEDULE = {
    "name": "deal", "provider": "acme", "free": {"input": FREE}, "volume": [{"above_usd": "0.002", "discount": "25%"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot.load()


@pytest.fixture(scope="module")
def catalog(snapshot: Snapshot) -> Catalog:
    return Catalog(snapshot, load_overlays(inline=[{"prices": [OWN]}]))


@pytest.fixture(scope="module")
def scheduled(snapshot: Snapshot) -> Catalog:
    return Catalog(snapshot, load_overlays(inline=[{"prices": [OWN], "schedules": [SCHEDULE]}]))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(st.integers(0, 20_000))
    counts = {"input_tokens": total, "output_tokens": draw(st.integers(0, 5000))}
    cached = draw(st.none() | st.integers(0, total))
    return Usage.of({**counts, "cache_read_tokens": cached})


booked_charges = st.one_of(
    st.integers(0, 10**9).map(
        lambda nano: Charge(Status.PRICED, amount_nano=nano, list_nano=nano, parts=(nano, 0, 0, 0, 0), catalog="old")
    ),
    st.sampled_from([Reason.UNKNOWN_MODEL, Reason.NO_PRICES]).map(lambda why: Charge(Status.UNPRICED, why)),
    st.just(Charge(Status.ESTIMATED, Reason.USAGE_ESTIMATED, catalog="old")),
    st.just(Charge(Status.WRAPPER, Reason.HAS_COUNTED_CHILD)),
)


@st.composite
def books(draw: st.DrawFn, models: Sequence[tuple[str, str]] = MODELS) -> list[CostRecord]:
    return [
        CostRecord(
            key=record_key(f"{number:032x}", f"{number:016x}"),
            trace_id=f"{number:032x}",
            span_id=f"{number:016x}",
            parent_span_id="",
            start_ns=START + draw(st.integers(0, 60)) * DAY,
            end_ns=START + 90 * DAY,
            operation="chat",
            provider=provider,
            model_requested=model,
            model_answered="",
            charge=draw(booked_charges),
            usage=draw(usages()),
            terms=Terms(),
        )
        for number, (provider, model) in enumerate(draw(st.lists(st.sampled_from(models), min_size=1, max_size=12)))
    ]


def _run(ledger: Ledger, catalog: Catalog, window: Window, page: int) -> Written:
    done = Written()

    def book(corrections: Sequence[Correction]) -> Written:
        nonlocal done
        done = ledger.correct(corrections, booked_at_ns=START + 1)
        return done

    reprice(ledger, catalog, window, book=book, page=page)
    return done


@settings(max_examples=50, deadline=None)
@given(records=books(), page=st.integers(1, 5))
def test_the_entries_sum_to_todays_prices(catalog: Catalog, records: list[CostRecord], page: int) -> None:
    """Sum of entries == priced with the new catalog, for every call that has a price in it."""
    expected = 0
    for record in records:
        assert record.usage is not None
        now = catalog.price(record.usage, PriceQuery(record.provider, record.model_requested, record.start_ns))
        if record.charge.status is not Status.WRAPPER:
            expected += now.amount_nano if now.status is Status.PRICED else record.charge.amount_nano
    with open_ledger("sqlite://") as ledger:
        ledger.write(records, booked_at_ns=START)
        before = ledger.summary(EVER).total
        _run(ledger, catalog, Window(0, MAX_STORED), page)
        total = ledger.summary(EVER).total
        assert total.amount_nano == expected == sum(total.parts)
        assert sum(total.operations.values()) == len(records)
        assert total.operations.get(Status.WRAPPER) == before.operations.get(Status.WRAPPER)
        assert total.operations.get(Status.ESTIMATED) == before.operations.get(Status.ESTIMATED)
        assert ledger.summary(replace(EVER, as_of_ns=START)).total == before
        assert _run(ledger, catalog, Window(0, MAX_STORED), page).entries == (), "the second time changes nothing"


def _due(records: Sequence[CostRecord]) -> int:
    """What the schedule makes of a whole month: by hand, and rounded at its end."""
    uncached = cached = output = 0
    for record in records:
        assert record.usage is not None
        uncached += record.usage.get("input_tokens")
        output += record.usage.get("output_tokens")
    listed = Fraction(max(0, uncached - FREE) * 1000 + cached + output * 2500)
    return round(min(listed, BRACKET) + max(Fraction(0), listed - BRACKET) * Fraction(3, 4))


def _months(records: Sequence[CostRecord]) -> list[list[CostRecord]]:
    halves = ([r for r in records if (r.start_ns < START + 31 * DAY) is july] for july in (True, False))
    return list(halves)


@settings(max_examples=40, deadline=None)
@given(records=books([("acme", "found")]), cut=st.integers(0, 61), page=st.integers(1, 5))
def test_schedules_are_applied_whatever_window_is_priced_first(
    scheduled: Catalog, records: list[CostRecord], cut: int, page: int
) -> None:
    calls = [replace(r, charge=Charge(Status.UNPRICED, Reason.NO_PRICES)) for r in records]
    edge = START + cut * DAY
    with open_ledger("sqlite://") as ledger:
        ledger.write(calls, booked_at_ns=START)
        for window in (Window(0, edge), Window(edge, MAX_STORED)):
            _run(ledger, scheduled, window, page)
        amount = ledger.summary(EVER).total.amount_nano
        assert abs(amount - sum(map(_due, _months(calls)))) <= len(calls)
        assert _run(ledger, scheduled, Window(0, MAX_STORED), page).entries == ()


@settings(max_examples=40, deadline=None)
@given(
    records=books([("acme", "found")]),
    commits=st.lists(st.booleans(), min_size=12, max_size=12),
    restarts=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_what_is_kept_up_in_a_server_is_what_the_book_says(
    scheduled: Catalog, records: list[CostRecord], commits: list[bool], restarts: list[bool]
) -> None:
    """Calls in any order of time, committed singly or in batches, with restarts between: each month's sum is that of
    the schedule over all of it, to a nano-dollar a call."""
    pricer = Pricer(lambda: scheduled)
    assert pricer.catalog() is scheduled
    calls = [r for r in records if r.charge.status is not Status.WRAPPER]
    with open_ledger("sqlite://") as ledger:
        used = UsedBefore(ledger.used, pricer)
        waiting: list[CostRecord] = []
        for record, commit, restart in zip(calls, commits, itertools.cycle(restarts), strict=False):
            assert record.usage is not None
            query = PriceQuery(record.provider, record.model_requested, record.start_ns)
            charge = scheduled.price(record.usage, query, used.before(scheduled, query, record.key))
            waiting.append(replace(record, charge=charge))
            used.take(waiting[-1])
            if commit:
                used.booked([r.key for r in waiting], ledger.write(waiting, booked_at_ns=START).entries)
                waiting = []
                if restart:
                    used = UsedBefore(ledger.used, pricer)
        ledger.write(waiting, booked_at_ns=START)
        assert abs(ledger.summary(EVER).total.amount_nano - sum(map(_due, _months(calls)))) <= len(calls)


def test_a_tool_that_said_an_amount_which_could_not_be_one_is_left(snapshot: Snapshot) -> None:
    """What the list says is not what the app meant to say."""
    tools = Catalog(snapshot, load_overlays(inline=[{"tools": {"web": 0.01}}]))
    said = [Charge(Status.UNPRICED, reason) for reason in (Reason.INVALID_USAGE, Reason.NO_RATE)]
    calls = [
        CostRecord(f"k{number}", "t", "s", "", START, START, "execute_tool", "", "web", "", charge, kind=Kind.TOOL)
        for number, charge in enumerate(said)
    ]
    with open_ledger("sqlite://") as ledger:
        ledger.write([replace(call, terms=Terms()) for call in calls], booked_at_ns=START)
        found = reprice(ledger, tools, Window(START, START + 1))
    assert (found.total.calls, found.total.new_nano) == (1, 10_000_000)
    assert found.left == {NOT_FROM_PRICES: 1}
