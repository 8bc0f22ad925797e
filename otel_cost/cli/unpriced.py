"""``otel-cost unpriced``: the calls in the book that have no price, and the file to write so that they have one."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Final

import click
from rich.table import Table

from otel_cost.cli.output import console, printable
from otel_cost.cli.prices_advice import Wanted, as_yaml, wanted
from otel_cost.config import load_config
from otel_cost.ledger import asking
from otel_cost.ledger.opening import open_ledger
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.pricing import load_catalog


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
    _STYLES[style]([wanted(calls, catalog, now_ns) for calls in found])


# --- output -----------------------------------------------------------------------------------------------------------


def _as_table(some: Sequence[Wanted]) -> None:
    out = console()
    if not some:
        out.print("Every call in the book has a price, or none was expected.")
        return
    table = Table("provider", "model", "reason", "detail")
    for title in ("calls", "input tokens", "output tokens"):
        table.add_column(title, justify="right")
    for calls in (one.calls for one in some):
        texts = map(printable, (calls.provider, calls.model, calls.reason, calls.detail))
        table.add_row(*texts, str(calls.operations), str(calls.input_tokens), str(calls.output_tokens))
    out.print(table)
    for one in some:
        if one.now:
            out.print(
                f"{printable(one.calls.model)} has a price by now, {printable(one.now)}: new calls are priced, "
                "and otel-cost reprice does it for these"
            )
    if any(one.entry for one in some):
        out.print("Fill in, and name the file in OTEL_COST_PRICES:\n")
        out.print(as_yaml(some), soft_wrap=True)


def _as_json(some: Sequence[Wanted]) -> None:
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
        for one in some
    ]
    click.echo(json.dumps({"unpriced": rows}, indent=2))


def _as_yaml(some: Sequence[Wanted]) -> None:
    click.echo(as_yaml(some))


_STYLES: Final = {"table": _as_table, "json": _as_json, "yaml": _as_yaml}
