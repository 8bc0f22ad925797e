"""What to add to a price file so that calls without a price have one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from otel_cost.ledger.questions import Unpriced
from otel_cost.model import Reason
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.listing import Rates, rates_of, usd_text
from otel_cost.pricing.rates import Price
from otel_cost.units import UNITS

_WANTS_PRICE: Final = (Reason.UNKNOWN_MODEL, Reason.UNKNOWN_PROVIDER, Reason.NO_RATE)
_TIER: Final = re.compile(r"no price for service tier '([\w-]+)'")
_FILL_IN: Final = "<USD>"
_RATES: Final = ("    per_", "    above")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A price to add. ``now`` is the id of the price that the calls would have today, "" where they have none."""

    calls: Unpriced
    entry: str
    now: str


def wanted(calls: Unpriced, catalog: Catalog, at_ns: int, host: str = "") -> Wanted:
    """The entry that ``calls`` lack under the prices at ``at_ns`` (UTC ns)."""
    if calls.reason not in _WANTS_PRICE:
        return Wanted(calls, "", "")
    tier = _TIER.search(calls.detail)
    tier_name = tier[1] if tier is not None else ""
    query = PriceQuery(calls.provider, calls.model, at_ns, tier_name, host)
    # Before the rules: an own price is what they are applied to.
    price, paid = catalog.stated(query), catalog.resolve(query)
    known = price if isinstance(price, Price) else None
    missing = _missing(calls, known)
    if isinstance(paid, Price) and not missing:
        return Wanted(calls, "", paid.id)
    return Wanted(calls, _entry(calls, tier_name, known, missing), "")


def as_yaml(some: Sequence[Wanted]) -> str:
    """A price file; of two entries for one model and tier the fuller one, since a file may have only one."""
    entries: dict[tuple[str, ...], str] = {}
    for entry in (one.entry for one in some if one.entry):
        key = tuple(line for line in entry.splitlines() if not line.startswith(_RATES))
        entries[key] = max(entries.get(key, ""), entry, key=len)
    return "\n".join(["prices:", *entries.values()]) if entries else "prices: []"


def _missing(calls: Unpriced, price: Price | None) -> list[str]:
    """The units that such calls use and ``price`` has no rate for."""
    if price is None:
        return ["input_tokens"] + (["output_tokens"] if calls.output_tokens else [])
    named = re.findall(r"\b([a-z_0-9]+) \(\d+\)", calls.detail) if calls.detail.startswith("no rate for") else []
    return [unit for unit in named if unit in UNITS and unit not in price.card.covered]


def _entry(calls: Unpriced, tier: str, price: Price | None, missing: Sequence[str]) -> str:
    """One entry of a price file, as YAML."""
    known: Rates = rates_of(price.card) if price is not None else {0: {}}
    lines = [f"  - provider: {json.dumps(calls.provider or '*')}", f"    model: {json.dumps(calls.model)}"]
    lines += [f"    service_tier: {tier}"] if tier else []
    lines += [f"    {table}" for table in _tables(known[0], missing)]
    above = [f"{start}: {{{', '.join(_tables(rates))}}}" for start, rates in known.items() if start and rates]
    lines += [f"    above: {{{', '.join(above)}}}"] if above else []
    return "\n".join(lines)


def _tables(known: Mapping[str, Fraction], missing: Sequence[str] = ()) -> list[str]:
    rates = {unit: usd_text(rate * (10**6 if unit.endswith("_tokens") else 1)) for unit, rate in known.items()}
    rates.update(dict.fromkeys(missing, _FILL_IN))
    tables = {
        "per_1m": {unit: rate for unit, rate in rates.items() if unit.endswith("_tokens")},
        "per_unit": {unit: rate for unit, rate in rates.items() if not unit.endswith("_tokens")},
    }
    return [
        f"{per}: {{{', '.join(f'{unit}: {rate}' for unit, rate in table.items())}}}"
        for per, table in tables.items()
        if table
    ]
