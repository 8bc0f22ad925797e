"""Whatever blocks and calls do inside each other: a limit is a limit, and nothing leaks."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from otel_cost.budgets import Hold
from otel_cost.budgets.asking import reserved_around
from otel_cost.errors import BudgetExceeded
from otel_cost.model import NANO, CostRecord
from tests.unit.budgets.shop import Shop, budget, shop, spent

LIMIT = 20


@dataclass(frozen=True)
class Step:
    """A block or a call begins in one of the open blocks (or in none), or one of those ends."""

    what: str
    amount: int
    share: float
    where: int
    which: int


steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(
            ["block", "call", "call", "end of a block", "end of a call", "end of a call", "never made"]
        ),
        amount=st.integers(1, LIMIT),
        share=st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
        where=st.integers(0, 3),
        which=st.integers(0, 10),
    ),
    max_size=40,
)


@dataclass
class UnderWay:
    hold: Hold
    record: CostRecord
    worst: int
    around: Hold | None


def _begin(at: Shop, step: Step, around: Hold | None) -> Hold | None:
    token = reserved_around.set(around)
    try:
        if step.what == "block":
            return at.budgets.reserve({"trace": ""}, step.amount * NANO)
        return at.ask(output=step.amount)
    except BudgetExceeded:
        return None
    finally:
        reserved_around.reset(token)


def _end(at: Shop, call: UnderWay, *, made: bool) -> int:
    if made:
        # Spans end where they began, in the block or after it.
        token = reserved_around.set(call.around)
        at.budgets.take(call.record)
        reserved_around.reset(token)
    call.hold.release()
    return call.record.charge.amount_nano // NANO if made else 0


@given(steps)
def test_calls_in_blocks_in_blocks_never_get_past_the_limit(taken: list[Step]) -> None:
    at = shop(budget(amount_usd=LIMIT, action="block", period="total"), budget("t", 2 * LIMIT, action="block"))
    blocks: list[Hold] = []
    calls: list[UnderWay] = []
    paid = 0
    for step in taken:
        around = blocks[step.where % len(blocks)] if blocks and step.where else None
        if step.what in ("block", "call"):
            hold = _begin(at, step, around)
            if hold is None:
                continue
            if step.what == "block":
                blocks.append(hold)
            else:
                record = spent(int(step.amount * step.share) * NANO, at_ns=at.now_ns)
                hold.bind(record.key)
                calls.append(UnderWay(hold, record, step.amount, around))
        elif step.what == "end of a block" and blocks:
            blocks.pop(step.which % len(blocks)).release()
        elif step.what != "end of a block" and calls:
            paid += _end(at, calls.pop(step.which % len(calls)), made=step.what == "end of a call")
        spent_now, reserved = at.row()
        assert spent_now == paid
        assert paid + sum(call.worst for call in calls) <= LIMIT
        assert reserved >= 0
    for call in calls:
        call.hold.release()
    for hold in blocks:
        hold.release()
    assert at.row() == (paid, 0)
