"""``otel-cost reprice``: the difference that today's prices make to booked calls, and corrections that book it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.table import Table

from otel_cost.cli import Refusal
from otel_cost.cli.output import console, printable, progress, usd
from otel_cost.config import load_config
from otel_cost.ledger import asking
from otel_cost.ledger.base import Correction, Ledger, Written
from otel_cost.ledger.opening import open_ledger
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.pricing import Catalog, load_catalog
from otel_cost.repricing import FOLDED, Line, Outcome, Window, reprice

_OTHERS = ("(others)", "")


@click.command(name="reprice")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
@click.option("--from", "start", required=True, metavar="DATE", help="Start, inclusive: an ISO 8601 date (UTC), or 7d.")
@click.option("--to", "end", metavar="DATE", help="End, exclusive: like --from.  [default: now]")
@click.option("--model", default="", metavar="GLOB", help="Only models like this, such as 'gpt-5*'.")
@click.option("--provider", default="", metavar="NAME", help="Only calls of this provider.")
@click.option("--dry-run", is_flag=True, help="Show the difference and book nothing.")
@click.option("--yes", is_flag=True, help="Book the corrections without asking.")
def command(
    config_file: str | None,
    db: str | None,
    start: str,
    end: str | None,
    model: str,
    provider: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Price booked calls anew, by what the prices of their time are known to be today.

    \b
    A price was missing or wrong. Mend it in a price file, see what that changes, then book it:
      export OTEL_COST_PRICES=my-prices.yaml
      otel-cost reprice --from 2026-10-01 --to 2026-11-01 --model 'gpt-5*' --dry-run
      otel-cost reprice --from 2026-10-01 --to 2026-11-01 --model 'gpt-5*'
      otel-cost report --since 2026-10-01 --until 2026-11-01 --as-of 2026-11-02   # what it said before

    Shows the difference, asks, and books corrections: the old charge is taken back and the new one posted, each with
    its price id and the time of booking. Nothing is edited, and reports --as-of an earlier time stay as they were.
    Running it twice changes nothing more; a run that was interrupted is completed by running it again.

    What has no price today stays as it is, and so do duplicates and wrappers; an estimate stays an estimate. Use the
    same price files and settings as the apps and the server.
    """
    if not (dry_run or yes or _at_terminal()):
        raise Refusal("there is nobody to ask: add --yes to book the corrections, or --dry-run to see them only")
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    now_ns = time.time_ns()
    window = Window(_at("--from", start, now_ns), _at("--to", end, now_ns) if end else now_ns, model, provider)
    if window.from_ns > window.to_ns:
        raise click.BadParameter("the period ends before it starts", param_hint="--from")
    with open_ledger(config.server.database, create=False) as ledger:
        catalog = load_catalog(config)
        with _progress("comparing", ledger, window) as progress:
            found = reprice(ledger, catalog, window, progress=progress)
        _show(found, window, catalog)
        if not found.lines:
            click.echo("Nothing to correct.")
        elif dry_run:
            click.echo("Dry run: nothing was booked.")
        elif yes or click.confirm(f"Book {found.total.calls} corrections?"):
            _book(ledger, catalog, window, found)
        else:
            click.echo("Nothing was booked.")


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _at(option: str, text: str, now_ns: int) -> int:
    try:
        return asking.since_ns(text, now_ns)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _book(ledger: Ledger, catalog: Catalog, window: Window, shown: Outcome) -> None:
    corrected = difference = 0
    before_ns = time.time_ns() - 1000  # it is shown to the microsecond

    def book(corrections: Sequence[Correction]) -> Written:
        nonlocal corrected, difference
        written = ledger.correct(corrections, booked_at_ns=time.time_ns())
        corrected += written.corrected
        difference += sum(entry.amount_nano for entry in written.entries)
        return written

    with _progress("booking", ledger, window) as progress:
        done = reprice(ledger, catalog, window, book=book, progress=progress)
    click.echo(f"Booked {corrected} corrections, {_signed(difference)} USD.")
    if done.overtaken:
        click.echo(f"{done.overtaken} calls got another verdict meanwhile and were left: run this again for them.")
    elif (corrected, difference) != (shown.total.calls, shown.total.difference_nano):
        click.echo("That is not what was shown: the book changed meanwhile.")
    click.echo(f"What it said before: otel-cost report --as-of {asking.iso(before_ns)}")


# --- output -----------------------------------------------------------------------------------------------------------


def _show(outcome: Outcome, window: Window, catalog: Catalog) -> None:
    out = console()
    out.print(f"{asking.iso(window.from_ns)} to {asking.iso(window.to_ns)}, prices: {printable(catalog.version)}")
    if outcome.lines:
        out.print(_table(outcome))
    out.print(f"{outcome.seen} calls looked at")
    out.print(f"  {outcome.total.calls} to correct, of which {outcome.newly_priced} had no price")
    out.print(f"  {outcome.unchanged} unchanged")
    out.print(f"  {outcome.left.total()} cannot be priced anew and stay as they are" + (":" if outcome.left else ""))
    for reason, calls in outcome.left.most_common():
        out.print(f"    {calls}: {printable(reason)}", soft_wrap=True)


def _table(outcome: Outcome) -> Table:
    table, total = Table(show_footer=True), outcome.total
    table.add_column("provider", "total", overflow="fold")
    table.add_column("model", overflow="fold")
    for title, text in zip(("calls", "booked USD", "new USD", "difference"), _figures(total), strict=True):
        table.add_column(title, text, justify="right", no_wrap=True)
    for names, line in sorted(outcome.lines.items(), key=lambda item: -abs(item[1].difference_nano)):
        shown = _OTHERS if names == FOLDED else names
        table.add_row(*map(printable, shown), *_figures(line))
    return table


def _figures(line: Line) -> tuple[str, str, str, str]:
    return str(line.calls), usd(line.booked_nano), usd(line.new_nano), _signed(line.difference_nano)


def _signed(nano: int) -> str:
    return f"+{usd(nano)}" if nano > 0 else usd(nano)


@contextmanager
def _progress(doing: str, ledger: Ledger, window: Window) -> Iterator[Callable[[int], None]]:
    query = SummaryQuery(window.from_ns, window.to_ns)
    with progress(doing, lambda: ledger.summary(query).total.calls) as advance:
        yield advance
