"""``otel-cost config``: what the settings are, and whether they are right."""

from __future__ import annotations

from pathlib import Path

import click

from otel_cost.cli.output import printable
from otel_cost.config import Config, load_config
from otel_cost.pricing import load_catalog


@click.group(name="config")
def command() -> None:
    """Settings: a file, OTEL_COST_* environment variables over it, arguments over both."""


@command.command(short_help="Whether settings are right, and what is in effect.")
@click.argument("file", required=False)
def check(file: str | None) -> None:
    """Read FILE (or the file that OTEL_COST_CONFIG names) with the environment, and all price overlays.

    Says what is in effect and exits with 0; or names file, line or variable, the key and the allowed values of what
    is wrong, and exits with 2.
    """
    config = load_config(file)
    catalog = load_catalog(config)
    click.echo(f"{file or 'settings'}: ok")
    for line in _in_effect(config, catalog.version):
        click.echo(f"  {line}")


def _in_effect(config: Config, prices: str) -> list[str]:
    lines = [f"prices: {prices}", f"metric labels: {', '.join(config.labels.metrics)}"]
    for budget in config.budgets:
        per = f" per {', '.join(budget.per)}" if budget.per else ""
        lines.append(f"budget {budget.name}: {budget.amount_usd} USD a {budget.period}{per}, {budget.action}")
    if config.budgets:
        lines.append(f"budgets are kept in {_where_kept(config.budget_store.url)}")
    else:
        lines.append("no budgets: nothing is limited")
    if config.tier:
        lines.append(f"tier: {config.tier}")
    if not config.enabled:
        lines.append("enabled: false, so nothing is installed into apps")
    return lines


def _where_kept(url: str) -> str:
    """Without what may be secret in a URL."""
    if url in ("", "memory:"):
        return "each process's own memory: N processes have N limits (budget_store.url)"
    if url.startswith("sqlite:///"):
        return printable(str(Path(url.removeprefix("sqlite:///")).absolute()))
    scheme, _, rest = url.partition("://")
    return printable(f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}")
