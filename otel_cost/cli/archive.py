"""``otel-cost archive``: calls of past months into files, and out of the book if that is wanted."""

from __future__ import annotations

import time
from pathlib import Path

import click

from otel_cost.cli.output import progress, usd
from otel_cost.config import load_config
from otel_cost.ledger import archive as archiving
from otel_cost.ledger import asking
from otel_cost.ledger.archive_files import FORMATS
from otel_cost.ledger.sql import open_ledger


@click.command(name="archive")
@click.option("--before", required=True, metavar="DATE", help="Days before this one (UTC), e.g. 2026-01-01.")
@click.option(
    "--to", "directory", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where the files go."
)
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), default="parquet", show_default=True)
@click.option("--delete", is_flag=True, help="Remove the calls from the book, once their files were read back.")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
def command(before: str, directory: Path, form: str, delete: bool, config_file: str | None, db: str | None) -> None:
    """Put calls of past days into files, one a month: a row a call, with all that was booked of it.

    \b
      otel-cost archive --before 2026-01-01 --to /cold/costs                 # copies them
      otel-cost archive --before 2026-01-01 --to /cold/costs --delete        # moves them

    With --delete the days are closed: their sums stay in the book, and reports of them answer as before, but their
    calls are not there one by one, and spans of these days that somebody sends (again) are refused, because the book
    cannot know any more whether it had them. So leave time for what arrives late.

    The server may go on. If it is stopped, run it again: it goes on where it was. Parquet needs pyarrow:
    pip install 'otel-cost[parquet]'.
    """
    now_ns = time.time_ns()
    before_ns = _before(before, now_ns)
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    with open_ledger(config.server.database, create=False) as ledger:
        with progress("archiving", lambda: archiving.waiting(ledger, before_ns)) as advance:
            done = archiving.archive(
                ledger, before_ns, directory, now_ns=now_ns, form=form, remove=delete, told=advance
            )
        if not (done.calls or done.removed):
            click.echo(f"The book has no calls before {before} that are not archived.")
            return
        click.echo(f"{done.calls} calls, {usd(done.amount_nano)} USD, are in {directory}.")
        for name in done.files:
            click.echo(f"  new: {name}")
        if delete:
            click.echo(f"{done.removed} calls were removed from the book; their sums stay.")


def _before(text: str, now_ns: int) -> int:
    try:
        return archiving.check_before(asking.instant_ns(text), now_ns)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--before") from error
