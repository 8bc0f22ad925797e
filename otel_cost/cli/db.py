"""``otel-cost db``: looking after the book's database."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from sqlalchemy import func, select, text

from otel_cost.cli import Refusal
from otel_cost.cli.output import printable, progress
from otel_cost.config import load_config
from otel_cost.ledger import backup as backing_up
from otel_cost.ledger import backup_restoring, checking, soundness, upgrading
from otel_cost.ledger.sql import SqlLedger, connect

_config: Final = click.option(
    "--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent."
)
_db: Final = click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
_yes: Final = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(name="db")
def command() -> None:
    """Look after the book's database: SQLite or PostgreSQL.

    \b
      otel-cost db current                          # which revision its tables are of
      otel-cost db backup /backups/book.tar         # while the server goes on
      otel-cost db upgrade                          # after installing a newer release
      otel-cost db check                            # does everything fit together?
      otel-cost db restore /backups/book.tar --db postgresql://otel@db/costs

    A backup fits into both kinds of database. More: docs/database.md.
    """


@command.command(name="current")
@_config
@_db
def current(config_file: str | None, db: str | None) -> None:
    """Show which revision the tables are of, and which one this release works with."""
    with _opened(config_file, db) as ledger, ledger.snapshot() as connection:
        found = upgrading.revision(connection)
        upgrading.require(upgrading.state(connection), ledger.url, older_will_do=True)
        newest = found == upgrading.HEAD
        click.echo(f"{ledger.url}: revision {found}" + (", the newest" if newest else f"; newest: {upgrading.HEAD}"))
        if not newest:
            click.echo("Bring it there with otel-cost db upgrade.")


@command.command(name="upgrade")
@_config
@_db
def upgrade(config_file: str | None, db: str | None) -> None:
    """Bring the tables to what this release works with.

    All of it happens in one transaction: if it fails, or is stopped, the book is as it was. Stop servers of the older
    release first: what they write afterwards is in no sum. Servers of this release wait until it is done; they upgrade
    by themselves when they start, unless that is switched off (otel-cost serve --no-upgrade).
    """
    with _opened(config_file, db) as ledger:
        with ledger.snapshot() as connection:
            upgrading.require(upgrading.state(connection), ledger.url, older_will_do=True)
        with progress("summing up", lambda: _entries(ledger)) as advance:
            before = ledger.prepare(told=advance)
        click.echo(f"From revision {before} to {upgrading.HEAD}." if before else f"It is of revision {upgrading.HEAD}.")


@command.command(name="downgrade")
@click.argument("revision", default=upgrading.FIRST)
@_yes
@_config
@_db
def downgrade(revision: str, yes: bool, config_file: str | None, db: str | None) -> None:
    """Bring the tables back to REVISION: 0001, where none is named, is release 0.1.

    Every call, entry and sum stays. What the older release has no table for is dropped: access keys, the audit log,
    events. Stop the servers first, and make a backup.
    """
    with _opened(config_file, db) as ledger:
        if not yes:
            _ask(f"Bring {ledger.url} back to revision {revision}, without keys, audit log and events?")
        with ledger.transaction() as connection:
            upgrading.downgrade(connection, revision)
        click.echo(f"It is of revision {revision}. Do not start this release on it: it would upgrade it again.")


@command.command(name="backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_config
@_db
def backup(file: Path, config_file: str | None, db: str | None) -> None:
    """Write the whole book into FILE, as it is at this moment, while servers go on writing.

    FILE appears when it is whole and on the disk. It has checksums, counts and sums in it, by which it is checked when
    it is restored. Budgets have a database of their own, which is not in it.
    """
    with _opened(config_file, db) as ledger:
        with progress("writing", lambda: backing_up.rows_in(ledger)) as advance:
            made = backing_up.backup(ledger, file, advance)
        click.echo(f"{file}: {made.rows} rows, {made.tables['records'].rows} calls, {_mib(file)} MiB.")


@command.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Put it in the place of the book that is there, which is gone then.")
@_config
@_db
def restore(file: Path, replace: bool, config_file: str | None, db: str | None) -> None:
    """Fill a database with the book in FILE. Stop its servers first.

    The database may be of the other kind than the one that the backup was made of: a book that has outgrown SQLite
    moves into PostgreSQL this way. Counts and sums are compared before anything of it can be seen; if they differ, or
    it is stopped, the database is as it was.
    """
    said = backup_restoring.look(file)
    with (
        _opened(config_file, db, must_exist=False) as ledger,
        progress("restoring", lambda: said.rows) as advance,
    ):
        made = backup_restoring.restore(ledger, file, now_ns=time.time_ns(), replace=replace, told=advance)
        click.echo(f"{ledger.url}: {made.rows} rows, {made.tables['records'].rows} calls. Counts and sums agree.")


@command.command(name="check")
@click.option("--repair", is_flag=True, help="Make the sums anew, out of the entries.")
@_config
@_db
def check(repair: bool, config_file: str | None, db: str | None) -> None:
    """Look whether everything in the book fits together; exit code 1 and a line for each finding if not.

    \b
    - the database file itself (SQLite)
    - every call is booked once, its corrections follow on one another, and what it says is the last of them
    - nothing belongs to a call that is not there
    - the sums that reports are answered from are those of the entries; --repair makes them so
    - the sums of archived days are what they were when the days were archived
    """
    with _opened(config_file, db) as ledger:
        ledger.require_current()
        found = _findings(ledger)
        if found and repair:
            with progress("repairing", lambda: len(checking.days(ledger))) as advance:
                click.echo(f"The sums of {checking.rebuild_rollups(ledger, told=advance)} days were made anew.")
            found = _findings(ledger)
        for line in found:
            click.echo(printable(line))
        if found:
            sys.exit(1)
        click.echo("Everything fits together.")


def _findings(ledger: SqlLedger) -> Sequence[str]:
    with progress("checking rows", lambda: len(soundness.CHECKS)) as advance, ledger.snapshot() as connection:
        rows = soundness.findings(connection, time.time_ns(), advance)
    with progress("checking sums", lambda: len(checking.days(ledger))) as advance:
        sums = checking.verify(ledger, told=advance)
    return [*rows, *(f"{one.table}: {one.what}: {one.found}, should be {one.expected}" for one in sums)]


@contextmanager
def _opened(config_file: str | None, db: str | None, *, must_exist: bool = True) -> Iterator[SqlLedger]:
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    with connect(config.server.database, must_exist=must_exist) as ledger:
        yield ledger


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Refusal("there is nobody to ask: add --yes")
    click.confirm(question, abort=True)


def _entries(ledger: SqlLedger) -> int:
    with ledger.snapshot() as connection:
        return int(connection.execute(select(func.count()).select_from(text("entries"))).scalar_one())


def _mib(file: Path) -> str:
    return f"{file.stat().st_size / 2**20:.2f}"
