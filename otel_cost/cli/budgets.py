"""``otel-cost budgets``: what is configured, where it stands, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import click

from otel_cost.budget_settings import Action
from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.spec import PPM, Budget, BudgetState
from otel_cost.budgets.stores.base import Control
from otel_cost.cli import Refusal, budgets_book, budgets_listing, budgets_log
from otel_cost.cli import budgets_standing as standing
from otel_cost.cli.budgets_opening import (
    amount,
    audited,
    configured,
    estimate,
    in_words,
    named,
    opened,
    scoped,
    styled,
    where,
)
from otel_cost.cli.output import printable, usd

_NAME: Final = click.argument("name", required=False)
REACHED, USED_UP = 1, 3
"""Exit codes of ``check``; 2 is what was asked wrongly, as everywhere."""


@click.group(name="budgets")
def command() -> None:
    """Limits on spend: where they stand, and changing them while everything runs.

    \b
      otel-cost budgets status                                  a bar for every budget
      otel-cost budgets status team-month --scope team=search   one value of one
      otel-cost budgets set team-month --scope team=search --amount 900 --reason "launch week"
      otel-cost budgets pause team-month --scope team=search --reason "runaway agent"
      otel-cost budgets resume team-month --scope team=search --reason "fixed"
      otel-cost budgets check team-month --scope team=search --estimate 2 || echo "not today"
      otel-cost budgets audit                                   who changed what, and why

    A change holds within a second in all processes that share the store (budget_store.url), and is in the audit log.
    Budgets themselves are written in the settings, which the apps, the server and this command must have in common.
    """


command.add_command(budgets_listing.command)
for part in (budgets_log.alerts, budgets_log.audit, budgets_log.lost, budgets_book.verify, budgets_book.rebuild):
    command.add_command(part)


# --- where it stands --------------------------------------------------------------------------------------------------


@command.command(short_help="Where budgets stand: spent, reserved, limit, left.")
@_NAME
@scoped
@where
@click.option("--all", "everything", is_flag=True, help=f"All values of a budget, not {standing.SHOWN} of them.")
@styled
def status(
    name: str | None,
    scope: dict[str, str],
    config_file: str | None,
    store_url: str | None,
    everything: bool,
    style: str,
) -> None:
    """Where budgets stand: spent, reserved for calls under way, the limit, what is left, and who paused what.

    \b
      otel-cost budgets status
      otel-cost budgets status team-month --scope team=search
      otel-cost budgets status --all --json

    With --scope and no NAME: every budget that a call with these labels counts against. In a bar, # (or a full block)
    is spent and = (shaded) is reserved.
    """
    with opened(configured(config_file, store_url)) as budgets:
        some = standing.explained(_states(budgets, name, scope), budgets.store)
        if style == "json":
            standing.show_json(some)
        else:
            _show(budgets, name, scope, some, everything=everything)


def _show(
    budgets: Budgets, name: str | None, scope: dict[str, str], some: Sequence[standing.Standing], *, everything: bool
) -> None:
    standing.show(some, everything=everything)
    seen = {one.state.budget.name for one in some}
    unused = [] if scope else [one for one in named(budgets.budgets, name) if one.name not in seen]
    standing.show_unused(unused, budgets.store.controls())


def _states(budgets: Budgets, name: str | None, scope: dict[str, str]) -> list[BudgetState]:
    wanted = {budget.name for budget in named(budgets.budgets, name)}
    if not scope:
        return [state for state in budgets.states() if state.budget.name in wanted]
    if name is not None:
        state = budgets.state(name, scope)
        return [state] if state is not None else []
    fitting = [one for one in budgets.budgets.values() if _applies(one, scope)]
    known = {label for one in budgets.budgets.values() for label in (*one.scope_labels, *one.match)}
    for label in scope:
        if label not in known:
            raise Refusal(f"no budget is by {label!r}; they are by: {', '.join(sorted(known)) or 'nothing'}")
    found = (budgets.state(one.name, {label: scope[label] for label in one.scope_labels}) for one in fitting)
    return [state for state in found if state is not None]


def _applies(budget: Budget, scope: Mapping[str, str]) -> bool:
    """Whether a call that has the labels of ``scope``, and no others, counts against the budget."""
    return set(budget.scope_labels) <= set(scope) and all(
        scope.get(label) == value for label, value in budget.match.items()
    )


@command.command(short_help="Whether there is room: the exit code says it.")
@_NAME
@scoped
@estimate
@where
@click.pass_context
def check(
    context: click.Context,
    name: str | None,
    scope: dict[str, str],
    estimate_nano: int,
    config_file: str | None,
    store_url: str | None,
) -> None:
    """Whether there is room, for scripts: the exit code says it.

    \b
      0  there is room
      1  there is room, and a threshold of the budget is reached
      2  asked wrongly, or the store cannot be reached
      3  used up, paused, or not enough left for --estimate

    \b
      otel-cost budgets check --scope team=search --estimate 2 || exit 1

    Of all budgets and values that are meant, the worst decides. Nothing is reserved by it: what holds a limit is
    action: block.
    """
    with opened(configured(config_file, store_url)) as budgets:
        some = standing.explained(_states(budgets, name, scope), budgets.store)
    verdicts = [(one, _verdict(one, estimate_nano)) for one in some]
    for one, (code, words) in verdicts:
        if code or name or scope:
            row = in_words(one.state.row.scope)
            click.echo(f"{printable(one.state.budget.name)}{f' ({row})' if row else ''}: {words}")
    worst = max((code for _, (code, _) in verdicts), default=0)
    if not worst and not (name or scope):
        click.echo("There is room in every budget.")
    context.exit(worst)


def _verdict(one: standing.Standing, estimate_nano: int) -> tuple[int, str]:
    state = one.state
    of = f"{usd(state.spent_nano)} of {usd(state.limit_nano)} USD are spent"
    if state.reserved_nano:
        of += f", {usd(state.reserved_nano)} are reserved"
    if state.paused:
        return USED_UP, one.note
    if one.taken_nano + max(1, estimate_nano) > state.limit_nano:
        return USED_UP, f"{of}: {'not enough left' if one.left_nano else 'used up'}"
    marks = [mark for mark in state.budget.marks if state.spent_nano * PPM >= mark * state.limit_nano]
    if marks:
        return REACHED, f"{of}: {Decimal(marks[-1]) / PPM:.0%} is reached"
    return 0, f"{of}: there is room"


# --- changing it ------------------------------------------------------------------------------------------------------


@command.command(name="set", short_help="Put another limit in the place of the configured one.")
@click.argument("name")
@scoped
@amount
@click.option("--action", type=click.Choice(["alert", "block", "pause"]), help="What happens at the limit.")
@click.option("--clear", is_flag=True, help="Back to what the settings say.")
@audited
@where
def set_limit(
    name: str,
    scope: dict[str, str],
    amount_nano: int | None,
    action: Action | None,
    clear: bool,
    reason: str,
    actor: str,
    config_file: str | None,
    store_url: str | None,
) -> None:
    """Put another limit, or another action, in the place of the configured one.

    \b
      otel-cost budgets set team-month --amount 600 --reason "agreed for November"
      otel-cost budgets set team-month --scope team=search --amount 900 --action block --reason "launch week"
      otel-cost budgets set team-month --scope team=search --clear --reason "launch is over"

    What is not named stays as it was set before. For a whole budget the amount is that of each of its values, but those
    that have their own. It holds until it is set again, for later periods too.
    """
    if clear == (amount_nano is not None or action is not None):
        raise click.UsageError("say --amount, --action or both; or --clear alone")
    with opened(configured(config_file, store_url)) as budgets:
        named(budgets.budgets, name)
        key = tuple((label, scope[label]) for label in budgets.budgets[name].scope_labels if label in scope)
        before = budgets.store.controls().by_scope.get((name, key), Control())
        if not clear:
            amount_nano = before.amount_nano if amount_nano is None else amount_nano
            action = before.action if action is None else action
        budgets.set_limit(name, scope, amount_nano=amount_nano, action=action, actor=actor, reason=reason)
        _show_changed(budgets, name, scope)


def _changing(kind: str, in_short: str, help_text: str, carry_out: Callable[..., None]) -> None:
    @command.command(name=kind, short_help=in_short, help=help_text)
    @click.argument("name")
    @scoped
    @audited
    @where
    def change(
        name: str, scope: dict[str, str], reason: str, actor: str, config_file: str | None, store_url: str | None
    ) -> None:
        with opened(configured(config_file, store_url)) as budgets:
            named(budgets.budgets, name)
            carry_out(budgets, name, scope, actor=actor, reason=reason)
            _show_changed(budgets, name, scope)
            if kind == "resume":
                _say_what_stays_paused(budgets, name, scope)


_changing(
    "pause",
    "Stop all calls, or those of one value.",
    """Stop all calls that a budget applies to, or those of one value of it, until resumed. Calls under way go on.

    \b
      otel-cost budgets pause team-month --scope team=search --reason "runaway agent"
    """,
    Budgets.pause,
)
_changing(
    "resume",
    "Let calls go on that were paused.",
    """Let a budget go on that was paused, by hand or by itself; in this period it does not pause itself again.

    \b
      otel-cost budgets resume team-month --scope team=search --reason "agent is fixed"
    """,
    Budgets.resume,
)
_changing(
    "reset",
    "Begin the present period anew.",
    """Begin the present period anew: what was spent in it does not count any more. The book is not touched.

    \b
      otel-cost budgets reset team-month --scope team=search --reason "load test, not theirs"
    """,
    Budgets.reset,
)


def _show_changed(budgets: Budgets, name: str, scope: dict[str, str]) -> None:
    _show(budgets, name, scope, standing.explained(_states(budgets, name, scope), budgets.store), everything=False)


def _say_what_stays_paused(budgets: Budgets, name: str, scope: dict[str, str]) -> None:
    """A pause of the whole budget and one of a value are two: whoever lets the one go on may have meant the other."""
    by_hand = [
        key
        for (of, key), control in budgets.store.controls().by_scope.items()
        if of == name and control.paused and (not scope or not key)
    ]
    for key in by_hand:
        how = " and ".join(f"--scope {in_words((part,))}" for part in key) or "no --scope"
        click.echo(f"Still paused by hand: {in_words(key) or 'all of it'}. Resume that with {how}.", err=True)
