"""Prices compiled to integers: what one base unit costs, and how counts are split so that nothing is charged twice.

The rules are those of ``genai-prices`` 0.2.3 (``decompose.py`` and ``ModelPrice.calc_price``):

* A unit that is a part of another priced unit is taken out of it: with rates for ``input_tokens`` and
  ``cache_read_tokens``, cached tokens cost the cache rate and the remainder the input rate.
* A tier applies when the request's ``input_tokens`` are strictly above its start, and then to the whole request.
* ``requests`` counts as 1 when it is not reported.

Rates are integers of 1e-24 USD per base unit (one token, one second, one search) over a common divisor, which is 1
unless a rate does not come out even (an hourly price per second). What they have in common is cancelled, so that the
usual price works on small integers; nothing is ever rounded here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, lru_cache
from typing import Final, NamedTuple

from otel_cost.model import COST_PARTS, NANO, PricingModel
from otel_cost.units import UNITS, WHOLES, cost_part

RATE_SCALE: Final = 10**24
"""A rate of 1 is 1e-24 USD per base unit."""
_RATES_IN_NANO: Final = RATE_SCALE // NANO

PARTS_OF: Final[Mapping[str, frozenset[str]]] = {
    whole: frozenset(unit for unit, wholes in WHOLES.items() if whole in wholes) for whole in UNITS
}
"""Unit name to the units that are parts of it."""


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one base unit costs, in exact USD.

    ``tiers`` are ``(start, USD per base unit)``, ascending; ``start`` is exclusive and counts ``input_tokens``.
    """

    base: Fraction
    tiers: tuple[tuple[int, Fraction], ...] = ()

    def above(self, start: int) -> Fraction:
        """The price once the request's input is above ``start``, one of the starts of the same price."""
        return next((usd for tier_start, usd in reversed(self.tiers) if tier_start <= start), self.base)


class Step(NamedTuple):
    """One priced unit: where its cost goes, and which earlier steps are parts of it."""

    unit: str
    part: int
    inside: tuple[int, ...]


class Term(NamedTuple):
    """A step of a plan: ``rate`` is the index of its rate, ``inside`` the earlier terms that are parts of it."""

    unit: str
    part: int
    rate: int
    inside: tuple[int, ...]


class Level(NamedTuple):
    """The rates of one tier, one for each step: ``rate / per_nano`` nano-USD per base unit."""

    rates: tuple[int, ...]
    per_nano: int


@dataclass(frozen=True, slots=True)
class RateCard:
    """The compiled rates of one model at one time.

    ``steps`` run from the most specific unit to the most general. ``levels[n]`` holds when the input is strictly above
    ``n`` of the ``starts``. ``covered`` are the units that have a rate, or a whole that has one. ``minimum_seconds`` is
    the shortest audio that is billed.
    """

    steps: tuple[Step, ...]
    starts: tuple[int, ...]
    levels: tuple[Level, ...]
    covered: frozenset[str]
    free: bool
    minimum_seconds: int = 0
    plans: dict[tuple[str, ...], tuple[Term, ...] | None] = field(default_factory=dict, compare=False, repr=False)
    """Remembered answers of :meth:`plan`. The units come from a closed list and in few orders."""

    def plan(self, reported: tuple[str, ...]) -> tuple[Term, ...] | None:
        """The steps that matter when exactly these units are reported, if they need no questions asked.

        None where they do: a unit without a rate, a whole that is missing while a part of it is there, a count that is
        billed otherwise than reported.
        """
        try:
            return self.plans[reported]
        except KeyError:
            plan = self.plans[reported] = self._plan(reported)
            return plan

    def _plan(self, reported: tuple[str, ...]) -> tuple[Term, ...] | None:
        steps = [(index, step) for index, step in enumerate(self.steps) if step.unit in reported]
        silent = [step.unit for step in self.steps if step.unit not in reported]
        unclear = (
            self.minimum_seconds
            or not self.covered.issuperset(reported)
            or any(
                unit == "requests"
                or not PARTS_OF[unit].isdisjoint(reported)
                or any(first in reported and second in reported for first, second in overlaps(unit))
                for unit in (*silent, *({"input_tokens"} - set(reported) if self.starts else ()))
            )
        )
        if unclear:
            return None
        order = [index for index, _ in steps]
        return tuple(
            Term(step.unit, step.part, index, tuple(order.index(part) for part in step.inside if part in order))
            for index, step in steps
        )


