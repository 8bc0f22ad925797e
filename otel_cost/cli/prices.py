"""``otel-cost prices``: what calls cost, by hand, and whether the prices are right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from otel_cost.cli import Refusal, prices_advice, prices_doctor
from otel_cost.cli import prices_output as output
from otel_cost.config import Config, load_config
from otel_cost.errors import InvalidUsage, PricesUnavailable
from otel_cost.ledger.questions import Unpriced
from otel_cost.model import Charge, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery, load_catalog
from otel_cost.pricing.configured import refreshed_catalog
from otel_cost.pricing.doctor import Finding, examine
from otel_cost.pricing.listing import listed, shown
from otel_cost.settings_values import parse_instant

_CONFIG = click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
_AT = click.option("--at", "at_text", metavar="TIME", help="Prices of that time: ISO 8601, UTC.  [default: now]")
_JSON = click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True)
_HOST = click.option("--host", default="", help="Host that is called, where that decides who is paid or how much.")


@click.group(name="prices")
def command() -> None:
    """What calls cost: the packaged price data, and the overlays of your settings over it.

    \b
      otel-cost prices list 'gpt-5*'                            every model that matches, USD per million tokens
      otel-cost prices show anthropic claude-sonnet-4-5         one model: tiers, dates, context window, source
      otel-cost prices estimate openai gpt-4o --input 1200 --output 300
      otel-cost prices doctor --against litellm.json            stale, missing and disputed prices
      otel-cost prices update --to prices.json                  fetch fresh price data

    Nothing here goes to the network but update. To add a price, name a file in OTEL_COST_PRICES with

    \b
      prices:
        - {provider: openai, model: acme-*, per_1m: {input: 0.20, output: 0.60}}

    and check it with otel-cost config check.
    """


@command.command(name="list", short_help="Every model that matches a pattern, and its price.")
@click.argument("pattern", default="*")
@click.option("--provider", default="", help="Only this provider; any of its names.")
@click.option("--own", is_flag=True, help="Only prices from overlays and the packaged supplement.")
@_AT
@_CONFIG
@_JSON
def list_prices(
    pattern: str, provider: str, own: bool, at_text: str | None, config_file: str | None, style: str
) -> None:
    """Every model that matches PATTERN (* ? [..]), with its price per million tokens.

    The price is that of the standard service tier, under your overlays; "tiers" names those with prices of their own.
    """
    catalog = load_catalog(load_config(config_file))
    at_ns = _at(at_text)
    rows = [row for row in listed(catalog, at_ns) if output.matches(row, pattern, _provider_id(catalog, provider), own)]
    rows.sort(key=lambda row: (row.provider, row.model))
    (output.list_as_json if style == "json" else output.list_as_table)(rows, catalog.version, at_ns)


@command.command(short_help="All there is to say about one model.")
@click.argument("names", nargs=-1, required=True, metavar="[PROVIDER] MODEL")
@click.option("--tier", default="", help="Service tier: batch, flex, priority, ...")
@_HOST
@_AT
@_CONFIG
@_JSON
def show(names: Sequence[str], tier: str, host: str, at_text: str | None, config_file: str | None, style: str) -> None:
    """All there is to say about one model: its rates, where they are from, since when, and what else it has cost.

    MODEL may also be written as provider/model. Exits with 1 where it has no price, and says why.
    """
    catalog = load_catalog(load_config(config_file))
    found = shown(catalog, _query(names, at_text, tier, host))
    if found.price is None:
        assert found.unpriced is not None
        raise _no_price(catalog, found.query, found.unpriced)
    (output.show_as_json if style == "json" else output.show_as_table)(found, catalog)


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="[PROVIDER] MODEL")
@click.option("--input", "input_tokens", type=int, help="Input tokens, cached ones included.")
@click.option("--output", "output_tokens", type=int, help="Output tokens, reasoning included.")
@click.option("--cache-read", type=int, help="Input tokens that were read from a cache: a part of --input.")
@click.option("--cache-write", type=int, help="Input tokens that were written to a cache: a part of --input.")
@click.option("--reasoning", type=int, help="Output tokens of reasoning: a part of --output.")
@click.option("--unit", "units", multiple=True, metavar="NAME=COUNT", help="Any other unit: web_searches=2.")
@click.option("--calls", type=click.IntRange(min=1), default=1, show_default=True, help="As many calls like this one.")
@click.option("--tier", default="", help="Service tier: batch, flex, priority, ...")
@_HOST
@_AT
@_CONFIG
@_JSON
def estimate(
    names: Sequence[str],
    input_tokens: int | None,
    output_tokens: int | None,
    cache_read: int | None,
    cache_write: int | None,
    reasoning: int | None,
    units: Sequence[str],
    calls: int,
    tier: str,
    host: str,
    at_text: str | None,
    config_file: str | None,
    style: str,
) -> None:
    """What a call would cost, by hand.

    \b
      otel-cost prices estimate openai gpt-4o --input 1200 --output 300
      otel-cost prices estimate anthropic claude-sonnet-4-5 --input 9000 --cache-read 6000 --output 700 --calls 1000
      otel-cost prices estimate openai gpt-5 --input 1200 --output 300 --tier batch --at 2026-01-31

    Exits with 1 where it cannot be priced, and says why.
    """
    usage = _usage(
        {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cache_read_tokens": cache_read,
            "cache_write_tokens": cache_write,
            "output_reasoning_tokens": reasoning,
        },
        units,
    )
    catalog = load_catalog(load_config(config_file))
    query = _query(names, at_text, tier, host)
    charge = catalog.price(usage, query)
    if charge.status is not Status.PRICED:
        raise _no_price(catalog, query, charge)
    (output.estimate_as_json if style == "json" else output.estimate_as_table)(catalog, query, usage, charge, calls)


@command.command()
@click.option("--against", type=click.Path(path_type=Path), metavar="FILE", help="LiteLLM's file, or any overlay.")
@click.option("--provider", default="", help="Only this provider; any of its names.")
@click.option("--db", metavar="URL", help="Also look for unpriced calls in this ledger.")
@click.option("--all", "everything", is_flag=True, help="All remarks, not only the first of each provider.")
@click.option("--strict", is_flag=True, help="Exit with 1 if anything is stale or disputed.")
@_AT
@_CONFIG
@_JSON
def doctor(
    against: Path | None,
    provider: str,
    db: str | None,
    everything: bool,
    strict: bool,
    at_text: str | None,
    config_file: str | None,
    style: str,
) -> None:
    """What may be wrong with prices.

    \b
    stale     overlay entries that ended, that nobody checked for half a year, or that the price data has by itself
    missing   models and rates that FILE has and this does not
    disputed  rates that differ by more than 0.1 %
    unpriced  calls in the ledger (--db) without a price

    FILE is a second opinion, for instance LiteLLM's model_prices_and_context_window.json; download it yourself.
    """
    catalog = load_catalog(load_config(config_file))
    found = examine(catalog, _at(at_text), against)
    remarks = prices_doctor.of_provider(found, _provider_id(catalog, provider))
    unpriced = prices_doctor.unpriced_in(db) if db else ()
    if style == "json":
        prices_doctor.as_json(catalog, found, remarks, unpriced)
    else:
        prices_doctor.as_table(catalog, found, remarks, unpriced, everything or bool(provider))
    if strict and any(remark.finding in (Finding.STALE, Finding.DISPUTED) for remark in remarks):
        raise click.exceptions.Exit(1)


@command.command(short_help="Fetch fresh price data.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Default: prices.snapshot.")
@click.option("--from", "url", default="", metavar="URL", help="Another place than genai-prices' own: a mirror.")
@_CONFIG
def update(to: Path | None, url: str, config_file: str | None) -> None:
    """Fetch fresh price data through genai-prices' own updater, and keep it in a file.

    The file is used where the setting prices.snapshot (OTEL_COST_PRICES_SNAPSHOT) names it. If it cannot be fetched,
    nothing changes, and the exit code is 1. A process that runs for long can do the same by itself: prices.refresh: 1h.
    """
    config = load_config(config_file)
    target = to or config.prices.snapshot
    if target is None:
        raise Refusal("say where to keep it: --to FILE, or the setting prices.snapshot (OTEL_COST_PRICES_SNAPSHOT)")
    before = load_catalog(config)
    try:
        after = refreshed_catalog(_keeping_at(config, target), url)
    except PricesUnavailable as error:
        raise click.ClickException(f"{error}\nnothing changed; in use: {before.version}") from error
    output.updated(before, after, target, in_use=target == config.prices.snapshot)


def _keeping_at(config: Config, target: Path) -> Config:
    from dataclasses import replace

    return replace(config, prices=replace(config.prices, snapshot=target))


def _query(names: Sequence[str], at_text: str | None, tier: str, host: str) -> PriceQuery:
    if len(names) > 2:
        raise click.UsageError(f"expected [PROVIDER] MODEL, not {len(names)} words")
    provider, model = (names[0], names[1]) if len(names) == 2 else ("", names[0])
    return PriceQuery(provider, model, _at(at_text), tier, host)


def _at(text: str | None) -> int:
    if text is None:
        return time.time_ns()
    try:
        return int(parse_instant(text).timestamp()) * 10**9
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error


def _usage(counts: dict[str, int | None], units: Sequence[str]) -> Usage:
    named: dict[str, object] = dict(counts)
    for unit in units:
        name, equals, count = unit.partition("=")
        if not equals or not count.strip().isdecimal():
            raise click.BadParameter(f"{unit!r}: write for instance web_searches=2", param_hint="--unit")
        named[name.strip()] = int(count)
    try:
        usage = Usage.of(named)
    except InvalidUsage as error:
        raise Refusal(str(error)) from error
    if not usage.counts:
        raise click.UsageError("nothing to price: give --input, --output or --unit")
    return usage


def _provider_id(catalog: Catalog, name: str) -> str:
    return (catalog.snapshot.provider_named(name) or name) if name else ""


def _no_price(catalog: Catalog, query: PriceQuery, charge: Charge) -> click.ClickException:
    calls = Unpriced(query.provider, query.model, str(charge.reason), charge.detail, 1, 1, 1)
    found = prices_advice.wanted(calls, catalog, query.at_ns, query.server_address)
    text = f"{charge.reason}: {charge.detail or query.model or 'no model is named'}"
    if found.entry:
        text += f"\nto add a price, fill in, and name the file in OTEL_COST_PRICES:\n\n{prices_advice.as_yaml([found])}"
    return click.ClickException(text)
