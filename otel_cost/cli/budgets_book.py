"""``otel-cost budgets verify|rebuild``: whether the store agrees with the book, and making it so."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.table import Table

from otel_cost.budgets.rebuilding import Comparison, Rebuilding
from otel_cost.budgets.stores.base import OpenStore
from otel_cost.cli import Refusal
from otel_cost.cli.budgets_opening import configured, in_words, opened, where
from otel_cost.cli.output import console, printable, progress, usd
from otel_cost.ledger.base import MAX_STORED, Ledger
from otel_cost.ledger.opening import open_ledger
from otel_cost.ledger.questions import SummaryQuery

_DB: Final = click.option("--db", metavar="URL", help="The book's database.  [default: server.database]")
_SHOWN: Final = 50
DIFFERS: Final = 1
"""Exit code where store and book do not agree."""


@click.command(short_help="Whether the store and the book agree, row by row.")
@where
@_DB
@click.pass_context
def verify(context: click.Context, config_file: str | None, store_url: str | None, db: str | None) -> None:
    """Whether the store of budgets agrees with the book, row by row. Changes nothing.

    \b
      otel-cost budgets verify --db sqlite:///otel-cost.db

    Exit code 0: they agree; 1: they do not, and the rows are listed. A call that was settled within the last hour and
    is not in the book yet is no difference. Calls that end meanwhile may be: ask again before believing a small one.
    """
    with _both(config_file, store_url, db) as (rebuilding, ledger):
        with _bar("comparing", rebuilding, ledger) as done:
            found = rebuilding.compare(done)
        _show(found)
    context.exit(0 if found.agrees else DIFFERS)


@click.command(short_help="Bring the store to what the book says.")
@where
@_DB
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Change it without asking.")
@click.option("--prune", is_flag=True, help="Also take away what the book does not have, if older than an hour.")
@click.pass_context
def rebuild(
    context: click.Context,
    config_file: str | None,
    store_url: str | None,
    db: str | None,
    dry_run: bool,
    yes: bool,
    prune: bool,
) -> None:
    """Bring the store of budgets to what the book says: after it was lost, calls were priced anew, budgets changed.

    \b
      otel-cost budgets rebuild --dry-run
      otel-cost budgets rebuild --yes

    Apps may go on meanwhile, and running it twice changes nothing more. Limits, pauses, resets and reservations stay;
    nobody is told of thresholds until the next call. What the store has and the book has not stays, unless --prune.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise Refusal("there is nobody to ask: add --yes to change the store, or --dry-run to see it only")
    with _both(config_file, store_url, db, create=not dry_run) as (rebuilding, ledger):
        with _bar("comparing", rebuilding, ledger) as done:
            found = rebuilding.compare(done)
        _show(found)
        if found.wrong or (prune and found.strays):
            if dry_run:
                click.echo("Dry run: nothing was changed.")
            elif yes or click.confirm(_question(found, prune)):
                found = _carry_out(rebuilding, ledger, prune)
            else:
                click.echo("Nothing was changed.")
    context.exit(0 if found.agrees or dry_run else DIFFERS)


def _question(found: Comparison, prune: bool) -> str:
    strays = f", and take away {found.strays} that the book does not have" if prune and found.strays else ""
    return f"Set right {found.wrong} calls{strays}?"


def _carry_out(rebuilding: Rebuilding, ledger: Ledger, prune: bool) -> Comparison:
    with _bar("setting right", rebuilding, ledger) as done:
        changed = rebuilding.rebuild(done, prune=prune)
    click.echo(f"Set right {changed.wrong} calls" + (f", took away {changed.strays}." if prune else "."))
    if not changed.agrees:
        _show(changed)
    return changed


@contextmanager
def _both(
    config_file: str | None, store_url: str | None, db: str | None, *, create: bool = False
) -> Iterator[tuple[Rebuilding, Ledger]]:
    config = configured(config_file, store_url)
    with opened(config, create=create) as budgets, open_ledger(db or config.server.database, create=False) as ledger:
        if not isinstance(budgets.store, OpenStore):
            raise Refusal("this store cannot be compared from here: name its database with --store, not its server")
        yield Rebuilding(budgets.budgets, budgets.store, ledger, now_ns=time.time_ns()), ledger


@contextmanager
def _bar(doing: str, rebuilding: Rebuilding, ledger: Ledger) -> Iterator[Callable[[int], None]]:
    query = SummaryQuery(rebuilding.from_ns, MAX_STORED)
    with progress(doing, lambda: ledger.summary(query).total.calls) as advance:
        yield advance


def _show(found: Comparison) -> None:
    out = console()
    differing = [(key, row) for key, row in sorted(found.rows.items()) if not row.agrees]
    if differing:
        table = Table("budget", "value", "period")
        for title in ("in the book", "on its way", "in the store", "too much", "not in the book"):
            table.add_column(title, justify="right", no_wrap=True)
        for key, row in differing[:_SHOWN]:
            amounts = (row.book_nano, row.waiting_nano, row.store_nano, row.difference_nano, row.stray_nano)
            value = in_words(key.scope) or "all"
            table.add_row(printable(key.budget), value, printable(key.period), *map(usd, amounts))
        out.print(table)
        if len(differing) > _SHOWN:
            out.print(f"and {len(differing) - _SHOWN} rows more")
    out.print(f"{found.calls} calls of the book, {len(found.rows)} rows: " + _verdict(found, len(differing)))
    if found.waiting:
        out.print(f"  {found.waiting} calls were settled within the last hour and are not in the book yet")
    if found.strays:
        out.print(f"  {found.strays} calls are in the store and not in the book")


def _verdict(found: Comparison, differing: int) -> str:
    if not differing:
        return "store and book agree"
    return f"{differing} rows differ, by {found.wrong} calls"
