"""``otel-cost unpriced``: the calls in the book that have no price, and the file to write so that they have one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click
from rich.table import Table

from otel_cost.cli.output import console, printable
from otel_cost.config import load_config
from otel_cost.ledger import asking
from otel_cost.ledger.base import SummaryQuery, Unpriced
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Reason
from otel_cost.pricing import Catalog, PriceQuery, load_catalog
from otel_cost.pricing.listing import rates_of, usd_text
from otel_cost.pricing.rates import Price
from otel_cost.units import UNITS

_WANTS_PRICE: Final = (Reason.UNKNOWN_MODEL, Reason.UNKNOWN_PROVIDER, Reason.NO_RATE)
_TIER: Final = re.compile(r"no price for service tier '([\w-]+)'")
_FILL_IN: Final = "<USD>"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A price to add. ``now`` is the id of the price that the calls would have today, "" where they have none."""

    calls: Unpriced
    entry: str
    now: str


@click.command(name="unpriced")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
@click.option("--since", default="30d", show_default=True, help="Start, inclusive: 24h, 7d, or an ISO 8601 date (UTC).")
@click.option("--format", "style", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def command(config_file: str | None, db: str | None, since: str, style: str) -> None:
    """The calls in the book that have no price, and the YAML to add.

    \b
      otel-cost unpriced --since 7d
      otel-cost unpriced --format yaml > my-prices.yaml     # fill in, then OTEL_COST_PRICES=my-prices.yaml

    They are in no sum: a call without a price is not counted as 0. Rates that are known stand in the YAML already.
    """
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    now_ns = time.time_ns()
    try:
        start_ns = asking.since_ns(since, now_ns)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    with open_ledger(config.server.database, create=False) as ledger:
        found = ledger.unpriced(SummaryQuery(min(start_ns, now_ns), now_ns + 1))
    catalog = load_catalog(config)
    _STYLES[style]([_wanted(calls, catalog, now_ns) for calls in found])


def _wanted(calls: Unpriced, catalog: Catalog, at_ns: int) -> Wanted:
    if calls.reason not in _WANTS_PRICE:
        return Wanted(calls, "", "")
    tier = _TIER.search(calls.detail)
    tier_name = tier[1] if tier is not None else ""
    price = catalog.resolve(PriceQuery(calls.provider, calls.model, at_ns, tier_name))
    known = price if isinstance(price, Price) else None
    missing = _missing(calls, known)
    if known is not None and not missing:
        return Wanted(calls, "", known.id)
    return Wanted(calls, _entry(calls, tier_name, known, missing), "")


def _missing(calls: Unpriced, price: Price | None) -> list[str]:
    """The units that such calls use and ``price`` has no rate for."""
    if price is None:
        return ["input_tokens"] + (["output_tokens"] if calls.output_tokens else [])
    named = re.findall(r"\b([a-z_0-9]+) \(\d+\)", calls.detail) if calls.detail.startswith("no rate for") else []
    return [unit for unit in named if unit in UNITS and unit not in price.card.covered]


def _entry(calls: Unpriced, tier: str, price: Price | None, missing: Sequence[str]) -> str:
    """One entry of a price file, as YAML."""
    known = rates_of(price.list_card or price.card)[0] if price is not None else {}
    rates = {unit: usd_text(rate * (10**6 if unit.endswith("_tokens") else 1)) for unit, rate in known.items()}
    rates.update(dict.fromkeys(missing, _FILL_IN))
    tables = {
        "per_1m": {unit: rate for unit, rate in rates.items() if unit.endswith("_tokens")},
        "per_unit": {unit: rate for unit, rate in rates.items() if not unit.endswith("_tokens")},
    }
    lines = [f"  - provider: {json.dumps(calls.provider or '*')}", f"    model: {json.dumps(calls.model)}"]
    lines += [f"    service_tier: {tier}"] if tier else []
    for per, table in tables.items():
        if table:
            lines.append(f"    {per}: {{{', '.join(f'{unit}: {rate}' for unit, rate in table.items())}}}")
    return "\n".join(lines)


def _yaml(wanted: Sequence[Wanted]) -> str:
    entries = list(dict.fromkeys(one.entry for one in wanted if one.entry))
    return "\n".join(["prices:", *entries]) if entries else "prices: []"


# --- output -----------------------------------------------------------------------------------------------------------


def _as_table(wanted: Sequence[Wanted]) -> None:
    out = console()
    if not wanted:
        out.print("Every call in the book has a price, or none was expected.")
        return
    table = Table("provider", "model", "reason", "detail")
    for title in ("calls", "input tokens", "output tokens"):
        table.add_column(title, justify="right")
    for calls in (one.calls for one in wanted):
        texts = map(printable, (calls.provider, calls.model, calls.reason, calls.detail))
        table.add_row(*texts, str(calls.operations), str(calls.input_tokens), str(calls.output_tokens))
    out.print(table)
    for one in wanted:
        if one.now:
            out.print(f"{printable(one.calls.model)} has a price by now, {printable(one.now)}: new calls are priced")
    if any(one.entry for one in wanted):
        out.print("Fill in, and name the file in OTEL_COST_PRICES:\n")
        out.print(_yaml(wanted), soft_wrap=True)


def _as_json(wanted: Sequence[Wanted]) -> None:
    rows = [
        {
            "provider": one.calls.provider,
            "model": one.calls.model,
            "reason": one.calls.reason,
            "detail": one.calls.detail,
            "calls": one.calls.operations,
            "input_tokens": one.calls.input_tokens,
            "output_tokens": one.calls.output_tokens,
            "priced_now": one.now or None,
            "add": one.entry or None,
        }
        for one in wanted
    ]
    click.echo(json.dumps({"unpriced": rows}, indent=2))


def _as_yaml(wanted: Sequence[Wanted]) -> None:
    click.echo(_yaml(wanted))


_STYLES: Final = {"table": _as_table, "json": _as_json, "yaml": _as_yaml}
