"""``otel-cost entries``: the calls themselves, out of the book."""

from __future__ import annotations

import csv
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Final

import click

from otel_cost.cli.output import console, printable, table, usd
from otel_cost.config import load_config
from otel_cost.ledger import asking
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.opening import open_ledger
from otel_cost.ledger.questions import MAX_PAGE, BookedCall, CallQuery
from otel_cost.ledger.sheets import COLUMNS, row_of
from otel_cost.model import Status
from otel_cost.server.schemas.calls import Entry

_Calls = Iterator[BookedCall]
_WHO: Final = ("service", "team", "user", "agent", "session")


@click.command(name="entries")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The book: a database, or jsonl:FILE.  [default: sqlite:///otel-cost.db]")
@click.option("--since", default="24h", show_default=True, help="Start, inclusive: 24h, 7d, or an ISO 8601 date (UTC).")
@click.option("--until", help="End, exclusive: like --since.  [default: now]")
@click.option("--where", "wheres", multiple=True, metavar="NAME=VALUE", help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Calls at most.")
@click.option("--all", "whole", is_flag=True, help="As many as there are, instead of --limit.")
@click.option(
    "--format", "style", type=click.Choice(["table", "csv", "json", "jsonl"]), default="table", show_default=True
)
def command(
    config_file: str | None,
    db: str | None,
    since: str,
    until: str | None,
    wheres: tuple[str, ...],
    limit: int,
    whole: bool,
    style: str,
) -> None:
    """The calls themselves, newest first: what each cost, whose it was, and why it has no price.

    \b
      otel-cost entries
      otel-cost entries --since 7d --where status=unpriced
      otel-cost entries --where team=search --where model=gpt-4o --limit 20
      otel-cost entries --since 2026-10-01 --until 2026-11-01 --all --format csv > october.csv

    Names are the fields of a call (provider, model, operation, kind, status, ...) and labels (team, service, user, ...;
    label.NAME for any other). An empty value means: has none. Wrappers and duplicates are listed, too: their money is
    another call's.
    """
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    now_ns = time.time_ns()
    known = asking.known_names(config)
    start_ns = _at("--since", since, now_ns)
    end_ns = _at("--until", until, now_ns) if until else now_ns
    if start_ns > end_ns:
        raise click.BadParameter("the period ends before it starts", param_hint="--since")
    filters = dict(_filter(where, known) for where in wheres)
    with open_ledger(config.server.database, create=False) as ledger:
        calls = _calls(ledger, start_ns, end_ns, filters)
        _STYLES[style](calls if whole else itertools.islice(calls, limit))
        if not whole and next(calls, None) is not None:
            click.echo(f"There are more than {limit}: --limit takes another number, --all all of them.", err=True)


def _at(option: str, text: str, now_ns: int) -> int:
    try:
        return asking.since_ns(text, now_ns)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _filter(where: str, known: Set[str]) -> tuple[str, str]:
    name, equals, value = where.partition("=")
    if not equals:
        raise click.BadParameter(f"{where!r} has no '='; write for instance team=search", param_hint="--where")
    try:
        return asking.dimension(name.strip(), known), value
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--where") from error


def _calls(ledger: Ledger, start_ns: int, end_ns: int, filters: Mapping[str, str]) -> _Calls:
    """A page at a time, so that a month of calls takes no memory."""
    after: tuple[int, str] | None = None
    while page := ledger.calls(CallQuery(start_ns, end_ns, filters, after, MAX_PAGE)):
        yield from page
        after = (page[-1].record.start_ns, page[-1].record.key)


# --- output -----------------------------------------------------------------------------------------------------------


def _as_table(calls: _Calls) -> None:
    shown = table("at (UTC)", "USD", "provider", "model", "tokens in/out", "who", "status", whole=("at (UTC)", "USD"))
    for call in calls:
        record, charge = call.record, call.record.charge
        counts = record.usage.counts if record.usage is not None else {}
        who = [f"{name}={record.labels[name]}" for name in _WHO if record.labels.get(name)]
        shown.add_row(
            asking.iso(record.start_ns).replace("T", " ").removesuffix("Z")[:19],
            usd(charge.amount_nano) if charge.status.counted else "-",
            printable(record.provider or record.kind),
            printable(record.model or record.operation),
            f"{counts.get('input_tokens', '-')}/{counts.get('output_tokens', '-')}",
            printable(" ".join(who)),
            printable(_status(call)),
        )
    if shown.row_count:
        console().print(shown)
    else:
        click.echo("The book has no such calls there.")


def _status(call: BookedCall) -> str:
    charge = call.record.charge
    said = f"{charge.status}: {charge.reason}" if charge.reason else str(charge.status)
    if charge.detail and charge.status is Status.UNPRICED:
        said = f"{said} ({charge.detail})"
    return f"{said}, corrected" if call.corrected else said


def _as_csv(calls: _Calls) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(row_of, calls))


def _as_json(calls: _Calls) -> None:
    click.echo("[", nl=False)
    for number, call in enumerate(calls):
        click.echo((",\n" if number else "") + Entry.of(call).model_dump_json(), nl=False)
    click.echo("]")


def _as_jsonl(calls: _Calls) -> None:
    for call in calls:
        click.echo(Entry.of(call).model_dump_json())


_STYLES: Final[Mapping[str, Callable[[_Calls], None]]] = {
    "table": _as_table,
    "csv": _as_csv,
    "json": _as_json,
    "jsonl": _as_jsonl,
}
