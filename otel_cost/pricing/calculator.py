"""Usage x Price -> Charge: pure integer arithmetic, rounded half-even once, to nano-USD.

A charge is refused rather than guessed:

``no_usage``
    Nothing was reported.
``no_rate``
    A unit was used (its count is above 0) and neither it nor a unit that includes it has a rate. Output tokens of a
    model that prices only input, web searches of a model without a search price: a product over the priced units alone
    would bill these as 0 and say nothing.
``invalid_usage``
    The counts contradict each other (parts come to more than their whole), or a part is reported without the whole
    that its price is taken out of, so that the remainder is anybody's guess. ``genai-prices`` raises in these cases.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from types import MemberDescriptorType
from typing import Final, cast

from otel_cost.errors import InvalidUsage
from otel_cost.model import NANO, Charge, PricingModel, Reason, Status, Usage
from otel_cost.pricing.rates import PARTS_OF, Level, Price, RateCard, Term, overlaps

_PRICED: Final = Status.PRICED
_FREE: Final = Reason.FREE
_new: Final = object.__new__
(
    _set_status,
    _set_reason,
    _set_detail,
    _set_amount,
    _set_list,
    _set_parts,
    _set_pricing_model,
    _set_price_id,
    _set_catalog,
    _set_source,
    _set_paying_list,
) = (cast(MemberDescriptorType, vars(Charge)[field.name]).__set__ for field in fields(Charge))
MAX_AMOUNT: Final = 10**15
"""Nano-USD. A charge beyond a million USD is a count or a rate in the wrong unit; the book takes no larger one."""
_AUDIO_TIME: Final = ("audio_seconds", "input_audio_seconds")


def charge(price: Price, usage: Usage, catalog: str) -> Charge:
    """What ``usage`` costs at ``price``. Never raises; see the module's docstring for what is refused and why."""
    counts = usage.counts
    if not counts:
        return unpriced(Reason.NO_USAGE, "", catalog)
    card = price.card
    plan = card.plan(tuple(counts))
    try:
        if plan is None:
            missing = [unit for unit, count in counts.items() if count and unit not in card.covered]
            if missing:
                return _refused(price, Reason.NO_RATE, _no_rate(price, counts, missing), catalog)
            parts, per_nano = _careful_parts(card, counts)
        else:
            parts, per_nano = _planned_parts(card, plan, counts)
    except InvalidUsage as error:
        return _refused(price, Reason.INVALID_USAGE, str(error), catalog)
    total = sum(parts)
    if total > MAX_AMOUNT * per_nano:
        return _refused(price, Reason.INVALID_USAGE, _too_much(total // per_nano), catalog)
    reason = _FREE if not total and (card.free or any(counts.values())) else None
    if per_nano != 1:
        total = round_half_even(total, per_nano)
        parts = apportion(parts, per_nano, total)
    listed = total if price.list_card is None else _rounded_total(price.list_card, counts)
    if listed > MAX_AMOUNT:
        return _refused(price, Reason.INVALID_USAGE, _too_much(listed), catalog)
    return _priced(price, reason, total, listed, tuple(parts), catalog)


def _rounded_total(card: RateCard, counts: Mapping[str, int]) -> int:
    plan = card.plan(tuple(counts))
    parts, per_nano = _careful_parts(card, counts) if plan is None else _planned_parts(card, plan, counts)
    return round_half_even(sum(parts), per_nano)


def _priced(
    price: Price, reason: Reason | None, amount: int, listed: int, parts: tuple[int, ...], catalog: str
) -> Charge:
    """``Charge(Status.PRICED, ...)`` in half the time: the initialiser of a frozen class took half of a whole price."""
    made: Charge = _new(Charge)
    _set_status(made, _PRICED)
    _set_reason(made, reason)
    _set_detail(made, "")
    _set_amount(made, amount)
    _set_list(made, listed)
    _set_parts(made, parts)
    _set_pricing_model(made, price.pricing_model)
    _set_price_id(made, price.id)
    _set_catalog(made, catalog)
    _set_source(made, price.source)
    _set_paying_list(made, None)
    return made


def fixed(usd: Fraction, share: Fraction, price_id: str, catalog: str, source: str) -> Charge:
    """A charge of ``usd`` in the part ``other``, of which ``share`` is paid: no usage, no rates."""
    listed, paid = (round_half_even(part.numerator, part.denominator) for part in (usd * NANO, usd * share * NANO))
    if max(listed, paid) > MAX_AMOUNT:
        return unpriced(Reason.INVALID_USAGE, f"{price_id}: {_too_much(max(listed, paid))}", catalog)
    return Charge(
        Status.PRICED,
        None if paid else _FREE,
        amount_nano=paid,
        list_nano=listed,
        parts=(0, 0, 0, 0, paid),
        pricing_model=PricingModel.ON_DEMAND if paid else PricingModel.FREE,
        price_id=price_id,
        catalog=catalog,
        source=source,
    )


def rounded_parts(parts: Sequence[Fraction]) -> tuple[int, tuple[int, int, int, int, int]]:
    """Exact parts in nano-USD to the total, rounded half-even once, and whole parts that sum to it."""
    common = math.lcm(*(part.denominator for part in parts))
    scaled = [int(part * common) for part in parts]
    total = round_half_even(sum(scaled), common)
    into, out, read, write, other = apportion(scaled, common, total)
    return total, (into, out, read, write, other)


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` nano-USD by ``weights``, whole and without a rest: the largest remainders get what is over.

    Ties go to the earlier one. Where all weights are 0 the first takes everything.
    """
    whole = sum(weights)
    if not whole:
        return [total if index == 0 else 0 for index in range(len(weights))]
    return apportion([total * weight for weight in weights], whole, total)


def unpriced(reason: Reason, detail: str, catalog: str, pricing_model: PricingModel = PricingModel.ON_DEMAND) -> Charge:
    """A charge that says why there is no amount."""
    return Charge(Status.UNPRICED, reason, detail, pricing_model=pricing_model, catalog=catalog)


def unrounded_usd(price: Price, usage: Usage) -> Fraction:
    """The exact product in USD, before it is rounded; units without a rate are left out.

    Raises:
        InvalidUsage: the counts contradict each other.
    """
    plan = price.card.plan(tuple(usage.counts))
    if plan is None:
        parts, per_nano = _careful_parts(price.card, usage.counts)
    else:
        parts, per_nano = _planned_parts(price.card, plan, usage.counts)
    return Fraction(sum(parts), per_nano * NANO)


def round_half_even(numerator: int, denominator: int) -> int:
    """The nearest integer to a non-negative fraction; a tie goes to the even one."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole & 1))


def _planned_parts(card: RateCard, plan: tuple[Term, ...], counts: Mapping[str, int]) -> tuple[list[int], int]:
    """The unrounded parts in the order of ``COST_PARTS``, and how many of their unit make one nano-USD."""
    rates, per_nano = _level(card, counts) if card.starts else card.levels[0]
    parts = [0, 0, 0, 0, 0]
    leaves: list[int] = []
    for unit, part, rate, inside in plan:
        leaf = counts[unit]
        if inside:
            for index in inside:
                leaf -= leaves[index]
            if leaf < 0:
                raise InvalidUsage(_contradiction(card, unit, counts))
        parts[part] += leaf * rates[rate]
        leaves.append(leaf)
    return parts, per_nano


def _careful_parts(card: RateCard, counts: Mapping[str, int]) -> tuple[list[int], int]:
    """The same where counts are missing or billed otherwise than reported."""
    rates, per_nano = level_of(card, counts)
    parts = [0, 0, 0, 0, 0]
    for step, leaf, rate in zip(card.steps, leaf_counts(card, counts), rates, strict=True):
        parts[step.part] += leaf * rate
    return parts, per_nano


def leaf_counts(card: RateCard, counts: Mapping[str, int]) -> list[int]:
    """How many of each priced unit are charged at its own rate, in the order of ``card.steps``.

    Raises:
        InvalidUsage: the counts contradict each other.
    """
    if card.minimum_seconds:
        counts = _billed_seconds(counts, card.minimum_seconds)
    leaves: list[int] = []
    for unit, _, inside in card.steps:
        leaf = counts.get(unit)
        if leaf is None:
            leaf = _unreported(unit, counts)
        for index in inside:
            leaf -= leaves[index]
        if leaf < 0:
            raise InvalidUsage(_contradiction(card, unit, counts))
        leaves.append(leaf)
    return leaves


def level_of(card: RateCard, counts: Mapping[str, int]) -> Level:
    """The rates that hold for a request of this size. Raises InvalidUsage like :func:`leaf_counts`."""
    return _level(card, counts) if card.starts else card.levels[0]


def _level(card: RateCard, counts: Mapping[str, int]) -> Level:
    total = counts.get("input_tokens")
    if total is None:
        total = _unreported("input_tokens", counts)
    return card.levels[bisect_left(card.starts, total)]


def _unreported(unit: str, counts: Mapping[str, int]) -> int:
    """The count of a unit that has a price and was not reported: 0, unless something that was reported belies that."""
    if unit == "requests":
        return 1
    if not PARTS_OF[unit].isdisjoint(counts):
        for part, count in counts.items():
            if count and part in PARTS_OF[unit]:
                raise InvalidUsage(f"{part} is {count}, but {unit}, which includes it, was not reported")
    for first, second in overlaps(unit):
        if counts.get(first) and counts.get(second):
            raise InvalidUsage(
                f"{first} ({counts[first]}) and {second} ({counts[second]}) overlap in {unit}, which was not reported"
            )
    return 0


def _contradiction(card: RateCard, unit: str, counts: Mapping[str, int]) -> str:
    inside = PARTS_OF[unit]
    parts = {step.unit: counts[step.unit] for step in card.steps if step.unit in inside and counts.get(step.unit)}
    named = " and ".join(f"{part} ({count})" for part, count in sorted(parts.items()))
    return f"{named} come to more than {unit} ({counts.get(unit, 0)}), which includes them"


def _billed_seconds(counts: Mapping[str, int], minimum: int) -> Mapping[str, int]:
    seconds = counts.get(_AUDIO_TIME[0]) or counts.get(_AUDIO_TIME[1])
    return {**counts, **dict.fromkeys(_AUDIO_TIME, max(seconds, minimum))} if seconds else counts


def _too_much(nano: int) -> str:
    figure = str(nano) if nano < 10**30 else f"{Decimal(nano):.3E}"
    return f"an amount of {figure} nano-USD is beyond what one call can cost"


def _no_rate(price: Price, counts: Mapping[str, int], missing: list[str]) -> str:
    named = ", ".join(f"{unit} ({counts[unit]})" for unit in sorted(missing))
    return f"no rate for {named} in {price.id}"


def _refused(price: Price, reason: Reason, detail: str, catalog: str) -> Charge:
    return Charge(
        Status.UNPRICED,
        reason,
        detail,
        pricing_model=price.pricing_model,
        price_id=price.id,
        catalog=catalog,
        source=price.source,
    )


def apportion(parts: list[int], per_nano: int, total: int) -> list[int]:
    """Round ``parts`` so that they sum to ``total``: down, and the remaining nano-USD to the largest remainders.

    Ties go to the earlier part. At most one nano-USD goes to each part, and none to a part that came out even.
    """
    rounded: list[int] = []
    rests: list[int] = []
    for part in parts:
        whole, rest = divmod(part, per_nano)
        rounded.append(whole)
        rests.append(rest)
    # Few are missing, always fewer than there are parts: faster than to sort.
    for _ in range(total - sum(rounded)):
        index = rests.index(max(rests))
        rounded[index] += 1
        rests[index] = -1
    return rounded
