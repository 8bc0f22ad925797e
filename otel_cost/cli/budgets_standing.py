"""Where budgets stand, for people (bars) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_cost.budgets.evaluate import pause_at, severity
from otel_cost.budgets.spec import Budget, BudgetState, Scope
from otel_cost.budgets.stores.base import AuditEntry, Control, Controls, Store
from otel_cost.cli.budgets_opening import began, in_words
from otel_cost.cli.output import console, printable, usd
from otel_cost.ledger import asking
from otel_cost.model import NANO

SHOWN: Final = 10
"""Rows of one budget that are shown unless all are asked for: those that are nearest to their limit."""
_WIDTH: Final = 20
_WIDE: Final = 120
"""Columns from which on what is to be said of a row has room beside it."""
_STYLES: Final[Mapping[str, str]] = {"info": "green", "warning": "yellow", "critical": "red"}
_AUDITED: Final = 1000
_NOT_SET: Final = (None, None)


@dataclass(frozen=True, slots=True)
class Standing:
    """One row, and the changes by people that it is as it is for: ``paused_by`` and ``set_by``, None where nobody."""

    state: BudgetState
    paused_by: AuditEntry | None = None
    set_by: AuditEntry | None = None

    @property
    def taken_nano(self) -> int:
        return self.state.spent_nano + self.state.reserved_nano

    @property
    def left_nano(self) -> int:
        return max(0, self.state.limit_nano - self.taken_nano)

    @property
    def share(self) -> Decimal:
        """Spent and reserved over the limit; 1 is 100 %."""
        if self.state.limit_nano:
            return Decimal(self.taken_nano) / self.state.limit_nano
        return Decimal(1)

    @property
    def note(self) -> str:
        """What is to be said beside the figures."""
        state, said = self.state, list[str]()
        if state.paused and not state.paused_by_hand:
            at = usd(pause_at(state.limit_nano, state.budget.grace))
            said.append(f"paused itself at {at} USD: until the period ends, or otel-cost budgets resume")
        elif state.paused:
            said.append(_by("paused", self.paused_by) if self.paused_by else "paused in the settings")
        elif self.share >= 1:
            said.append("used up: calls are blocked" if state.action == "block" else "used up")
        if self.set_by:
            said.append(_by("set", self.set_by))
        if state.action != state.budget.action:
            said.append(f"{state.action} at its limit")
        return "; ".join(said)


def _by(what: str, entry: AuditEntry) -> str:
    return f"{what} by {entry.actor} ({asking.iso(entry.at_ns // NANO * NANO)}): {entry.reason}"


def explained(states: Sequence[BudgetState], store: Store) -> list[Standing]:
    """The states with the changes that explain them."""
    logs: dict[str, list[AuditEntry]] = {}
    controls = store.controls().by_scope
    found: list[Standing] = []
    for state in states:
        name, scopes = state.budget.name, ((), state.row.scope)
        own = [scope for scope in scopes if (name, scope) in controls]
        log = logs[name] if name in logs else logs.setdefault(name, store.audit(name, limit=_AUDITED) if own else [])
        paused = [scope for scope in own if controls[name, scope].paused]
        limited = [
            scope for scope in own if (controls[name, scope].amount_nano, controls[name, scope].action) != _NOT_SET
        ]
        found.append(Standing(state, _last(log, ("pause",), paused), _last(log, ("set",), limited[-1:])))
    return found


def _last(log: Sequence[AuditEntry], kinds: Sequence[str], scopes: Sequence[Scope]) -> AuditEntry | None:
    return next((entry for entry in log if entry.kind in kinds and entry.scope in scopes), None)


# --- for people -------------------------------------------------------------------------------------------------------


def show(some: Sequence[Standing], *, everything: bool) -> None:
    """A heading for each budget, and a bar for each of its rows."""
    out = console()
    for budget in dict.fromkeys(one.state.budget.name for one in some):
        mine = [one for one in some if one.state.budget.name == budget]
        mine.sort(key=lambda one: (-one.share, one.state.row))
        _show_budget(out, mine, mine if everything else mine[:SHOWN])


def _show_budget(out: Console, mine: Sequence[Standing], shown: Sequence[Standing]) -> None:
    out.print(_heading(mine[0].state.budget, mine[0].state.ends_ns))
    table = Table(box=None, show_header=mine[0] is shown[0], pad_edge=True)
    table.add_column("  value", overflow="fold")
    table.add_column("", no_wrap=True, min_width=_WIDTH)
    for title in ("", "spent", "reserved", "limit", "left"):
        table.add_column(title, justify="right", no_wrap=True)
    beside = out.width >= _WIDE
    if beside:
        table.add_column("", overflow="fold")
    for one in shown:
        state = one.state
        figures = map(usd, (state.spent_nano, state.reserved_nano, state.limit_nano, one.left_nano))
        table.add_row(
            f"  {in_words(state.row.scope) or 'all'}",
            bar(out, one),
            f"{one.share:.0%}",
            *figures,
            *([printable(one.note or " ")] if beside else []),
        )
    out.print(table)
    for one in [] if beside else shown:
        if one.note:
            out.print(f"   {in_words(one.state.row.scope) or 'all'}: {printable(one.note)}")
    if len(shown) < len(mine):
        out.print(f"  and {len(mine) - len(shown)} more, farther from their limit: --all")


def show_unused(budgets: Sequence[Budget], controls: Controls) -> None:
    """A heading for each budget that nobody has spent of, and the limit that waits for them."""
    out = console()
    for budget in budgets:
        control = controls.by_scope.get((budget.name, ()), Control())
        limit = budget.amount_nano if control.amount_nano is None else control.amount_nano
        of_each = f" for each {printable(' and '.join(budget.scope_labels))}" if budget.scope_labels else ""
        out.print(_heading(budget, None))
        said = f"   nothing is spent in this period yet; the limit is {usd(limit)}{of_each}"
        out.print(f"{said}; all are paused" if control.paused else said)


def _heading(budget: Budget, ends_ns: int | None) -> str:
    kind = "in all" if budget.period == "total" else f"a {budget.period}"
    ends = f", until {until(budget, ends_ns)}" if ends_ns is not None else ""
    return f"{printable(budget.name)}: USD {kind}{ends}, {budget.action} at the limit"


def until(budget: Budget, at_ns: int) -> str:
    """An instant as the clocks of the budget's time zone show it."""
    return datetime.fromtimestamp(at_ns // NANO, budget.timezone).strftime("%Y-%m-%d %H:%M %Z")


def bar(out: Console, one: Standing) -> Text:
    """Spent, reserved and left; in plain ASCII where the output is no terminal, or one without colours."""
    plain = not out.is_terminal or out.no_color or not out.encoding.lower().startswith("utf")
    full, held, rest = ("#", "=", ".") if plain else ("\u2588", "\u2592", "\u2591")
    taken = min(_WIDTH, _cells(one.taken_nano, one))
    spent = min(_WIDTH, _cells(one.state.spent_nano, one))
    style = "red" if one.state.paused else _STYLES[severity(one.share)]
    return Text(full * spent + held * (taken - spent) + rest * (_WIDTH - taken), style="" if plain else style)


def _cells(nano: int, one: Standing) -> int:
    """How many cells of the bar are ``nano``: whole ones, so that only what is used up looks full."""
    return nano * _WIDTH // one.state.limit_nano if one.state.limit_nano else _WIDTH


# --- for programs -----------------------------------------------------------------------------------------------------


def show_json(some: Sequence[Standing]) -> None:
    click.echo(json.dumps({"budgets": [as_json(one) for one in some]}, indent=2))


def as_json(one: Standing) -> dict[str, object]:
    """Amounts are exact decimal numbers of USD, as text."""
    state, by = one.state, one.paused_by
    return {
        "name": state.budget.name,
        "scope": dict(state.row.scope),
        "period": state.budget.period,
        "period_start": began(state.row),
        "period_end": asking.iso(state.ends_ns) if state.ends_ns is not None else None,
        **{f"{what}_usd": f"{Decimal(nano) / NANO:.9f}" for what, nano in _amounts(one)},
        "used": f"{one.share:.4f}",
        "action": state.action,
        "paused": state.paused,
        "paused_by": {"actor": by.actor, "reason": by.reason, "at": asking.iso(by.at_ns)} if by else None,
    }


def _amounts(one: Standing) -> Iterator[tuple[str, int]]:
    yield "limit", one.state.limit_nano
    yield "spent", one.state.spent_nano
    yield "reserved", one.state.reserved_nano
    yield "left", one.left_nano
