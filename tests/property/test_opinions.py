"""Costs that others wrote: read to the nano-dollar, or not at all; and whatever is charged adds up."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otel_cost.config import SecondOpinionSettings
from otel_cost.dialects import opinions
from otel_cost.model import MAX_OPINION_NANO, NANO, Charge, Opinion, OpinionKind, OpinionSource, Reason, Status
from otel_cost.weighing import Weigher
from tests.contract.ledger.books import record

NAMES = (
    "gen_ai.usage.cost",
    "operation.cost",
    "llm.cost.total",
    "llm.cost.prompt",
    "llm.cost.completion",
    "litellm.cost.total",
    "gen_ai.cost.total_cost",
    "langfuse.observation.cost_details",
    "gen_ai.usage.cost.amount",
    "gen_ai.usage.cost.currency",
    "otel_cost.reported.cost",
    "otel_cost.reported.upstream_cost",
)
NANOS = st.integers(0, MAX_OPINION_NANO)


@given(NANOS)
def test_a_whole_number_of_nano_dollars_comes_back_from_every_form(nano: int) -> None:
    usd = Decimal(nano).scaleb(-9)
    assert opinions.sum_nano([usd]) == opinions.sum_nano([f"{usd:f}"]) == opinions.sum_nano([str(usd)]) == nano
    assert opinions.sum_nano([nano / NANO]) == nano, "a double has room for a million dollars to the nano-dollar"


@given(st.floats(0, 1e6))
def test_a_double_is_the_decimal_that_it_prints_as_rounded_once(value: float) -> None:
    with localcontext(prec=400):
        expected = int(Decimal(repr(value)).quantize(Decimal("1e-9"), rounding=ROUND_HALF_EVEN).scaleb(9))
    assert opinions.sum_nano([value]) == expected


@given(st.lists(st.decimals(0, 10, allow_nan=False, places=14), min_size=1, max_size=5))
def test_parts_are_added_up_before_they_are_rounded(parts: list[Decimal]) -> None:
    assert opinions.sum_nano(parts) == round(sum(map(Fraction, parts)) * NANO)


_RUBBISH = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=80),
    st.sampled_from(["1e400", "1e-999999999", "-1", "0x10", "1_000", "\u0661", "NaN", "9" * 5000, Decimal("1e999999")]),
    st.sampled_from(["{}", "[]", '{"total": NaN}', '{"total": "x"}', "[" * 9999, '{"input": 1e999999999}', b"1"]),
)


@given(st.dictionaries(st.sampled_from(NAMES), _RUBBISH), st.text(max_size=9), st.text(max_size=9))
def test_rubbish_is_no_amount_and_raises_nothing(attributes: dict[str, Any], provider: str, address: str) -> None:
    found = opinions.read(attributes, provider, address)
    assert len({opinion.source for opinion in found}) == len(found)
    for opinion in found:
        assert opinion.amount_nano is None or 0 <= opinion.amount_nano <= MAX_OPINION_NANO
        assert opinion.amount_nano != 0 or opinion.source.kind is OpinionKind.PROVIDER, "a foreign 0"


@given(st.one_of(st.booleans(), st.floats(max_value=-1e-30), st.just(math.nan), st.just(math.inf), st.floats(1.1e6)))
def test_what_is_no_amount_of_money_is_said_to_be_none(value: object) -> None:
    assert opinions.read({"gen_ai.usage.cost": value}, "", "") == (Opinion(OpinionSource.OPENLIT, None),)


@st.composite
def charges(draw: st.DrawFn) -> Charge:
    status = draw(st.sampled_from(Status))
    if not status.counted:
        return Charge(status, draw(st.sampled_from(Reason)))
    a, b, c, d, e = (draw(st.integers(0, 10**9)) for _ in range(5))
    amount = a + b + c + d + e
    return Charge(status, amount_nano=amount, list_nano=draw(st.integers(amount, 2 * amount)), parts=(a, b, c, d, e))


@given(
    charges(),
    st.lists(st.builds(Opinion, st.sampled_from(OpinionSource), st.none() | NANOS), unique_by=lambda one: one.source),
    st.sampled_from(["ours", "provider", "any"]),
    st.none() | charges(),
)
def test_whatever_is_preferred_adds_up_and_no_figure_is_lost(
    charge: Charge, said: list[Opinion], prefer: Any, own: Charge | None
) -> None:
    said = [opinion for opinion in said if opinion.source is not OpinionSource.OTEL_COST]
    before = replace(record(1, charge), opinions=tuple(said))
    after = Weigher(SecondOpinionSettings(prefer=prefer)).weigh(before, own)
    assert sum(after.charge.parts) == after.charge.amount_nano
    assert after.charge.status.counted or after.charge == charge
    assert after.charge.status in (charge.status, Status.PRICED, Status.ESTIMATED)
    if after.charge != charge:
        kept = {opinion.source: opinion.amount_nano for opinion in after.opinions}
        [gone] = [opinion for opinion in said if opinion.source not in kept]
        assert gone.amount_nano == after.charge.amount_nano
        assert after.charge.source.endswith(gone.source.value)
        assert len(kept) == len(after.opinions)
    else:
        assert [one.source for one in after.opinions] == [one.source for one in said]
