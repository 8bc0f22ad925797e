"""``otel-cost budgets list``: what the settings say, and what was set at run time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

import click

from otel_cost.budgets.spec import Budget, Scope, budget_of
from otel_cost.budgets.stores.base import Control
from otel_cost.cli.budgets_opening import configured, in_words, opened, styled, where
from otel_cost.cli.output import console, printable, table, usd
from otel_cost.model import NANO


@click.command(name="list", short_help="What the settings say, and what was set since.")
@where
@styled
def command(config_file: str | None, store_url: str | None, style: str) -> None:
    """The budgets of the settings, with their overrides and what was set at run time."""
    config = configured(config_file, store_url)
    controls: dict[tuple[str, Scope], Control] = {}
    if config.budget_store.url:
        with opened(config) as budgets:
            controls = {key: made for key, made in budgets.store.controls().by_scope.items() if made != Control()}
    made = [budget_of(settings) for settings in config.budgets]
    if style == "json":
        click.echo(json.dumps({"budgets": [_described(budget, controls) for budget in made]}, indent=2))
        return
    shown = table(
        *("name", "USD", "period", "per", "match", "at the limit", "thresholds", "set at run time"),
        whole=("USD", "period"),
    )
    for budget in made:
        shown.add_row(*_listed(budget, controls.get((budget.name, ()))))
        for scope in _own(budget, controls):
            limit, action = budget.limit_nano(scope), budget.action_for(scope)
            then = "paused" if budget.paused_in_settings(scope) else action
            control = controls.get((budget.name, scope))
            shown.add_row(f"  {in_words(scope)}", usd(limit), "", "", "", then, "", _control(control))
    console().print(shown)
    if not config.budget_store.url:
        click.echo("Kept in each app's own memory: nothing can be set at run time until budget_store.url is.")


def _own(budget: Budget, controls: dict[tuple[str, Scope], Control]) -> list[Scope]:
    """Values that have something of their own, in the settings or set at run time."""
    settings: list[Scope] = [((budget.per[0], value),) for value in budget.overrides] if budget.overrides else []
    return list(dict.fromkeys([*settings, *(scope for name, scope in controls if name == budget.name and scope)]))


def _listed(budget: Budget, control: Control | None) -> Sequence[str]:
    match = ", ".join(f"{label}={value}" for label, value in budget.match.items())
    marks = ", ".join(f"{share:.0%}" for share in budget.thresholds)
    per = ", ".join(budget.scope_labels)
    texts = (budget.period, per, match, budget.action, marks)
    return [printable(budget.name), usd(budget.amount_nano), *(printable(text or " ") for text in texts),
            _control(control)]  # fmt: skip


def _control(control: Control | None) -> str:
    if control is None:
        return ""
    said = [f"{usd(control.amount_nano)} USD"] if control.amount_nano is not None else []
    said += [control.action] if control.action else []
    return ", ".join([*said, *(["paused"] if control.paused else [])])


def _described(budget: Budget, controls: dict[tuple[str, Scope], Control]) -> dict[str, object]:
    return {
        "name": budget.name,
        "amount_usd": _plain(budget.amount_nano),
        "period": budget.period,
        "timezone": str(budget.timezone),
        "per": list(budget.scope_labels),
        "match": dict(budget.match),
        "action": budget.action,
        "thresholds": [str(share) for share in budget.thresholds],
        "values": [
            {
                "scope": dict(scope),
                "amount_usd": _plain(budget.limit_nano(scope)),
                "action": budget.action_for(scope),
                "paused": budget.paused_in_settings(scope),
                "set": _set(controls.get((budget.name, scope))),
            }
            for scope in _own(budget, controls)
        ],
        "set": _set(controls.get((budget.name, ()))),
    }


def _set(control: Control | None) -> dict[str, object] | None:
    if control is None:
        return None
    given = control.amount_nano
    return {
        "amount_usd": None if given is None else _plain(given),
        "action": control.action,
        "paused": control.paused,
    }


def _plain(nano: int) -> str:
    return f"{Decimal(nano) / NANO:.9f}"
