"""``otel-cost budgets alerts|audit|lost``: what happened to budgets."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, cast

import click
from rich.table import Table

from otel_cost.budgets.evaluate import severity
from otel_cost.budgets.spec import PPM
from otel_cost.budgets.stores.base import Alert, AlertState, AuditEntry, LostHold
from otel_cost.cli import Refusal
from otel_cost.cli.budgets_opening import began, by, configured, in_words, named, opened, styled, where
from otel_cost.cli.output import console, printable, table, usd
from otel_cost.ledger import asking
from otel_cost.model import NANO

_NAME: Final = click.option("--budget", "name", metavar="NAME", help="Only this one.")
_LIMIT: Final = click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)


# --- alerts -----------------------------------------------------------------------------------------------------------


@click.group(invoke_without_command=True)
@click.option("--state", type=click.Choice(["active", "acknowledged", "resolved"]), help="Only these.")
@_NAME
@_LIMIT
@where
@styled
@click.pass_context
def alerts(
    context: click.Context,
    state: AlertState | None,
    name: str | None,
    limit: int,
    config_file: str | None,
    store_url: str | None,
    style: str,
) -> None:
    """Thresholds that were reached, the newest first.

    \b
      otel-cost budgets alerts --state active
      otel-cost budgets alerts ack 17
      otel-cost budgets alerts resolve 17

    Acknowledged: somebody looks into it. Resolved: it is over. Nothing else depends on it.
    """
    if context.invoked_subcommand is not None:
        return
    with opened(configured(config_file, store_url)) as budgets:
        found = budgets.store.alerts(name or "", state=state, limit=limit)
        if not found:  # of a budget that the settings do not have any more, what was kept is still shown
            named(budgets.budgets, name)
    if style == "json":
        click.echo(json.dumps({"alerts": [_alert_json(alert) for alert in found]}, indent=2))
        return
    if not found:
        click.echo("No threshold was reached." if state is None else f"No alert is {state}.")
        return
    shown = table(
        *("id", "at", "budget", "value", "reached", "spent USD", "limit USD", "state", "by"),
        whole=("id", "spent USD", "limit USD"),
    )
    for alert in found:
        share = Decimal(alert.threshold) / PPM
        shown.add_row(
            str(alert.id), _at(alert.at_ns), printable(alert.row.budget), in_words(alert.row.scope) or "all",
            f"{share:.0%} {severity(share)}", usd(alert.spent_nano), usd(alert.limit_nano), alert.state,
            printable(alert.actor or " "),
        )  # fmt: skip
    console().print(shown)


def _alert_json(alert: Alert) -> Mapping[str, object]:
    share = Decimal(alert.threshold) / PPM
    return {
        "id": alert.id,
        "at": asking.iso(alert.at_ns),
        "budget": alert.row.budget,
        "scope": dict(alert.row.scope),
        "period_start": began(alert.row),
        "threshold": str(share),
        "severity": severity(share),
        "spent_usd": _plain(alert.spent_nano),
        "limit_usd": _plain(alert.limit_nano),
        "state": alert.state,
        "actor": alert.actor or None,
    }


def _changing(word: str, state: AlertState, help_text: str) -> None:
    @alerts.command(name=word, help=help_text)
    @click.argument("alert_id", metavar="ID", type=int)
    @by
    @where
    def change(alert_id: int, actor: str, config_file: str | None, store_url: str | None) -> None:
        with opened(configured(config_file, store_url)) as budgets:
            alert = budgets.store.set_alert(alert_id, state, actor=actor, now_ns=time.time_ns())
        if alert is None:
            raise Refusal(f"there is no alert {alert_id}: otel-cost budgets alerts lists them")
        click.echo(f"Alert {alert.id} of budget {printable(alert.row.budget)} is {cast(str, alert.state)}.")


_changing("ack", "acknowledged", "Say that somebody looks into it.")
_changing("resolve", "resolved", "Say that it is over.")


# --- changes ----------------------------------------------------------------------------------------------------------


@click.command()
@_NAME
@_LIMIT
@where
@styled
def audit(name: str | None, limit: int, config_file: str | None, store_url: str | None, style: str) -> None:
    """Who changed what, and why: the newest change first.

    \b
      otel-cost budgets audit --budget team-month
    """
    with opened(configured(config_file, store_url)) as budgets:
        found = budgets.store.audit(name or "", limit=limit)
        if not found:
            named(budgets.budgets, name)
    if style == "json":
        click.echo(json.dumps({"changes": [_entry_json(entry) for entry in found]}, indent=2))
        return
    if not found:
        click.echo("Nothing was changed at run time.")
        return
    shown = table("at", "who", "what", "budget", "value", "why", "from", "to", whole=("what",))
    for entry in found:
        before, after = (_differing(entry, text) for text in (entry.before, entry.after))
        texts = map(printable, (entry.actor, entry.kind, entry.budget))
        why = printable(entry.reason)
        shown.add_row(_at(entry.at_ns), *texts, in_words(entry.scope) or "all", why, before, after)
    console().print(shown)


def _differing(entry: AuditEntry, text: str) -> str:
    """What of a change's before or after is another than in the other."""
    before, after = json.loads(entry.before), json.loads(entry.after)
    said = json.loads(text)
    words = [_said(key, said[key]) for key in said if key != "rows" and before.get(key) != after.get(key)]
    if entry.kind == "reset":
        rows = said.get("rows", ())
        words += [f"{_whose(row['scope']) if len(rows) > 1 else ''}{usd(row['spent_nano'])} spent" for row in rows]
    return ", ".join(words) or " "


