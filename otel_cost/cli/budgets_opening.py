"""What all ``otel-cost budgets`` commands share: their options, the store that they open, who asks and about what."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from otel_cost import semconv
from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.spec import Budget, RowKey, Scope, budget_of
from otel_cost.budgets.stores import store_of
from otel_cost.cli import Refusal
from otel_cost.cli.output import printable
from otel_cost.config import Config, load_config
from otel_cost.ledger import asking
from otel_cost.model import NANO

_SQLITE: Final = "sqlite:///"
_NO_VALUE: Final = "''"
F = TypeVar("F", bound=Callable[..., Any])


def _all_of(*options: Callable[[F], F]) -> Callable[[F], F]:
    return lambda command: reduce(lambda done, option: option(done), reversed(options), command)


where: Final = _all_of(
    click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent."),
    click.option("--store", "store_url", metavar="URL", help="The store of budgets.  [default: budget_store.url]"),
)
"""The options that say which budgets, and where they are kept."""

styled: Final = _all_of(
    click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True),
    click.option("--json", "style", flag_value="json", help="Short for --format json."),
)


def _scope(_context: click.Context, _option: click.Parameter, said: tuple[str, ...]) -> dict[str, str]:
    scope: dict[str, str] = {}
    for text in said:
        label, equals, value = text.partition("=")
        if not equals or not label.strip():
            raise click.BadParameter(f"{text!r} has no '='; write for instance team=search")
        if label.strip() in scope:
            raise click.BadParameter(f"{label.strip()!r} is given twice")
        scope[label.strip()] = value
    return scope


def _usd(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """Nano-USD."""
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r} is not an amount of USD; write for instance 0.25") from None
    if not (amount.is_finite() and 0 <= amount <= 10**9):
        raise click.BadParameter(f"{text} is outside 0 to 1,000,000,000 USD")
    if 0 < amount * NANO < 1:
        raise click.BadParameter(f"{text} is less than a billionth of a USD, and would count as 0")
    return int((amount * NANO).to_integral_value())


scoped: Final = click.option(
    "--scope", multiple=True, callback=_scope, metavar="LABEL=VALUE", help="One value of a budget that is by label."
)
amount: Final = click.option("--amount", "amount_nano", callback=_usd, metavar="USD", help="The new limit.")
estimate: Final = click.option(
    "--estimate", "estimate_nano", callback=_usd, metavar="USD", default="0", help="What is to be spent next."
)


def _actor(_context: click.Context, _option: click.Parameter, name: str | None) -> str:
    if name is not None:
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise click.BadParameter("this account has no name: say who you are") from None


by: Final = click.option("--actor", callback=_actor, metavar="NAME", help="Who.  [default: your login name]")
audited: Final = _all_of(
    click.option("--reason", required=True, metavar="TEXT", help="Why; it goes into the audit log."), by
)
"""The options of every change."""


def configured(config_file: str | None, store_url: str | None) -> Config:
    """The settings; a refusal where they have no budgets."""
    config = load_config(config_file, arguments={"budget_store": {"url": store_url}} if store_url else None)
    if not config.budgets:
        raise Refusal("the settings have no budgets: name the config file of your apps with --config")
    return config


@contextmanager
def opened(config: Config, *, create: bool = False) -> Iterator[Budgets]:
    """The budgets of ``config`` in their store, which others share; what happens to them is told by others.

    A file that is not there is a refusal, unless it is to be created: a mistyped name would have all the room there is.
    """
    url = config.budget_store.url
    if not url:
        raise Refusal(
            "budget_store.url is not set, so each app keeps its budgets in its own memory, where no command sees them:"
            " set it for the apps and for this command (OTEL_COST_BUDGET_STORE_URL, or --store here), for instance to"
            " sqlite:///budgets.db"
        )
    path = Path(url.removeprefix(_SQLITE))
    if url.startswith(_SQLITE) and not path.exists() and not create:
        raise Refusal(f"there is no store of budgets at {path.absolute()}: apps make one when they start with it")
    with _without_logging():
        budgets = Budgets(
            [budget_of(settings) for settings in config.budgets],
            on_event=None,
            store=store_of(config),
        )
        try:
            # Where all apps are short-lived, none of them gives back what the dead have reserved.
            budgets.sweep()
            yield budgets
        finally:
            budgets.close()


@contextmanager
def _without_logging() -> Iterator[None]:
    """What goes wrong with a store is raised, and said by the command; without this its log would say it once more."""
    silent, log = logging.NullHandler(), logging.getLogger(semconv.LOGGER)
    log.addHandler(silent)
    try:
        yield
    finally:
        log.removeHandler(silent)


def named(budgets: Mapping[str, Budget], name: str | None) -> list[Budget]:
    """The budget called ``name``, or all."""
    if name is None:
        return list(budgets.values())
    if name not in budgets:
        raise Refusal(f"there is no budget {name!r}; there are: {', '.join(sorted(budgets))}")
    return [budgets[name]]


def in_words(scope: Scope) -> str:
    """``team=search``, as ``--scope`` takes it; ``team=''`` for calls without one. Empty for the empty scope."""
    return ", ".join(f"{label}={printable(value) if value else _NO_VALUE}" for label, value in scope)


def began(row: RowKey) -> str | None:
    """When the row's period began, UTC in ISO 8601; None where the period is a session, a trace or all time."""
    if not row.period:
        return None
    return asking.iso(int(datetime.fromisoformat(row.period).timestamp()) * NANO)
