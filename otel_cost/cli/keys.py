"""``otel-cost keys``: who may use the server, and what for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import click

from otel_cost.cli import Refusal
from otel_cost.cli.budgets_opening import by
from otel_cost.cli.output import console, printable, table
from otel_cost.config import load_config
from otel_cost.ledger.keys import SCOPE_LABELS, AccessKeys
from otel_cost.ledger.sql import open_ledger
from otel_cost.server import keys as making
from otel_cost.server.keys import Issued
from otel_cost.server.keys_schemas import AccessKey, IssuedKey, KeyList
from otel_cost.server.roles import Role

_T = TypeVar("_T")
_config: Final = click.option(
    "--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent."
)
_db: Final = click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
_style: Final = click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.group(name="keys")
def command() -> None:
    """Who may use otel-cost serve, and what for.

    \b
      otel-cost keys create "search, production" --role ingest --scope team=search --expires 90d
      otel-cost keys list
      otel-cost keys rotate 3f9a0c1d2b4e                # a new one; the old one goes on for a day
      otel-cost keys revoke 3f9a0c1d2b4e                # ends at once

    Without any key, only processes of the server's machine may use it. From the first key on everybody needs one, and
    the server may listen on other addresses. Every change is in the audit log. More: docs/keys.md.
    """


@command.command(name="create")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice([str(role) for role in Role]), help="What it is for.")
@click.option(
    "--scope", "scopes", multiple=True, metavar="LABEL=VALUE", help="Bind it to one value of a label; may be repeated."
)
@click.option("--expires", metavar="DURATION", help="How long it lives, for instance 90d.  [default: for good]")
@by
@_config
@_db
@_style
def create(
    name: str,
    role: str,
    scopes: tuple[str, ...],
    expires: str | None,
    actor: str,
    config_file: str | None,
    db: str | None,
    style: str,
) -> None:
    """Make a key, and show it: once, for it is not kept.

    \b
    NAME says what will use it. The roles:
      ingest   sends spans and costs, and uses budgets; reads nothing
      viewer   reads
      editor   reads, changes budgets, books costs by hand
      admin    everything, keys too

    A key with --scope team=search sees, and writes, what has that label; for it, there is nothing else.
    """
    lives = None if expires is None else _checked("--expires", making.lifetime_s, expires)
    scope = dict(_checked("--scope", _pair, text) for text in scopes)
    if len(scope) < len(scopes):
        raise click.BadParameter("the same label is given twice", param_hint="--scope")
    name = _checked("NAME", making.check_name, name)
    wanted = _checked("--scope", lambda name: making.Wanted(name, Role(role), scope, lives), name)
    with _opened(config_file, db, create=True) as keys:
        now_ns = time.time_ns()
        _show(making.issue(keys, wanted, actor=actor, now_ns=now_ns), now_ns, style)


@command.command(name="list")
@click.option("--all", "every", is_flag=True, help="Also those that are over.")
@_config
@_db
@_style
def list_(every: bool, config_file: str | None, db: str | None, style: str) -> None:
    """The keys, without their secrets: these are nowhere."""
    with _opened(config_file, db) as keys:
        now_ns = time.time_ns()
        found = KeyList.of([key for key in keys.all() if every or key.valid(now_ns)], now_ns)
    if style == "json":
        click.echo(found.model_dump_json(indent=2))
        return
    if not found.keys:
        click.echo("There is no key. One is made by: otel-cost keys create NAME --role ingest")
        return
    shown = table("id", "name", "role", "scope", "created", "expires", "last used", "state", whole=("id", "state"))
    for key in found.keys:
        times = (key.created, key.expires or "never", key.last_used or "never")
        shown.add_row(key.id, printable(key.name), key.role, _in_words(key.scope), *times, key.state)
    console().print(shown)


@command.command(name="revoke")
@click.argument("key_id", metavar="ID")
@by
@_config
@_db
@_style
def revoke(key_id: str, actor: str, config_file: str | None, db: str | None, style: str) -> None:
    """End a key, for good: it is refused by every server within 5 seconds."""
    with _opened(config_file, db) as keys:
        now_ns = time.time_ns()
        key = keys.revoke(key_id, actor=actor, now_ns=now_ns)
    if key is None:
        raise _unknown(key_id)
    if style == "json":
        click.echo(AccessKey.of(key, now_ns).model_dump_json(indent=2))
    else:
        click.echo(f"Revoked {key.id} ({printable(key.name)}); every server refuses it within 5 seconds.")


@command.command(name="rotate")
@click.argument("key_id", metavar="ID")
@click.option("--grace", default=making.DEFAULT_GRACE, show_default=True, help="How long the old one goes on; 0s: not.")
@by
@_config
@_db
@_style
def rotate(key_id: str, grace: str, actor: str, config_file: str | None, db: str | None, style: str) -> None:
    """Make a key that may what ID may, and let ID end after a while: time to tell whoever uses it."""
    grace_s = _checked("--grace", making.grace_s, grace)
    with _opened(config_file, db) as keys:
        now_ns = time.time_ns()
        issued = making.rotate(keys, key_id, grace_s, actor=actor, now_ns=now_ns)
        if issued is None:
            raise _unknown(key_id, "valid ")
        _show(issued, now_ns, style)
        if style == "table":
            old = AccessKey.of(keys.find(key_id) or issued.key, now_ns)
            click.echo(f"The old one, {key_id}, ends {old.expires or 'now'}.")


@contextmanager
def _opened(config_file: str | None, db: str | None, *, create: bool = False) -> Iterator[AccessKeys]:
    config = load_config(config_file, arguments={"server": {"database": db}} if db else None)
    with open_ledger(config.server.database, create=create) as ledger:
        yield AccessKeys(ledger)


def _pair(text: str) -> tuple[str, str]:
    label, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} has no '='; write for instance team=search. Labels: {', '.join(SCOPE_LABELS)}")
    return label.strip(), value


def _checked(option: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _show(issued: Issued, now_ns: int, style: str) -> None:
    made = IssuedKey.issued(issued, now_ns)
    if style == "json":
        click.echo(json.dumps(made.model_dump(mode="json"), indent=2))
        return
    bound = f", only {_in_words(made.scope)}" if made.scope else ""
    ends = f", until {made.expires}" if made.expires else ""
    click.echo(
        f"Key {made.id} for {printable(made.name)}: {made.role}{bound}{ends}. Keep it now, it is shown this once:"
    )
    click.echo(f"\n  {made.key}\n")
    click.echo(_SEND if made.role == Role.INGEST else _READ)


_READ: Final = "To use it: curl -H 'Authorization: Bearer <key>' <server>/api/v1/costs/summary"
_SEND: Final = (
    "To use it: OTEL_EXPORTER_OTLP_HEADERS='x-api-key=<key>' and, for budgets, OTEL_COST_BUDGET_STORE_KEY=<key>"
)


def _in_words(scope: dict[str, str]) -> str:
    return ", ".join(f"{label}={printable(value)}" for label, value in scope.items()) or "-"


def _unknown(key_id: str, valid: str = "") -> Refusal:
    return Refusal(f"there is no {valid}key {key_id!r:.80}: otel-cost keys list --all has every id")
