"""``otel-cost demo``: the whole way, from a call to the book, on this machine."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec

import click
from rich.console import Console

from otel_cost.cli import Refusal
from otel_cost.demo.processes import KEYS
from otel_cost.demo.run import DemoFailed, run

_PACKAGES = ("anthropic", "fastapi", "openai", "opentelemetry.distro", "sqlalchemy", "uvicorn")
_PIPED_WIDTH = 140


@click.command(name="demo")
@click.option("--keep", is_flag=True, help="Leave the server up afterwards, until Ctrl-C.")
@click.option("--real", is_flag=True, help=f"Call the real providers, with {' or '.join(KEYS)}: a few cents.")
def command(keep: bool, real: bool) -> None:
    """See it all in a minute: a sample app of several agents runs under opentelemetry-instrument.

    It calls a stand-in for the providers on this machine, so it needs no key and costs nothing. Printed afterwards:
    one trace with its costs, spend by team and model, where the budgets stand, the call that a budget blocked, a
    model without a price and how to price it, and that every dollar was counted once. Everything is temporary and on
    loopback.

    Exit code 1: something that should hold did not, and the reason is on stderr.
    """
    _require_packages()
    if real and not any(os.environ.get(key) for key in KEYS):
        raise Refusal(f"--real calls the real providers and needs {' or '.join(KEYS)} in the environment")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    # Ended by SIGTERM it cleans up as by Ctrl-C: the server and the temporary directory do not stay behind. And by
    # SIGINT also where a shell started it in the background, which has that ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        failures = run(console, environment=os.environ, real=real, keep=keep)
    except DemoFailed as error:
        raise click.ClickException(str(error)) from error
    if failures:
        raise click.ClickException("\n  ".join(["this should hold, and does not:", *failures]))


def _require_packages() -> None:
    for package in _PACKAGES:
        if not _is_installed(package):
            raise Refusal(f"the demo needs {package}, which is not installed: pip install 'otel-cost[demo]'")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # its parent package is not there either
        return False
