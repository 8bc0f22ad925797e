"""What ``otel-cost prices`` prints. Rates are USD per million tokens, or per one of what is no token."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

import click
from rich.table import Table

from otel_cost.cli.output import console, printable, usd
from otel_cost.model import COST_PARTS, Charge, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.listing import Listed, Rates, Shown, listed, rates_of, usd_text
from otel_cost.pricing.providers import canonical
from otel_cost.pricing.rates import Price

_COLUMNS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_PER_MILLION: Final = ("_tokens", "_characters")


# --- list -------------------------------------------------------------------------------------------------------------


def matches(row: Listed, pattern: str, provider: str, own: bool) -> bool:
    wanted = fnmatch.fnmatchcase(row.model.lower(), pattern.lower())
    return (
        wanted
        and (not provider or canonical(row.provider) == canonical(provider))
        and (not own or row.source in ("overlay", "supplement"))
    )


def list_as_table(rows: Sequence[Listed], version: str, at_ns: int) -> None:
    out = console()
    table = Table("provider", "model")
    for title in ("input", "output", "cache read", "cache write"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("other rates", overflow="fold")
    table.add_column("context", justify="right", no_wrap=True)
    for title in ("tiers", "since", "source"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
    out.print(table)
    out.print(f"{len(rows)} models, USD per million tokens at {iso(at_ns)}; {version}")


def list_as_json(rows: Sequence[Listed], version: str, at_ns: int) -> None:
    models = [
        {
            "provider": row.provider,
            "model": row.model,
            "rates": _rates_json(row.rates),
            **({"paid": _rates_json(row.paid)} if row.paid is not None else {}),
            "context_window": row.context_window,
            "service_tiers": list(row.service_tiers),
            "from": iso(row.from_ns) if row.from_ns is not None else None,
            "until": iso(row.until_ns) if row.until_ns is not None else None,
            "aliases": list(row.aliases),
            "deprecated": row.deprecated,
            "price_id": row.price_id,
            "source": row.source,
            "origin": row.origin,
        }
        for row in rows
    ]
    dump({"at": iso(at_ns), "catalog": version, "currency": "USD", "models": models})


def _cells(row: Listed) -> list[str]:
    base = row.rates[0]
    rates = [_column(row.rates, unit) for unit in _COLUMNS]
    others = ", ".join(f"{unit} {_amount(unit, rate)}" for unit, rate in base.items() if unit not in _COLUMNS)
    since = iso(row.from_ns)[:10] if row.from_ns is not None else ""
    context = f"{row.context_window:,}" if row.context_window else ""
    name = row.model + (" (deprecated)" if row.deprecated else "")
    more = [context, " ".join(row.service_tiers), since, row.source]
    return [*map(printable, (row.provider, name)), *rates, others, *more]


def _column(rates: Rates, unit: str) -> str:
    """The rate of ``unit``; a plus says that it is another one above some input size."""
    if unit not in rates[0]:
        return ""
    return _amount(unit, rates[0][unit]) + (
        "+" if any(unit in table for start, table in rates.items() if start) else ""
    )


# --- show -------------------------------------------------------------------------------------------------------------


def show_as_table(found: Shown, catalog: Catalog) -> None:
    price = found.price
    assert price is not None
    out = console()
    table = Table("unit", "above input tokens", "USD list", "USD paid")
    paid = rates_of(price.card)
    for start, rates in rates_of(price.list_card or price.card).items():
        for unit, rate in rates.items():
            effective = _effective(paid, start, unit)
            table.add_row(unit, f"{start:,}" if start else "", _with_unit(unit, rate), _with_unit(unit, effective))
    out.print(f"{printable(found.query.provider or 'any provider')} / {printable(found.query.model)}")
    out.print(table)
    for line in _facts(found, price, catalog):
        out.print(line, soft_wrap=True)


def show_as_json(found: Shown, catalog: Catalog) -> None:
    price = found.price
    assert price is not None
    dump(
        {
            "provider": found.query.provider,
            "model": found.query.model,
            "at": iso(found.query.at_ns),
            **_price_json(price),
            "context_window": price.context_window,
            "service_tiers": {tier: _price_json(other) for tier, other in found.tiers.items()},
            "history": [{"from": iso(at), **_price_json(past)} for at, past in found.history],
            "origin": found.entry.origin if found.entry is not None else catalog.snapshot.version,
            "catalog": catalog.version,
        }
    )


def _facts(found: Shown, price: Price, catalog: Catalog) -> Iterable[str]:
    yield f"price: {printable(price.id)}, {price.pricing_model}"
    if price.context_window:
        yield f"context window: {price.context_window:,} tokens"
    for tier, other in found.tiers.items():
        yield f"tier {tier}: {_short(other)}"
    for at_ns, past in found.history:
        yield f"{f'from {iso(at_ns)}' if at_ns else 'earlier'}: {_short(past)}"
    if found.entry is not None:
        origin = found.entry.origin or "not said"
        yield f"source: {found.entry.place} {origin}{', checked ' + found.entry.checked if found.entry.checked else ''}"
    for rule in catalog.rules(found.query):
        yield f"rule {rule.label}: {rule.place} {rule.origin}".rstrip()
    yield f"catalog: {catalog.version}"


def _effective(paid: Rates, start: int, unit: str) -> Fraction:
    places = [at for at, rates in paid.items() if at <= start and unit in rates]
    return paid[max(places)][unit]


def _short(price: Price) -> str:
    return ", ".join(f"{unit} {_with_unit(unit, rate)}" for unit, rate in rates_of(price.card)[0].items())


# --- estimate ---------------------------------------------------------------------------------------------------------


def estimate_as_table(catalog: Catalog, query: PriceQuery, usage: Usage, charge: Charge, calls: int) -> None:
    out = console()
    table = Table("part")
    table.add_column("USD", justify="right", no_wrap=True)
    for name, nano in zip(COST_PARTS, charge.parts, strict=True):
        if nano:
            table.add_row(name, usd(nano * calls))
    table.add_section()
    table.add_row("total", usd(charge.amount_nano * calls))
    out.print(f"{calls:,} {'call' if calls == 1 else 'calls'} of {printable(query.model)}, {_counts(usage)}")
    out.print(table)
    if charge.list_nano != charge.amount_nano:
        out.print(f"list price: {usd(charge.list_nano * calls)} USD")
    display = catalog.overlays.sections.display
    if display is not None:
        rate = f"at {usd_text(display.per_usd)} {display.currency} per USD {display.as_of}".rstrip()
        out.print(f"= {_trimmed(display.amount(charge.amount_nano * calls))} {display.currency} {rate}")
    out.print(f"price: {printable(charge.price_id)}, {charge.pricing_model}; {charge.catalog}", soft_wrap=True)
    window = _window(catalog, query)
    if window and (usage.input_tokens or 0) > window:
        out.print(f"that is more input than the context window takes: {window:,} tokens")


def estimate_as_json(catalog: Catalog, query: PriceQuery, usage: Usage, charge: Charge, calls: int) -> None:
    display = catalog.overlays.sections.display
    amount = charge.amount_nano * calls
    dump(
        {
            "provider": query.provider,
            "model": query.model,
            "at": iso(query.at_ns),
            "usage": dict(usage.counts),
            "calls": calls,
            "usd": usd_text(Fraction(amount, 10**9)),
            "list_usd": usd_text(Fraction(charge.list_nano * calls, 10**9)),
            "parts": {
                name: usd_text(Fraction(nano * calls, 10**9))
                for name, nano in zip(COST_PARTS, charge.parts, strict=True)
            },
            "display": {"currency": display.currency, "amount": f"{display.amount(amount):f}"} if display else None,
            "pricing_model": charge.pricing_model.value,
            "context_window": _window(catalog, query),
            "price_id": charge.price_id,
            "source": charge.source,
            "catalog": charge.catalog,
        }
    )


def _trimmed(amount: Decimal) -> str:
    return f"{amount:f}".rstrip("0").rstrip(".")


def _window(catalog: Catalog, query: PriceQuery) -> int | None:
    found = catalog.resolve(query)
    return found.context_window if isinstance(found, Price) else None


def _counts(usage: Usage) -> str:
    return ", ".join(f"{count:,} {unit.replace('_', ' ')}" for unit, count in usage.counts.items())


# --- update -----------------------------------------------------------------------------------------------------------


def updated(before: Catalog, after: Catalog, target: Path, *, in_use: bool) -> None:
    """What fresh price data changes."""
    at_ns = int(datetime.now(UTC).timestamp()) * 10**9
    old, new = ({(r.provider, r.model): r.rates for r in listed(c, at_ns)} for c in (before, after))
    changed = [name for name in new.keys() & old.keys() if new[name] != old[name]]
    out = console()
    out.print(f"{target}: {len(new)} models; {len(new.keys() - old.keys())} new, {len(old.keys() - new.keys())} gone, "
              f"{len(changed)} with other rates")  # fmt: skip
    for provider, model in sorted(changed)[:20]:
        out.print(f"  {printable(provider)}/{printable(model)}")
    if in_use:
        out.print(f"in use: {after.version}")
    else:
        out.print(f"in use: {before.version}; set OTEL_COST_PRICES_SNAPSHOT={target} to use it", soft_wrap=True)


# --- values -----------------------------------------------------------------------------------------------------------


def iso(at_ns: int) -> str:
    """UTC to the second."""
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _per(unit: str) -> int:
    return 10**6 if unit.endswith(_PER_MILLION) else 1


def _amount(unit: str, rate: Fraction) -> str:
    return usd_text(rate * _per(unit))


def _with_unit(unit: str, rate: Fraction) -> str:
    return f"{_amount(unit, rate)}{'/1M' if _per(unit) != 1 else ''}"


def _price_json(price: Price) -> dict[str, object]:
    return {
        "rates": _rates_json(rates_of(price.list_card or price.card)),
        "paid": _rates_json(rates_of(price.card)),
        "pricing_model": price.pricing_model.value,
        "price_id": price.id,
        "source": price.source,
    }


def _rates_json(rates: Rates) -> list[dict[str, object]]:
    return [
        {"above_input_tokens": start, "unit": unit, "usd": usd_text(rate), "usd_per_1m": usd_text(rate * 10**6)}
        for start, table in rates.items()
        for unit, rate in table.items()
    ]


def dump(document: Mapping[str, object]) -> None:
    click.echo(json.dumps(document, indent=2))
