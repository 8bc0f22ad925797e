"""``otel-cost fees``: fixed costs by day, shown and booked."""

from __future__ import annotations

import time
from collections import Counter

import click
from rich.table import Table

from otel_cost.cli.output import console, printable, usd
from otel_cost.config import load_config
from otel_cost.fixed_costs import due
from otel_cost.ledger import asking
from otel_cost.ledger.base import bookable
from otel_cost.ledger.opening import open_ledger
from otel_cost.model import CostRecord
from otel_cost.pricing import load_catalog


@click.command(name="fees")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
@click.option(
    "--from", "start", required=True, metavar="DATE", help="Start, inclusive: an ISO 8601 date (UTC), or 30d."
)
@click.option("--to", "end", metavar="DATE", help="End, exclusive: like --from.  [default: today]")
@click.option("--book", is_flag=True, help="Book them; days that are booked stay as they are.")
def command(config_file: str | None, db: str | None, start: str, end: str | None, book: bool) -> None:
    """What is due whether or not calls are made: provisioned throughput and commitments of the price files.

    \b
      otel-cost fees --from 2026-11-01 --to 2026-12-01          # what is due for each whole day (UTC) that is over
      otel-cost fees --from 30d --book                          # book what is not booked yet: once a day, from cron
      otel-cost report --since 30d --by kind,provider,model     # kind infrastructure, a model for each fee

    Booked is one entry for each fee and day. A day that is booked stays as it is, also when the fee changes.
    """
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    now_ns = time.time_ns()
    from_ns, to_ns = _at("--from", start, now_ns), min(now_ns, _at("--to", end, now_ns) if end else now_ns)
    found = list(due(load_catalog(config), from_ns, to_ns))
    _show(found)
    if book and found:
        records = [made for record in found if (made := bookable(record)) is not None]
        with open_ledger(config.server.database, create=False) as ledger:
            written = ledger.write(records, booked_at_ns=now_ns)
        click.echo(f"Booked {written.booked} entries; {written.unchanged} were booked already.")


def _at(option: str, text: str, now_ns: int) -> int:
    try:
        return asking.since_ns(text, now_ns)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _show(found: list[CostRecord]) -> None:
    if not found:
        click.echo("No fee is due for a whole day of that period.")
        return
    days: Counter[tuple[str, str, str]] = Counter()
    amounts: Counter[tuple[str, str, str]] = Counter()
    for record in found:
        what = (record.charge.pricing_model, record.provider, record.model)
        days[what] += 1
        amounts[what] += record.charge.amount_nano
    table = Table("kind", "provider", "name", show_footer=True)
    table.columns[0].footer = "total"
    table.add_column("days", justify="right")
    table.add_column("USD", usd(amounts.total()), justify="right")
    for kind, provider, name in sorted(days):
        fee = (kind, provider, name)
        table.add_row(*map(printable, fee), str(days[fee]), usd(amounts[fee]))
    console().print(table)