def _whose(scope: Mapping[str, str]) -> str:
    return f"{in_words(tuple(scope.items()))}: "


def _said(key: str, value: object) -> str:
    if key == "amount_nano":
        return f"{usd(value)} USD" if isinstance(value, int) else "configured amount"
    if key == "paused":
        return "paused" if value else "not paused"
    return printable(str(value)) if value else f"configured {key}"


def _entry_json(entry: AuditEntry) -> Mapping[str, object]:
    return {
        "at": asking.iso(entry.at_ns),
        "kind": entry.kind,
        "budget": entry.budget,
        "scope": dict(entry.scope),
        "actor": entry.actor,
        "reason": entry.reason,
        "before": json.loads(entry.before),
        "after": json.loads(entry.after),
    }


# --- reservations -----------------------------------------------------------------------------------------------------


@click.command(short_help="Reservations whose call never told its cost.")
@_LIMIT
@where
@styled
def lost(limit: int, config_file: str | None, store_url: str | None, style: str) -> None:
    """Reservations whose call never told what it cost: its process was killed, or its span never ended.

    Their room was given back, or with expired: charge became spend. What the provider billed for such a call is not
    known; it is in no sum of the book.
    """
    with opened(configured(config_file, store_url)) as budgets:
        found = budgets.store.lost(limit=limit)
    if style == "json":
        click.echo(json.dumps({"lost": [_lost_json(hold) for hold in found]}, indent=2))
        return
    if not found:
        click.echo("No reservation was lost.")
        return
    console().print(_lost_table(found))


def _lost_table(found: Sequence[LostHold]) -> Table:
    made = table("lapsed", "budget", "value", "reserved USD", "became", whole=("reserved USD",), footer=True)
    made.columns[0].footer = "total"
    made.columns[3].footer = usd(sum(hold.amount_nano for hold in found))
    for hold in found:
        became = "spend" if hold.charged else "free again"
        value = in_words(hold.row.scope) or "all"
        made.add_row(_at(hold.expired_ns), printable(hold.row.budget), value, usd(hold.amount_nano), became)
    return made


def _lost_json(hold: LostHold) -> Mapping[str, object]:
    return {
        "hold": hold.hold_id,
        "lapsed": asking.iso(hold.expired_ns),
        "budget": hold.row.budget,
        "scope": dict(hold.row.scope),
        "period_start": began(hold.row),
        "reserved_usd": _plain(hold.amount_nano),
        "charged": hold.charged,
    }


def _plain(nano: int) -> str:
    return f"{Decimal(nano) / NANO:.9f}"


def _at(at_ns: int) -> str:
    """To the second."""
    return asking.iso(at_ns // NANO * NANO)
