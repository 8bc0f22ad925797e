"""``otel-cost report``: sums from the book, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Set
from typing import Final, TypeVar

import click
from rich.table import Table

from otel_cost.cli.output import console, printable, usd
from otel_cost.config import load_config
from otel_cost.ledger import asking
from otel_cost.ledger.opening import open_ledger
from otel_cost.ledger.questions import Summary, SummaryQuery, SummaryRow, Unpriced
from otel_cost.ledger.sheets import safe_cell
from otel_cost.model import Status
from otel_cost.server.schemas import CostSummary, advice, usd_text

_T = TypeVar("_T")


@click.command(name="report")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
@click.option("--since", default="7d", show_default=True, help="Start, inclusive: 24h, 7d, or an ISO 8601 date (UTC).")
@click.option("--until", help="End, exclusive: like --since.  [default: now]")
@click.option("--as-of", help="What the book said at that time: like --since.  [default: now]")
@click.option("--by", default="provider,model", show_default=True, help="Names to group by, separated by commas.")
@click.option("--where", "wheres", multiple=True, metavar="NAME=VALUE", help="Only these; may be repeated.")
@click.option("--format", "style", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def command(
    config_file: str | None,
    db: str | None,
    since: str,
    until: str | None,
    as_of: str | None,
    by: str,
    wheres: tuple[str, ...],
    style: str,
) -> None:
    """Who spent what on which model.

    \b
      otel-cost report --since 24h --by team,model
      otel-cost report --since 2026-10-01 --until 2026-11-01 --by service --format csv
      otel-cost report --by user --where team=search

    Names are the fields of a call (provider, model, operation, status, ...) and labels (team, service, user, ...).
    Calls without a price are listed apart, with the reason and how to price them: they are not counted as 0.
    """
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    now_ns = time.time_ns()
    known = asking.known_names(config)
    start_ns = _at("--since", since, now_ns)
    end_ns = _at("--until", until, now_ns) if until else now_ns
    if start_ns > end_ns:
        raise click.BadParameter("the period ends before it starts", param_hint="--since")
    query = SummaryQuery(
        from_ns=start_ns,
        to_ns=end_ns,
        group_by=_names(by, known),
        filters=dict(_filter(where, known) for where in wheres),
        as_of_ns=_at("--as-of", as_of, now_ns) if as_of else None,
    )
    with open_ledger(config.server.database, create=False) as ledger:
        summary, unpriced = ledger.summary(query), ledger.unpriced(query)
    _STYLES[style](summary, unpriced)


def _checked(option: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _at(option: str, text: str, now_ns: int) -> int:
    return _checked(option, lambda said: asking.since_ns(said, now_ns), text)


def _names(by: str, known: Set[str]) -> tuple[str, ...]:
    words = [word.strip() for word in by.split(",") if word.strip()]
    return tuple(dict.fromkeys(_checked("--by", lambda word: asking.dimension(word, known), word) for word in words))


def _filter(where: str, known: Set[str]) -> tuple[str, str]:
    name, equals, value = where.partition("=")
    if not equals:
        raise click.BadParameter(f"{where!r} has no '='; write for instance team=search", param_hint="--where")
    return _checked("--where", lambda word: asking.dimension(word, known), name.strip()), value


# --- output -----------------------------------------------------------------------------------------------------------


def _as_json(summary: Summary, unpriced: tuple[Unpriced, ...]) -> None:
    click.echo(CostSummary.of(summary, unpriced).model_dump_json(by_alias=True, indent=2))


def _as_csv(summary: Summary, unpriced: tuple[Unpriced, ...]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*summary.query.group_by, "usd", "list_usd", "calls", "unpriced_calls", "input_tokens",
                     "output_tokens"))  # fmt: skip
    for row in summary.rows:
        amounts = (usd_text(row.amount_nano), usd_text(row.list_nano))
        writer.writerow((*map(safe_cell, row.group), *amounts, row.calls, _unpriced(row), row.input_tokens,
                         row.output_tokens))  # fmt: skip
    if unpriced:
        click.echo(f"{_unpriced(summary.total)} calls have no price and are not in usd; see --format table", err=True)


def _as_table(summary: Summary, unpriced: tuple[Unpriced, ...]) -> None:
    out = console()
    query = summary.query
    out.print(f"{asking.iso(query.from_ns)} to {asking.iso(query.to_ns)}"
              + (f", as of {asking.iso(query.as_of_ns)}" if query.as_of_ns is not None else ""))  # fmt: skip
    if not summary.total.operations:
        out.print("The book has no calls there.")
        return
    out.print(_sums_table(summary))
    if unpriced:
        out.print("Without a price, so in no sum above:")
        out.print(_unpriced_table(unpriced))
        for advised in dict.fromkeys(map(advice, unpriced)):
            if advised:
                out.print(f"  {printable(advised)}", soft_wrap=True)


def _sums_table(summary: Summary) -> Table:
    table = Table(show_footer=True)
    total = summary.total
    for index, name in enumerate(summary.query.group_by):
        table.add_column(name, "total" if index == 0 else "", overflow="fold")
    for title, value in (
        ("USD", usd(total.amount_nano)),
        ("calls", str(total.calls)),
        ("unpriced", str(_unpriced(total))),
        ("input tokens", str(total.input_tokens)),
        ("output tokens", str(total.output_tokens)),
    ):
        table.add_column(title, value, justify="right", no_wrap=True)
    for row in summary.rows if summary.query.group_by else ():
        table.add_row(
            *map(printable, row.group),
            usd(row.amount_nano),
            str(row.calls),
            str(_unpriced(row)),
            str(row.input_tokens),
            str(row.output_tokens),
        )
    return table


def _unpriced_table(unpriced: tuple[Unpriced, ...]) -> Table:
    table = Table("provider", "model", "reason", "detail")
    table.add_column("calls", justify="right")
    for calls in unpriced:
        texts = map(printable, (calls.provider, calls.model, calls.reason, calls.detail))
        table.add_row(*texts, str(calls.operations))
    return table


_STYLES: Final[dict[str, Callable[[Summary, tuple[Unpriced, ...]], None]]] = {
    "table": _as_table,
    "json": _as_json,
    "csv": _as_csv,
}


def _unpriced(row: SummaryRow) -> int:
    return row.operations.get(Status.UNPRICED, 0)
