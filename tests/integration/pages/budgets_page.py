"""Runs the tour of ``docs/budgets.md``. ``python -m tests.integration.pages.budgets_page`` writes its output anew."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.spec import budget_of
from otel_cost.budgets.stores import store_of
from otel_cost.cli import main as otel_cost
from otel_cost.config import load_config
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import NANO
from tests.contract.ledger.books import priced, record
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "budgets.md"
_TOUR: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)
_SETTINGS: Final = re.compile(r"```yaml\n# otel-cost.yaml of the tour\n(.*?)```", re.DOTALL)
SPENT: Final = {"search": 270, "support": 480, "research": 20}
"""USD by team, as the page says."""


@contextmanager
def newsroom(settings: str) -> Iterator[None]:
    """An app that has spent, its store and its book, in the working directory."""
    Path("otel-cost.yaml").write_text(settings)
    config = load_config("otel-cost.yaml", env={})
    app = Budgets([budget_of(one) for one in config.budgets], on_event=lambda _event: None, store=store_of(config))
    calls = [
        replace(record(number, priced(usd * NANO)), start_ns=time.time_ns() - number, labels={"team": team})
        for number, (team, usd) in enumerate(SPENT.items())
    ]
    for call in calls:
        app.take(call)
    assert app.flush()
    with open_ledger("sqlite:///otel-cost.db") as ledger:
        ledger.write(calls, booked_at_ns=time.time_ns())
    hold = app.reserve({"team": "search"}, 5 * NANO)
    yield
    hold.release()
    app.close()


class Shell:
    """Runs the page's commands."""

    def __init__(self) -> None:
        self._last = 0

    def run(self, line: str) -> str:
        if line == "echo $?":
            return f"{self._last}\n"
        words = shlex.split(line)
        assert words[0] == "otel-cost", line
        done = CliRunner().invoke(otel_cost, words[1:], env={"OTEL_COST_CONFIG": "otel-cost.yaml"})
        self._last = done.exit_code
        return "".join(f"{text.rstrip()}\n" for text in done.output.splitlines())


def told_and_shown(text: str) -> Iterator[tuple[str, str, str]]:
    """For each command of the page: the command, the output that the page tells, and what it says when it is run."""
    (settings,) = _SETTINGS.findall(text)
    with newsroom(settings):
        shell = Shell()
        for block in _TOUR.findall(text):
            for part in block.split("$ ")[1:]:
                line, _, told = part.partition("\n")
                yield line, told, shell.run(line)


def alike(text: str) -> str:
    """Without what is another at another time: instants, the width of columns."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", "<time>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d CES?T", "<time>", text)
    return re.sub(r"[ \u2500-\u257f]+", " ", text).strip()


def main() -> None:
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        done = 0
        for line, told, shown in told_and_shown(text):
            done = text.index(f"$ {line}\n{told}", done)  # the same command may stand there twice
            begins = done + len(f"$ {line}\n")
            text = text[:begins] + shown + text[begins + len(told) :]
            done = begins
    PAGE.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
