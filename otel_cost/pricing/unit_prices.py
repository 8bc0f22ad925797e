"""Prices of what is no model: tools by the call, resources by the quantity, and the currency that amounts are shown in.

::

    tools:
      github_api: 0.01                        # USD a call; names may be patterns
      "search_*": {usd: 0.002, from: 2026-01-01, source: ...}
    resources:
      cpu_core_hour: 0.05                     # USD for one of what the name says
      gpu_hour: [{usd: 1.5, until: 2026-07-01}, {usd: 1.2, from: 2026-07-01}]
    display: {currency: EUR, per_usd: 0.92, as_of: 2026-11-20, source: ECB}
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final

from otel_cost.pricing import reading
from otel_cost.pricing.calculator import round_half_even
from otel_cost.pricing.documents import as_sequence
from otel_cost.pricing.reading import Place

_KEYS: Final = ("usd", "from", "until", "source", "checked")
_DISPLAY_KEYS: Final = ("currency", "per_usd", "as_of", "source")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class UnitRate:
    """Exact USD for one call of a tool, or for one unit of a resource. ``from_ns`` is inclusive, ``until_ns`` not."""

    name: str
    usd: Fraction
    from_ns: int | None
    until_ns: int | None
    origin: str
    layer: int
    place: Place = field(compare=False)

    def matches(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name.lower(), self.name)

    def active(self, at_ns: int) -> bool:
        return (self.from_ns is None or self.from_ns <= at_ns) and (self.until_ns is None or at_ns < self.until_ns)

    def rank(self) -> tuple[object, ...]:
        literal = re.split(r"[*?\[]", self.name, maxsplit=1)[0]
        start = self.from_ns if self.from_ns is not None else -(2**63)
        return (self.layer, literal == self.name, len(literal), start)


@dataclass(frozen=True, slots=True)
class Display:
    """A currency to show amounts in. Accounts stay in USD: a rate of today would rewrite yesterday's spend."""

    currency: str
    per_usd: Fraction
    as_of: str = ""
    origin: str = ""

    def amount(self, nano: int) -> Decimal:
        """``nano`` nano-USD in this currency, to nine places, half to even."""
        exact = nano * self.per_usd
        return Decimal(round_half_even(exact.numerator, exact.denominator)).scaleb(-9)


def read_rates(value: object, place: Place, layer: int) -> tuple[UnitRate, ...]:
    """The rates under ``tools:`` or ``resources:``.

    Raises:
        ConfigError: an entry is wrong, or two rates of one name begin at the same time.
    """
    found: list[UnitRate] = []
    for name, rate in reading.mapping(value, place, "a mapping of names to USD").items():
        if not name.strip():
            raise place.error("a name is empty")
        for item, where in _variants(rate, place.within(name)):
            made = _rate(name.strip().lower(), item, where, layer)
            twin = next((r for r in found if (r.name, r.from_ns) == (made.name, made.from_ns)), None)
            if twin is not None:
                raise where.error(f"begins when another one does: {twin.place}")
            found.append(made)
    return tuple(found)


def read_display(value: object, place: Place) -> Display:
    data = reading.mapping(value, place, "a mapping such as {currency: EUR, per_usd: 0.92}")
    reading.refuse_unknown(data, _DISPLAY_KEYS, place)
    currency = reading.text(data, "currency", place)
    if not _CURRENCY.fullmatch(currency):
        raise place.error(f"currency: expected three capital letters such as EUR, not {currency!r:.40}")
    rate = reading.amount(data.get("per_usd"), "per_usd", place, maximum=10**9)
    if not rate:
        raise place.error("per_usd: must be above 0")
    reading.instant(data, "as_of", place)
    return Display(currency, rate, str(data.get("as_of") or ""), reading.text(data, "source", place, ""))


def _variants(value: object, place: Place) -> Iterator[tuple[object, Place]]:
    items = as_sequence(value)
    if items is None:
        yield value, place
    elif not items:
        raise place.error("the list is empty")
    else:
        yield from ((item, Place(place.source, f"{place.path}[{index}]")) for index, item in enumerate(items))


def _rate(name: str, value: object, place: Place, layer: int) -> UnitRate:
    data: Mapping[str, object] = value if isinstance(value, Mapping) else {"usd": value}
    reading.refuse_unknown(data, _KEYS, place)
    start, end = reading.period(data, place)
    usd = reading.usd(data.get("usd"), "usd", place)
    return UnitRate(name, usd, start, end, reading.text(data, "source", place, ""), layer, place)
