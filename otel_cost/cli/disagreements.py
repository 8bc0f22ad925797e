"""``otel-cost disagreements``: where the book differs from what others say that the same calls cost."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import click
from rich.table import Table

from otel_cost.cli.output import console, printable, usd
from otel_cost.config import load_config
from otel_cost.ledger import asking
from otel_cost.ledger.opening import open_ledger
from otel_cost.ledger.questions import Disagreement, SummaryQuery
from otel_cost.server.schemas import usd_text


@click.command(name="disagreements")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
@click.option("--since", default="30d", show_default=True, help="Start, inclusive: 24h, 7d, or an ISO 8601 date (UTC).")
@click.option("--all", "everything", is_flag=True, help="Also the sources that agree.")
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(config_file: str | None, db: str | None, since: str, everything: bool, style: str) -> None:
    """Where the book differs from what others say that the same calls cost.

    \b
      otel-cost disagreements --since 7d
      otel-cost disagreements --all --format json

    Others are the provider itself, where its answers state the bill (openrouter, perplexity, x_ai), and whoever else
    wrote a cost on the span (openlit, logfire, openinference, litellm, langfuse). Amounts are sums over the calls that
    differ by more than prices.second_opinions allows; "otel-cost" is our own figure where another one was preferred.
    """
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    now_ns = time.time_ns()
    try:
        start_ns = asking.since_ns(since, now_ns)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    with open_ledger(config.server.database, create=False) as ledger:
        found = ledger.disagreements(SummaryQuery(min(start_ns, now_ns), now_ns + 1))
    shown = [one for one in found if everything or one.disagreeing]
    if style == "json":
        _as_json(shown)
    else:
        _as_table(shown, sum(one.compared for one in found))


def _as_table(shown: Sequence[Disagreement], compared: int) -> None:
    out = console()
    if not any(one.disagreeing for one in shown):
        out.print(f"No disagreement: {compared} second opinions in the book were compared.")
    if not shown:
        return
    table = Table("provider", "model", "source")
    for title in ("compared", "differ", "they say USD", "compared with USD", "off"):
        table.add_column(title, justify="right")
    table.add_column("for instance")
    for one in shown:
        numbers = (str(one.compared), str(one.disagreeing), usd(one.stated_nano), usd(one.against_nano))
        names = (printable(one.provider), printable(one.model), one.source.value)
        table.add_row(*names, *numbers, _off(one), printable(one.example))
    out.print(table)


def _off(one: Disagreement) -> str:
    if not one.disagreeing:
        return "-"
    if not one.against_nano:
        return "from 0"
    return f"{(one.stated_nano - one.against_nano) / one.against_nano:+.1%}"


def _as_json(shown: Sequence[Disagreement]) -> None:
    rows = [
        {
            "provider": one.provider,
            "model": one.model,
            "source": one.source.value,
            "kind": one.source.kind.value,
            "compared": one.compared,
            "disagreeing": one.disagreeing,
            "stated_usd": usd_text(one.stated_nano),
            "against_usd": usd_text(one.against_nano),
            "example": one.example or None,
        }
        for one in shown
    ]
    click.echo(json.dumps({"disagreements": rows}, indent=2))
