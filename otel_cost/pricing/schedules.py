"""Prices that depend on how much was used before: free allowances, volume discounts, commitments::

    schedules:
      - name: openai-2026
        provider: openai
        model: "gpt-*"
        period: month                        # day | month | year | total, by the calendar in UTC
        free: {input: 1000000}               # so many of a unit cost nothing in each period
        volume: [{above_usd: 10000, discount: 5%}, {above_usd: 50000, discount: 10%}]
      - name: anthropic-commit
        provider: anthropic
        commitment: {usd: 20000, discount: 20%, beyond: 5%}    # paid in advance for each period

Everything is marginal: a call is charged for the brackets that it fills, so that the sum over calls does not depend on
how usage was cut into calls. Brackets are measured in list prices, without what was free. A commitment of 20,000 USD at
20 % off covers 25,000 USD of list prices, at no further cost; what goes beyond is charged at its own discount.

Nothing here remembers anything: what was used before comes in as :class:`SoFar`, from the ledger (see
``otel_cost.used_before``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from otel_cost.errors import InvalidUsage
from otel_cost.model import NANO, Charge, PricingModel, Reason, Status, Usage
from otel_cost.pricing import calculator, reading
from otel_cost.pricing.adjustments import ANY, Pattern
from otel_cost.pricing.documents import as_sequence
from otel_cost.pricing.draft import SHORT_UNITS
from otel_cost.pricing.instants import moment
from otel_cost.pricing.rates import Price, RateCard
from otel_cost.pricing.reading import Place
from otel_cost.units import UNITS

_KEYS: Final = ("name", "provider", "model", "period", "free", "volume", "commitment", "from", "until", "source")
_PERIODS: Final = ("day", "month", "year", "total")
_REQUESTS: Final = "requests"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_OF_TIME: Final = 2**63


@dataclass(frozen=True, slots=True)
class SoFar:
    """What was used under a schedule in this period before a call: counts as in ``Usage``, and the list prices in
    nano-USD of what was not free. ``requests`` is the number of calls: usage seldom has it, and without it no request
    is free."""

    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    list_nano: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """``brackets`` are (list nano-USD from which on, share of the list price that is paid), ascending from 0."""

    name: str
    pattern: Pattern
    period: str
    free: tuple[tuple[str, int], ...]
    brackets: tuple[tuple[Fraction, Fraction], ...]
    committed_usd: Fraction
    from_ns: int | None
    until_ns: int | None
    layer: int
    index: int
    place: Place = field(compare=False, repr=False)

    def active(self, at_ns: int) -> bool:
        return (self.from_ns is None or self.from_ns <= at_ns) and (self.until_ns is None or at_ns < self.until_ns)

    def rank(self) -> tuple[object, ...]:
        start = self.from_ns if self.from_ns is not None else -(2**63)
        return (self.layer, *self.pattern.rank(), start, self.index)

    def period_around(self, at_ns: int) -> tuple[int, int]:
        """The period that ``at_ns`` lies in: start (inclusive) and end (exclusive), UTC ns."""
        day = moment(at_ns).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period == "total":
            return 0, _END_OF_TIME
        if self.period == "day":
            return _ns(day), _ns(day + timedelta(days=1))
        if self.period == "month":
            first = day.replace(day=1)
            return _ns(first), _ns((first + timedelta(days=32)).replace(day=1))
        first = day.replace(month=1, day=1)
        return _ns(first), _ns(first.replace(year=first.year + 1))

    def due(self, before: Fraction, amount: Fraction) -> Fraction:
        """What is paid of ``amount`` nano-USD of list prices that follow on ``before``."""
        paid = Fraction(0)
        ends = [start for start, _ in self.brackets[1:]]
        for (start, share), end in zip(self.brackets, [*ends, None], strict=True):
            low, high = max(start, before), before + amount if end is None else min(end, before + amount)
            paid += max(Fraction(0), high - low) * share
        return paid


def charge(price: Price, usage: Usage, catalog: str, schedule: Schedule, so_far: SoFar) -> Charge:
    """What ``usage`` costs at ``price`` after ``so_far`` of the period. Never raises.

    The list amount is that of all usage, free or not. The price's id names the schedule.
    """
    plain = calculator.charge(price, usage, catalog)
    if plain.status is not Status.PRICED:
        return plain
    try:
        paying = _paying(price.card, usage.counts, schedule, so_far)
        listed = _nano(price.list_card or price.card, usage.counts, paying)
        parts = _nano(price.card, usage.counts, paying)
    except InvalidUsage as error:
        return calculator.unpriced(Reason.INVALID_USAGE, f"used before: {error}", catalog, price.pricing_model)
    total = sum(listed, Fraction(0))
    share = schedule.due(Fraction(so_far.list_nano), total) / total if total else Fraction(1)
    return _made(plain, schedule, [part * share for part in parts], total)


def read(value: object, place: Place, layer: int) -> tuple[Schedule, ...]:
    """The schedules of one file.

    Raises:
        ConfigError: an entry is wrong; the text names entry and key.
    """
    items = as_sequence(value)
    if items is None:
        raise place.error("expected a list")
    found: list[Schedule] = []
    for index, item in enumerate(items):
        where = Place(place.source, f"{place.path}[{index}]")
        data = reading.mapping(item, where, f"a mapping of {', '.join(_KEYS)}")
        reading.refuse_unknown(data, _KEYS, where)
        made = _schedule(data, where, layer, index)
        twin = next((s for s in found if s.pattern.overlaps(made.pattern) and s.from_ns == made.from_ns), None)
        if twin is not None:
            raise where.error(f"conflicts with {twin.place}: both are for the same calls from the same time on")
        found.append(made)
    return tuple(found)


def _paying(card: RateCard, counts: Mapping[str, int], schedule: Schedule, so_far: SoFar) -> dict[str, Fraction]:
    """Unit to the share of its count that is not free. An allowance is for what is charged at that unit's own rate:
    one for input tokens leaves cached ones out where those have a rate."""
    free = dict(schedule.free)
    if not free:
        return {}
    now = calculator.leaf_counts(card, counts)
    before = calculator.leaf_counts(card, so_far.counts) if so_far.counts else [0] * len(now)
    shares: dict[str, Fraction] = {}
    for step, this, earlier in zip(card.steps, now, before, strict=True):
        allowance = free.get(step.unit)
        if allowance is not None and this:
            if step.unit == _REQUESTS and so_far.counts and _REQUESTS not in so_far.counts:
                earlier = allowance
            charged = max(0, earlier + this - allowance) - max(0, earlier - allowance)
            shares[step.unit] = Fraction(charged, this)
    return shares


def _nano(card: RateCard, counts: Mapping[str, int], paying: Mapping[str, Fraction]) -> list[Fraction]:
    """Exact nano-USD by part."""
    rates, per_nano = calculator.level_of(card, counts)
    parts = [Fraction(0)] * 5
    for step, leaf, rate in zip(card.steps, calculator.leaf_counts(card, counts), rates, strict=True):
        parts[step.part] += leaf * Fraction(rate, per_nano) * paying.get(step.unit, 1)
    return parts


def _made(plain: Charge, schedule: Schedule, parts: list[Fraction], listed: Fraction) -> Charge:
    amount, rounded = calculator.rounded_parts(parts)
    free = not amount and bool(plain.amount_nano)
    covered = PricingModel.SUBSCRIPTION if schedule.committed_usd else PricingModel.FREE
    return Charge(
        Status.PRICED,
        Reason.FREE if free else plain.reason,
        amount_nano=amount,
        list_nano=plain.list_nano,
        parts=rounded,
        pricing_model=covered if free else plain.pricing_model,
        price_id=f"{plain.price_id}+schedule:{schedule.name}",
        catalog=plain.catalog,
        source=plain.source,
        paying_list_nano=calculator.round_half_even(listed.numerator, listed.denominator),
    )


def _schedule(data: Mapping[str, object], place: Place, layer: int, index: int) -> Schedule:
    period = reading.text(data, "period", place, "month")
    if period not in _PERIODS:
        raise place.error(f"period: {period!r:.40} is none; allowed: {', '.join(_PERIODS)}")
    if "volume" in data and "commitment" in data:
        raise place.error("volume and commitment: give one of them; what goes beyond a commitment is its own discount")
    start, end = reading.period(data, place)
    committed, brackets = _commitment(data, place) if "commitment" in data else (Fraction(0), _volume(data, place))
    return Schedule(
        name=reading.text(data, "name", place),
        pattern=Pattern.of(
            reading.text(data, "provider", place, ANY), reading.text_or_texts(data, "model", place, ANY)
        ),
        period=period,
        free=_free(data, place),
        brackets=brackets,
        committed_usd=committed,
        from_ns=start,
        until_ns=end,
        layer=layer,
        index=index,
        place=place,
    )


def _free(data: Mapping[str, object], place: Place) -> tuple[tuple[str, int], ...]:
    table = reading.mapping(data.get("free", {}), place.within("free"), "a mapping of units to counts")
    found: list[tuple[str, int]] = []
    for name in table:
        unit = SHORT_UNITS.get(name, name)
        if unit not in UNITS:
            raise place.error(f"free: unknown unit {name!r}; allowed: {', '.join((*SHORT_UNITS, *UNITS))}")
        count = reading.whole(table, name, place.within("free"))
        if count is None:
            raise place.error(f"free: {name}: expected a whole number above 0")
        if any(unit == other for other, _ in found):
            raise place.error(f"free: {name}: has an allowance already")
        found.append((unit, count))
    return tuple(found)


def _volume(data: Mapping[str, object], place: Place) -> tuple[tuple[Fraction, Fraction], ...]:
    items = as_sequence(data.get("volume", ()))
    if items is None:
        raise place.error("volume: expected a list such as [{above_usd: 10000, discount: 5%}]")
    brackets: dict[Fraction, Fraction] = {}
    for index, item in enumerate(items):
        where = Place(place.source, f"{place.path}.volume[{index}]")
        step = reading.mapping(item, where, "a mapping such as {above_usd: 10000, discount: 5%}")
        reading.refuse_unknown(step, ("above_usd", "discount"), where)
        start = reading.usd(step.get("above_usd"), "above_usd", where) * NANO
        if start in brackets:
            raise where.error("above_usd: another one begins there too")
        brackets[start] = 1 - reading.share(step.get("discount"), "discount", where, maximum=100)
    return tuple(sorted({Fraction(0): Fraction(1), **brackets}.items()))


def _commitment(data: Mapping[str, object], place: Place) -> tuple[Fraction, tuple[tuple[Fraction, Fraction], ...]]:
    where = place.within("commitment")
    table = reading.mapping(data["commitment"], where, "a mapping such as {usd: 20000, discount: 20%}")
    reading.refuse_unknown(table, ("usd", "discount", "beyond"), where)
    usd = reading.usd(table.get("usd"), "usd", where)
    discount = reading.share(table.get("discount", "0%"), "discount", where, maximum=99)
    beyond = reading.share(table.get("beyond", "0%"), "beyond", where, maximum=100)
    if not usd:
        raise where.error("usd: must be above 0")
    return usd, ((Fraction(0), Fraction(0)), (usd * NANO / (1 - discount), 1 - beyond))


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
