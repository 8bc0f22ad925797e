"""``otel-cost``: one module a command group, imported when its command is called.

Help must be quick and must work without the extras, so the list of commands below stands for the modules.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import click

from otel_cost.errors import OtelCostError
from otel_cost.version import VERSION


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that lives in the attribute ``command`` of ``module``; ``extra`` is what to install for it."""

    module: str
    help: str
    extra: str


COMMANDS: Final[Mapping[str, Lazy]] = {
    "demo": Lazy(f"{__name__}.demo", "See it all in a minute: a sample app, its costs, its budgets.", "demo"),
    "serve": Lazy(f"{__name__}.serve", "Take OTLP from any app and keep the book of what it cost.", "server"),
    "keys": Lazy(f"{__name__}.keys", "Who may use the server, and what for.", "server"),
    "report": Lazy(f"{__name__}.report", "Who spent what on which model, from the book.", "server"),
    "entries": Lazy(f"{__name__}.entries", "The calls themselves, with what each cost and why.", "server"),
    "budgets": Lazy(f"{__name__}.budgets", "Where limits stand, and changing them while everything runs.", "server"),
    "prices": Lazy(f"{__name__}.prices", "What models cost, by hand, and whether the prices are right.", "server"),
    "unpriced": Lazy(f"{__name__}.unpriced", "Calls in the book without a price, and what to add.", "server"),
    "disagreements": Lazy(f"{__name__}.disagreements", "Where the book differs from what others say.", "server"),
    "reprice": Lazy(f"{__name__}.reprice", "Price booked calls anew, by corrections that are shown first.", "server"),
    "import": Lazy(f"{__name__}.importing", "Book what others wrote down: logs, traces, LiteLLM, Langfuse.", "server"),
    "fees": Lazy(f"{__name__}.fees", "Fixed costs by day: provisioned throughput, commitments.", "server"),
    "db": Lazy(f"{__name__}.db", "The book's database: upgrade, backup, restore, check.", "server"),
    "archive": Lazy(f"{__name__}.archive", "Calls of past months into files; their sums stay in the book.", "server"),
    "config": Lazy(f"{__name__}.config", "Check a config file before an app or the server reads it.", "server"),
}


class Refusal(click.ClickException):
    """A command that cannot be carried out as asked: its reason goes to stderr, the exit code is 2."""

    exit_code = 2


class LazyGroup(click.Group):
    """Knows its commands by ``COMMANDS``; says what to install where a command's packages are missing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, lazy in COMMANDS.items() if find_spec(lazy.module) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        lazy = COMMANDS[cmd_name]
        try:
            command: object = importlib.import_module(lazy.module).command
        except ModuleNotFoundError as error:
            raise _missing(error, lazy.extra) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OtelCostError as error:
            raise Refusal(str(error)) from error


def _missing(error: ModuleNotFoundError, extra: str) -> Exception:
    package = (error.name or "").split(".")[0]
    if package == "otel_cost":
        return error  # our own fault: no advice on installing would help
    return Refusal(f"this command needs {package}, which is not installed: pip install 'otel-cost[{extra}]'")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="otel-cost")
def main() -> None:
    """What LLM calls cost: on their spans, in Prometheus, against budgets, in a book.

    \b
    Price the calls of an app that you already have, without touching it:
      opentelemetry-instrument python app.py

    \b
    Keep a book for apps in any language, and ask it:
      otel-cost serve
      OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4319 <your app>
      otel-cost report --since 7d --by team,model

    Each command explains itself: otel-cost COMMAND --help. Exit code 2 means that what was asked or configured is
    wrong; the reason is on stderr.
    """
