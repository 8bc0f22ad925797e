"""Whatever calls do, in whatever order: a limit is a limit, nothing leaks, and every threshold is told once."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from otel_cost.budgets.holds import Hold
from otel_cost.errors import BudgetExceeded
from otel_cost.model import NANO, CostRecord
from tests.unit.budgets.shop import budget, shop, spent

LIMIT = 50


@dataclass(frozen=True)
class Step:
    """What happens next: a call begins that may cost up to ``worst``; or one of those under way ends."""

    begins: bool
    worst: int
    cost_share: float
    which: int
    ends: str


steps = st.lists(
    st.builds(
        Step,
        begins=st.booleans(),
        worst=st.integers(0, LIMIT + 5),
        cost_share=st.floats(0, 1),
        which=st.integers(0, 10**6),
        ends=st.sampled_from(["settled", "settled", "settled twice", "released", "left", "forgotten"]),
    ),
    max_size=60,
)


@given(steps)
def test_no_order_of_calls_gets_past_a_blocking_limit_or_leaks_a_reservation(taken: list[Step]) -> None:
    at = shop(budget(amount_usd=LIMIT, action="block", period="total", thresholds=("50%", "80%", "100%")))
    under_way: list[tuple[Hold, CostRecord]] = []
    paid = 0
    for step in taken:
        if step.begins:
            try:
                hold = at.ask(output=step.worst)
            except BudgetExceeded:
                continue
            record = spent(int(step.worst * step.cost_share) * NANO, at_ns=at.now_ns)
            hold.bind(record.key)
            under_way.append((hold, record))
        elif under_way:
            hold, record = under_way.pop(step.which % len(under_way))
            paid += _end(at.budgets.take, hold, record, step.ends)
        spent_now, reserved = at.row()
        assert spent_now == paid
        assert spent_now + reserved <= LIMIT
    for hold, _ in under_way:
        hold.release()
    at.now_ns += 2 * 3600 * NANO
    at.budgets.sweep()
    assert at.row() == (paid, 0)
    reached = [name for name in at.names() if name != "blocked"]
    assert reached.count("threshold") == sum(paid * 100 >= share * LIMIT for share in (50, 80, 100))
    assert reached.count("breach") == (paid >= LIMIT)


def _end(take: object, hold: Hold, record: CostRecord, ends: str) -> int:
    """End one call. What it adds to what is spent, in USD."""
    assert callable(take)
    if ends in ("settled", "settled twice"):
        for _ in range(1 + (ends == "settled twice")):
            take(record)
        hold.release()
        return record.charge.amount_nano // NANO
    if ends == "left":
        hold.leave()
        take(record)
        return record.charge.amount_nano // NANO
    if ends == "released":
        hold.release()
        hold.release()
    return 0


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["x", "y", ""])), max_size=30), st.randoms())
def test_what_is_spent_does_not_depend_on_the_order_of_settling(calls: list[tuple[int, str]], random: object) -> None:
    records = [spent(cost * NANO, team=team) for cost, team in calls]
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    made = budget(amount_usd=30, per=("team",), thresholds=("50%", "100%"))
    one, other = shop(made), shop(made)
    for record in records:
        one.budgets.take(record)
    for record in shuffled:
        other.budgets.take(record)
    assert {(s.row, s.spent_nano) for s in one.budgets.states()} == {
        (s.row, s.spent_nano) for s in other.budgets.states()
    }
    assert sorted((e.name, e.row, e.threshold) for e in one.told) == sorted(
        (e.name, e.row, e.threshold) for e in other.told
    )
