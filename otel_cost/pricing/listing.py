"""What a catalog knows, for people: every model with its price, and one model with all there is to say about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from otel_cost.model import NANO, Charge
from otel_cost.pricing.catalog import Catalog, PriceQuery
from otel_cost.pricing.overlay import OverlayEntry
from otel_cost.pricing.providers import canonical
from otel_cost.pricing.rates import Price, RateCard
from otel_cost.pricing.snapshot import SnapshotModel

Rates = Mapping[int, Mapping[str, Fraction]]
"""Exact USD per base unit by unit, by the number of input tokens above which they hold (0: always)."""
_TOO_MANY_DIGITS: Final = 24


@dataclass(frozen=True, slots=True)
class Listed:
    """One model that can be called by one name. ``rates`` are those of the list, ``paid`` the effective ones where they
    differ. Times are UTC ns; ``from_ns`` is inclusive, ``until_ns`` exclusive."""

    provider: str
    model: str
    rates: Rates
    price_id: str
    source: str
    context_window: int | None
    paid: Rates | None = None
    from_ns: int | None = None
    until_ns: int | None = None
    service_tiers: tuple[str, ...] = ()
    deprecated: bool = False
    origin: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """All about one model: its price now, by service tier, and over time; ``unpriced`` says why there is none.

    ``history`` has each price with the UTC ns from which on it holds, 0 for the earliest; it is empty where the price
    never changed.
    """

    query: PriceQuery
    price: Price | None
    unpriced: Charge | None = None
    tiers: Mapping[str, Price] = field(default_factory=dict)
    history: tuple[tuple[int, Price], ...] = ()
    entry: OverlayEntry | None = None


def rates_of(card: RateCard) -> Rates:
    """The rates of ``card`` in exact USD per base unit; above a size only those that differ from the ones below."""
    found: dict[int, dict[str, Fraction]] = {}
    before: dict[str, Fraction] = {}
    for start, level in zip((0, *card.starts), card.levels, strict=True):
        rates = {
            step.unit: Fraction(rate, level.per_nano * NANO) for step, rate in zip(card.steps, level.rates, strict=True)
        }
        found[start] = {unit: usd for unit, usd in rates.items() if before.get(unit) != usd}
        before = rates
    return found


def usd_text(usd: Fraction) -> str:
    """All digits of an amount in USD, without zeros at the end; 24 places where it never comes out even."""
    with localcontext(prec=60):
        number = Decimal(usd.numerator) / Decimal(usd.denominator)
        if Fraction(number) != usd:
            number = round(number, _TOO_MANY_DIGITS)
        text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def listed(catalog: Catalog, at_ns: int) -> Iterator[Listed]:
    """Every model that has a price at ``at_ns`` (UTC ns) at the standard service tier: own prices first, each model
    once."""
    entries = [entry for entry in catalog.overlays.entries if entry.active(at_ns)]
    seen: set[tuple[str, str]] = set()
    for entry in sorted(entries, key=lambda entry: (entry.layer == 0, entry.provider, entry.model)):
        if not entry.service_tier and (entry.provider, entry.model) not in seen:
            seen.add((entry.provider, entry.model))
            yield _of_entry(catalog, entry, entries, at_ns)
    for model in catalog.snapshot.models():
        if (canonical(model.seller), model.info.id.lower()) not in seen:
            row = _of_model(catalog, model, at_ns)
            if row is not None:
                yield row


def shown(catalog: Catalog, query: PriceQuery) -> Shown:
    """All about the model that ``query`` names. Of the past, what the price data remembers."""
    found = catalog.resolve(query)
    if isinstance(found, Charge):
        return Shown(query, None, found)
    stated = catalog.stated(query)
    entry = next((e for e in catalog.overlays.entries if e.price is stated), None)
    tiers = {tier: catalog.resolve(_at_tier(query, tier)) for tier in catalog.service_tiers(query) if tier}
    edges = catalog.edges(query)
    history = [(at, catalog.resolve(_at_time(query, at))) for at in ((0, *edges) if edges else ())]
    return Shown(
        query,
        found,
        tiers={tier: price for tier, price in tiers.items() if isinstance(price, Price)},
        history=tuple((at, price) for at, price in history if isinstance(price, Price)),
        entry=entry,
    )


def _of_entry(catalog: Catalog, entry: OverlayEntry, entries: list[OverlayEntry], at_ns: int) -> Listed:
    found = catalog.resolve(PriceQuery("" if entry.provider == "*" else entry.provider, entry.model, at_ns))
    price = found if isinstance(found, Price) and found.id.startswith(entry.price.id) else entry.price
    tiers = {e.service_tier for e in entries if (e.provider, e.model) == (entry.provider, entry.model)}
    return Listed(
        entry.provider, entry.model, rates_of(price.list_card or price.card), price.id, price.source,
        price.context_window, _paid(price), entry.from_ns, entry.until_ns, tuple(sorted(tiers - {""})),
        origin=entry.origin or str(entry.place).removesuffix(":"), aliases=entry.aliases,
    )  # fmt: skip


def _of_model(catalog: Catalog, model: SnapshotModel, at_ns: int) -> Listed | None:
    price = catalog.resolve_model(model, at_ns)
    if not isinstance(price, Price) or not price.card.steps:
        return None
    return Listed(
        model.seller, model.info.id, rates_of(price.list_card or price.card), price.id, price.source,
        price.context_window, _paid(price), model.since(at_ns), None, model.service_tiers(),
        deprecated=bool(model.info.deprecated), origin=catalog.snapshot.version,
    )  # fmt: skip


def _paid(price: Price) -> Rates | None:
    return None if price.list_card is None else rates_of(price.card)


def _at_tier(query: PriceQuery, tier: str) -> PriceQuery:
    return PriceQuery(query.provider, query.model, query.at_ns, tier, query.server_address)


def _at_time(query: PriceQuery, at_ns: int) -> PriceQuery:
    return PriceQuery(query.provider, query.model, at_ns, query.service_tier, query.server_address)
