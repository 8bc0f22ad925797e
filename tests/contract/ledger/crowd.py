"""Books that were lived in: calls around the edges of days and quarters, corrected, voided, sent again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from otel_cost.ledger import Ledger
from otel_cost.ledger.base import MAX_STORED, Correction
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.ledger.schema import DAY_NS, QUARTER_NS
from otel_cost.model import Charge, CostRecord, PricingModel, Reason, Status, Usage, Void, record_key
from tests.contract.ledger.books import priced, record, settled_elsewhere, unpriced

MIDNIGHT = 20_700 * DAY_NS
"""The first day of these books, in 2026; they have four."""
DAYS = 4
END = MIDNIGHT + DAYS * DAY_NS
LATER = MAX_STORED
"""Every row of a book was booked before: as of then it says what it says now, out of its entries alone."""

GROUPINGS = (
    (), ("provider", "model"), ("team",), ("status", "reason"), ("pricing_model",), ("feature", "status", "provider"),
)  # fmt: skip
FILTERS: tuple[dict[str, str], ...] = (
    {}, {"team": "a"}, {"status": "priced"}, {"feature": ""}, {"provider": "openai", "reason": "unknown_model"},
    {"model": "nobody has it"},
)  # fmt: skip


def live(ledger: Ledger, random: Random, *, calls: int, rounds: int = 4) -> None:
    """Fill ``ledger`` with ``calls`` calls, most of them told of more than once."""
    known = [call(random, number) for number in range(calls)]
    for booked_at in range(1, rounds + 1):
        told = [_told(random, one) for one in random.sample(known, max(1, len(known) * 2 // 3))]
        carriers = [one.key for one in known] + [""]
        voids = [
            Void(random.choice(known).key, Reason.SAME_CALL, random.choice(carriers))
            for _ in range(random.randrange(3))
        ]
        ledger.write(told, voids, booked_at_ns=booked_at * 10)
        corrections = [
            Correction(standing.key, standing.sequence, _charge(random))
            for standing in ledger.standing(MIDNIGHT, END)
            if random.random() < 0.2
        ]
        ledger.correct(corrections, booked_at_ns=booked_at * 10 + 5)


def instants(random: Random) -> Iterator[int]:
    """Times within the days of a book, and a little outside: as they come, and where sums begin and end."""
    while True:
        rough = random.randrange(MIDNIGHT - QUARTER_NS, END + QUARTER_NS)
        step = random.choice([1, QUARTER_NS, 4 * QUARTER_NS, DAY_NS])
        yield rough - rough % step + random.choice([0, 0, 1, -1])


def questions(random: Random) -> SummaryQuery:
    """One that roll-ups can answer."""
    at = instants(random)
    start, end = sorted((next(at), next(at)))
    return SummaryQuery(start, end, random.choice(GROUPINGS), random.choice(FILTERS))


def call(random: Random, number: int) -> CostRecord:
    """One call of a few sessions, users and models; many traces have two."""
    start_ns = MIDNIGHT + next(instants(random)) % (DAYS * DAY_NS)
    labels = {"team": random.choice("ab"), "session": f"s{random.randrange(4)}", "user": random.choice(["ada", ""])}
    if random.random() < 0.5:
        labels["feature"] = "search"
    plain = record(number, **labels)
    trace_id = f"{number // 2:032x}"
    usage = {"input_tokens": random.randrange(5000), "output_tokens": random.randrange(500)}
    return replace(
        plain,
        key=record_key(trace_id, plain.span_id),
        trace_id=trace_id,
        start_ns=start_ns,
        end_ns=start_ns + random.choice([0, 1, 999, random.randrange(10**11)]),
        provider=random.choice(["openai", "anthropic"]),
        model_answered=random.choice(["m1", "m2", ""]),
        usage=Usage.of(usage) if random.random() < 0.9 else None,
        error=random.choice(["", "", "timeout"]),
    )


def _told(random: Random, one: CostRecord) -> CostRecord:
    if random.random() < 0.1:
        return replace(one, charge=settled_elsewhere())
    return replace(one, charge=_charge(random))


def _charge(random: Random) -> Charge:
    reasons = [Reason.UNKNOWN_MODEL, Reason.NO_USAGE, Reason.PRICES_LOADING]
    status = random.choice([Status.PRICED, Status.PRICED, Status.ESTIMATED, Status.UNPRICED])
    if status is Status.UNPRICED:
        return unpriced(random.choice(reasons))
    charge = priced(random.choice([0, 1, random.randrange(10**7)]), status=status)
    return replace(charge, pricing_model=random.choice([PricingModel.ON_DEMAND, PricingModel.BATCH]))
