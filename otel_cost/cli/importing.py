"""``otel-cost import``: calls that others wrote down, from files into the book."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from otel_cost import semconv
from otel_cost.cli import Refusal
from otel_cost.cli.output import printable, usd
from otel_cost.config import Config, load_config
from otel_cost.importing.calls import Costs
from otel_cost.importing.formats import Format
from otel_cost.importing.remembering import Memory
from otel_cost.importing.running import Imported, Importing, Period, Wanted
from otel_cost.importing.settling import Settler
from otel_cost.ledger import asking
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.opening import open_database
from otel_cost.ledger.questions import check_dimension
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Status
from otel_cost.pricing import load_catalog, pricer_of

SOME_BAD: Final = 1
"""Exit code where some rows could not be booked."""
STOPPED: Final = 130
"""Exit code after Ctrl-C, as shells have it; after SIGTERM as well."""
_MARKS: Final = "otel-cost-imports.json"


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False))
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
@click.option(
    "--format", "form", type=click.Choice(["auto", *(form.value for form in Format)]), default="auto",
    show_default=True, help="What the files are.",
)  # fmt: skip
@click.option(
    "--costs",
    type=click.Choice([costs.value for costs in Costs]),
    help="Whose figures.  [default: theirs for jsonl, ours for the others]",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="For calls without it; may be repeated.")
@click.option("--from", "start", metavar="DATE", help="Only calls from then on: an ISO 8601 date (UTC), or 7d.")
@click.option("--to", "end", metavar="DATE", help="Only calls before then: like --from.")
@click.option("--again", is_flag=True, help="Read from the beginning what an earlier run has read.")
@click.option("--dry-run", is_flag=True, help="Show what would come of it and book nothing.")
@click.pass_context
def command(
    context: click.Context,
    files: tuple[str, ...],
    config_file: str | None,
    db: str | None,
    form: str,
    costs: str | None,
    labels: tuple[str, ...],
    start: str | None,
    end: str | None,
    again: bool,
    dry_run: bool,
) -> None:
    """Book calls that others wrote down.

    \b
      otel-cost import logs/cost-tracking.jsonl
      otel-cost import traces.json.gz --label team=search
      otel-cost import spend-logs.csv --format litellm --dry-run
      otel-cost import observations.jsonl.gz --costs theirs --to 2026-10-01

    \b
    jsonl      a JSONL book of otel-cost's, or any log with its fields (timestamp, model, input_tokens, total_cost, ...)
    otlp-json  OTLP as the collector's file exporter writes it: traces, and logs for otel_cost.charge
    litellm    the LiteLLM proxy's spend logs: JSON, JSON Lines, or CSV out of its database
    langfuse   Langfuse's observations: exports and answers of its API; JSON, JSON Lines, CSV

    Each may be gzip. Calls are priced by the prices of their day, and a cost that the file states is a second opinion
    (otel-cost disagreements); --costs theirs books that instead, where it is more than 0. What has no usage or no price
    says so, and is not counted as 0. A call that is in the book already is not booked again, so all of it may be run
    twice; a run that was stopped goes on where it was. Budgets are not charged: otel-cost budgets rebuild does that.

    Exit code 0: all is in; 1: some rows cannot be booked, each of the first is shown with its line; 2: nothing could be
    done.
    """
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    wanted = Wanted(
        form=None if form == "auto" else Format(form),
        costs=Costs(costs) if costs else None,
        period=_period(start, end),
        labels=tuple(map(_label, labels)),
        again=again or dry_run,
    )
    paths = [Path(file) for file in files]
    with ExitStack() as stack:
        stack.enter_context(_counted_here())
        advance = stack.enter_context(_bar(sum(path.stat().st_size for path in paths)))
        stop = stack.enter_context(_stoppable())
        importing = _importing(stack, config, wanted, (advance, stop), dry_run)
        bad = _all(context, importing, paths)
    if dry_run:
        click.echo("Dry run: nothing was booked.")
    context.exit(SOME_BAD if bad else 0)


def _period(start: str | None, end: str | None) -> Period:
    now_ns = time.time_ns()
    period = Period(_at("--from", start, now_ns) if start else 0, _at("--to", end, now_ns) if end else MAX_STORED + 1)
    if period.from_ns > period.to_ns:
        raise click.BadParameter("the period ends before it starts", param_hint="--from")
    return period


def _at(option: str, text: str, now_ns: int) -> int:
    try:
        return asking.since_ns(text, now_ns)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _label(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not (equals and name and value):
        raise click.BadParameter(f"{said!r} is no label; write for instance team=search", param_hint="--label")
    try:
        return check_dimension(name), value
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--label") from error


def _importing(
    stack: ExitStack,
    config: Config,
    wanted: Wanted,
    seen: tuple[Callable[[int], None], Callable[[], bool]],
    dry_run: bool,
) -> Importing:
    url = config.server.database
    file = _file_of(url)
    preview = None
    if dry_run:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="otel-cost-"))
        preview = stack.enter_context(open_ledger(f"sqlite:///{directory}/preview.db"))
    if preview is not None and file is not None and not file.exists():
        book = preview
    else:
        book = stack.enter_context(open_database(url, needed_by="otel-cost import", create=not dry_run))
    settler = Settler(
        config, book, pricer_of(config, load_catalog(config)), labels=dict(wanted.labels), preview=preview
    )
    return Importing(settler, book, book.url, _memory(file, dry_run), wanted, *seen)


def _file_of(url: str) -> Path | None:
    """The file of a SQLite database; None of any other, and of what is no URL: whoever opens it says so."""
    try:
        where = make_url(url)
    except ArgumentError:
        return None
    if where.get_backend_name() != "sqlite" or where.database in (None, "", ":memory:"):
        return None
    return Path(str(where.database))


def _memory(file: Path | None, dry_run: bool) -> Memory:
    if dry_run:
        return Memory(None)
    return Memory(Path(_MARKS) if file is None else file.with_name(f"{file.name}.imports.json"))


def _all(context: click.Context, importing: Importing, paths: Sequence[Path]) -> bool:
    """Import every file and say what came of it; whether any row could not be booked."""
    bad = False
    for path in paths:
        try:
            done = importing.run(path)
        except OSError as error:
            raise Refusal(f"{path}: {error.strerror or error}") from error
        _tell(done)
        if done.stopped:
            click.echo(f"Stopped in {path}. What was booked stays; the same command goes on from there.", err=True)
            context.exit(STOPPED)
        bad = bad or done.bad > 0
    return bad


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Whether a signal asked for a stop: an exception wherever it happens to strike could be lost, or cost a batch. A
    second signal does not wait for the end of the row."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _counted_here() -> Iterator[None]:
    """The log's warnings of calls without a price are for servers: here they are counted, and the book has them."""
    log = logging.getLogger(semconv.LOGGER)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _bar(size: int) -> Iterator[Callable[[int], None]]:
    """How far it is, on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _read: None
        return
    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("importing", total=size)
        yield lambda read: bar.advance(task, read)


def _tell(done: Imported) -> None:
    tally = done.tally
    elsewhere = tally.statuses[Status.WRAPPER] + tally.statuses[Status.DUPLICATE]
    calls = tally.booked - elsewhere
    click.echo(f"{done.path} ({done.form}): {done.rows} rows, {calls} calls booked, {usd(tally.nano)} USD")
    for count, what in (
        (tally.statuses[Status.ESTIMATED], "of them estimated"),
        (tally.statuses[Status.UNPRICED], "of them without a price, which is not 0 (see otel-cost unpriced)"),
        (elsewhere, "part of a call that is counted elsewhere"),
        (tally.known, "in the book already"),
        (tally.corrected, "in the book, and corrected"),
        (tally.voided, "in the book, and counted elsewhere as it turned out"),
        (done.empty, "rows that are no calls"),
        (done.outside, "outside --from and --to"),
        (done.skipped, "rows that an earlier run has read (--again reads them, too)"),
    ):
        if count:
            click.echo(f"  {what}: {count}")
    for place, problem in done.problems:
        click.echo(f"  {done.path}:{place}: {printable(problem)}", err=True)
    if done.bad > len(done.problems):
        click.echo(f"  more rows that cannot be booked: {done.bad - len(done.problems)}", err=True)