@dataclass(frozen=True, slots=True)
class Price:
    """A price ready to use: the rates, and what a charge made with them says about its origin.

    ``card`` has the effective rates; ``list_card`` those of the price list, None where they are the same.
    """

    id: str
    source: str
    card: RateCard
    pricing_model: PricingModel = PricingModel.ON_DEMAND
    context_window: int | None = None
    """The most input tokens that the model takes, where that is known."""
    list_card: RateCard | None = None


def compile_card(prices: Mapping[str, UnitPrice], *, minimum_seconds: int = 0) -> RateCard:
    """Compile prices by unit. An empty mapping gives a card that covers nothing.

    Raises:
        ValueError: the units cannot be told apart; the text names the unit whose price is missing (see :func:`gaps`).
    """
    problem = _first_gap(frozenset(prices))
    if problem is not None:
        raise ValueError(problem)
    order = sorted(prices, key=lambda unit: (-len(UNITS[unit]), unit))
    starts = tuple(sorted({start for price in prices.values() for start, _ in price.tiers}))
    levels = [_level([prices[unit].base for unit in order])]
    levels += [_level([prices[unit].above(start) for unit in order]) for start in starts]
    return RateCard(
        steps=tuple(_step(unit, order) for unit in order),
        starts=starts,
        levels=tuple(levels),
        covered=_covered(frozenset(prices)),
        free=bool(prices) and not any(any(level.rates) for level in levels),
        minimum_seconds=minimum_seconds,
    )


def scaled(card: RateCard, factor_of: Callable[[str], Fraction]) -> RateCard:
    """The card with every unit's rate times ``factor_of(unit)``, exactly."""
    factors = [factor_of(step.unit) for step in card.steps]
    common = math.lcm(*(factor.denominator for factor in factors))
    levels = tuple(_scaled_level(level, factors, common) for level in card.levels)
    free = bool(card.steps) and not any(any(level.rates) for level in levels)
    return replace(card, levels=levels, free=free, plans={})


def _scaled_level(level: Level, factors: list[Fraction], common: int) -> Level:
    rates = [int(rate * factor * common) for rate, factor in zip(level.rates, factors, strict=True)]
    divisor = math.gcd(level.per_nano * common, *rates)
    return Level(tuple(rate // divisor for rate in rates), level.per_nano * common // divisor)


def gaps(units: Iterable[str]) -> Iterator[str]:
    """What is missing for the prices of ``units`` to be unambiguous, in words; nothing when they are.

    A part needs a price for each of its wholes, and two priced units that overlap need one for what they share: cached
    audio tokens could otherwise be charged as cached, as audio, or twice.
    """
    priced = sorted(set(units))
    for unit in priced:
        for whole in WHOLES[unit]:
            if whole not in priced:
                yield f"{unit} has a price, so {whole}, which includes it, needs one too"
    for shared in UNITS:
        if shared not in priced:
            for first, second in overlaps(shared):
                if first in priced and second in priced:
                    yield f"{first} and {second} have prices and overlap, so {shared} needs one too"


@lru_cache(maxsize=1024)
def _first_gap(units: frozenset[str]) -> str | None:
    return next(gaps(units), None)


@lru_cache(maxsize=1024)
def _covered(priced: frozenset[str]) -> frozenset[str]:
    return frozenset(unit for unit in UNITS if unit in priced or not priced.isdisjoint(WHOLES[unit]))


@cache
def overlaps(unit: str) -> tuple[tuple[str, str], ...]:
    """The pairs of units, neither a part of the other, that have exactly ``unit`` in common."""
    wholes = WHOLES[unit]
    return tuple(
        (first, second)
        for index, first in enumerate(wholes)
        for second in wholes[index + 1 :]
        if UNITS[first] | UNITS[second] == UNITS[unit]
        and not UNITS[first] <= UNITS[second]
        and not UNITS[second] <= UNITS[first]
    )


def _step(unit: str, order: list[str]) -> Step:
    inside = tuple(index for index, other in enumerate(order) if other in PARTS_OF[unit])
    return Step(unit, COST_PARTS.index(cost_part(unit)), inside)


def _level(usd: list[Fraction]) -> Level:
    exact = [price * RATE_SCALE for price in usd]
    divisor = math.lcm(*(rate.denominator for rate in exact))
    rates = [int(rate * divisor) for rate in exact]
    per_nano = _RATES_IN_NANO * divisor
    common = math.gcd(per_nano, *rates)
    return Level(tuple(rate // common for rate in rates), per_nano // common)
