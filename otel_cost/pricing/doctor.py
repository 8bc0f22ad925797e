"""What may be wrong with prices: stale entries of one's own, and where another price list says something else.

The other list is LiteLLM's file, or any other shape that an overlay may have. It is a second opinion: neither is right
because the other differs, but somebody should look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final

from otel_cost.errors import ConfigError
from otel_cost.model import Charge, Reason
from otel_cost.pricing.catalog import Catalog, PriceQuery
from otel_cost.pricing.documents import read_document
from otel_cost.pricing.listing import rates_of, usd_text
from otel_cost.pricing.overlay import OverlayEntry, Overlays, parse
from otel_cost.pricing.rates import Price

TOLERANCE: Final = Fraction(1, 1000)
"""Rates that differ by less are the same: other lists round."""
CHECK_AGAIN_DAYS: Final = 180
_DAY_NS: Final = 86_400 * 10**9
_MILLION: Final = 10**6
_Levels = Mapping[tuple[int, str], Fraction]


class Finding(StrEnum):
    STALE = "stale"  # of one's own, and over or unchecked for long, or said by the price data too
    MISSING = "missing"  # the other list has a price, this one has none
    DISPUTED = "disputed"  # both have one, and they differ


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to look at. Amounts are exact USD per base unit; None: no such rate."""

    finding: Finding
    provider: str
    model: str
    text: str
    service_tier: str = ""
    unit: str = ""
    above: int = 0
    ours: Fraction | None = None
    theirs: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Examination:
    """All remarks, and what they rest on: entries compared, in agreement, and of providers that are not known here."""

    remarks: tuple[Remark, ...]
    compared: int = 0
    agreed: int = 0
    foreign: int = 0

    def of(self, finding: Finding) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.finding is finding)


def examine(catalog: Catalog, at_ns: int, against: Path | None = None) -> Examination:
    """Look at the prices of ``catalog`` at ``at_ns`` (UTC ns), and compare them with those in ``against``.

    Raises:
        ConfigError: ``against`` cannot be read, or has no prices.
    """
    remarks = list(_stale(catalog, at_ns))
    if against is None:
        return Examination(tuple(remarks))
    entries = parse(read_document(against), str(against))
    if not entries:
        raise ConfigError(f"{against}: has no prices to compare with")
    compared = agreed = foreign = 0
    for entry in entries:
        found = _compare(catalog, entry, at_ns) if entry.active(at_ns) else ()
        if found is None:
            foreign += 1
            continue
        compared += 1
        agreed += not found
        remarks += found
    return Examination(tuple(remarks), compared, agreed, foreign)


def _compare(catalog: Catalog, entry: OverlayEntry, at_ns: int) -> Sequence[Remark] | None:
    """What differs; None when the provider is not known here at all."""
    provider = "" if entry.provider == "*" else entry.provider
    ours = catalog.resolve(PriceQuery(provider, entry.model, at_ns, entry.service_tier))
    about = Remark(Finding.MISSING, entry.provider, entry.model, "", entry.service_tier)
    if isinstance(ours, Charge):
        if ours.reason is Reason.UNKNOWN_PROVIDER or catalog.snapshot.provider_named(provider) is None:
            return None
        what = "no price for this service tier" if entry.service_tier else "no price for this model"
        return [replace(about, text=f"{what}; theirs: {_table(dict(entry.rates))}")]
    theirs = {place: usd for place, usd in _levels(entry.price).items() if place[1] not in entry.derived}
    return _differences(about, _levels(ours), theirs)


def _differences(about: Remark, ours: _Levels, theirs: _Levels) -> list[Remark]:
    found: list[Remark] = []
    for (above, unit), their in theirs.items():
        our = _at(ours, above, unit)
        at = replace(about, unit=unit, above=above, ours=our, theirs=their)
        if our is None:
            if their:
                found.append(replace(at, text=f"no rate for {unit}; theirs: {_per(unit, their)}"))
        elif abs(our - their) > TOLERANCE * max(our, their):
            size = f" above {above:,} input tokens" if above else ""
            text = f"{unit}{size}: ours {_per(unit, our)}, theirs {_per(unit, their)}"
            found.append(replace(at, finding=Finding.DISPUTED, text=text))
    return found


def _levels(price: Price) -> _Levels:
    """The list rates by (start, unit)."""
    rates = rates_of(price.list_card or price.card)
    return {(start, unit): usd for start, table in rates.items() for unit, usd in table.items()}


def _at(rates: _Levels, above: int, unit: str) -> Fraction | None:
    """The rate of ``unit`` once the input is above ``above`` tokens."""
    places = [place for place in rates if place[1] == unit and place[0] <= above]
    return rates[max(places)] if places else None


def _stale(catalog: Catalog, at_ns: int) -> Iterable[Remark]:
    entries = catalog.overlays.entries
    for entry in entries:
        about = Remark(Finding.STALE, entry.provider, entry.model, "", entry.service_tier)
        if entry.until_ns is not None and entry.until_ns <= at_ns and not _followed(entry, entries, at_ns):
            yield replace(about, text=f"{entry.place}: ended on {_day(entry.until_ns)}, and nothing follows")
        elif entry.active(at_ns) and _known_without(catalog, entry, at_ns):
            yield replace(about, text=f"{entry.place}: the price data says the same by now, it can go")
        checked = _checked_ns(entry.checked)
        if checked is not None and at_ns - checked > CHECK_AGAIN_DAYS * _DAY_NS:
            yield replace(about, text=f"{entry.place}: last checked on {entry.checked}; look again: {entry.origin}")


def _followed(ended: OverlayEntry, entries: Iterable[OverlayEntry], at_ns: int) -> bool:
    key = (ended.provider, ended.model, ended.service_tier)
    return any((e.provider, e.model, e.service_tier) == key and e.active(at_ns) for e in entries)


def _known_without(catalog: Catalog, entry: OverlayEntry, at_ns: int) -> bool:
    bare = Catalog(catalog.snapshot, Overlays())
    found = bare.resolve(PriceQuery(entry.provider, entry.model, at_ns, entry.service_tier))
    return isinstance(found, Price) and _levels(found) == _levels(entry.price)


def _checked_ns(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9
    except ValueError:
        return None


def _day(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%d}"


def _table(rates: Mapping[str, Fraction]) -> str:
    return ", ".join(f"{unit} {_per(unit, usd)}" for unit, usd in rates.items())


def _per(unit: str, usd: Fraction) -> str:
    return f"{usd_text(usd * _MILLION)}/1M" if unit.endswith(("_tokens", "_characters")) else usd_text(usd)
