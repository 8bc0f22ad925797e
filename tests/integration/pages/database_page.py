"""Runs the tour of ``docs/database.md``. ``python -m tests.integration.pages.database_page`` writes its output anew."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

from click.testing import CliRunner

from otel_cost.cli import main as otel_cost
from tests.integration.database import books
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "database.md"
_TOUR: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)


def told_and_shown(text: str) -> Iterator[tuple[str, str, str]]:
    """For each command of the page: the command, the output that the page tells, and what it says when it is run in the
    working directory, in which there is the book of an older release at first."""
    books.of_the_last_release("sqlite:///otel-cost.db")
    for block in _TOUR.findall(text):
        for part in block.split("$ ")[1:]:
            line, _, told = part.partition("\n")
            words = shlex.split(line)
            assert words[0] == "otel-cost", line
            done = CliRunner().invoke(otel_cost, words[1:], env={"OTEL_COST_CONFIG": None})
            yield line, told, "".join(f"{said.rstrip()}\n" for said in done.output.splitlines())


def main() -> None:
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        done = 0
        for line, told, shown in told_and_shown(text):
            done = text.index(f"$ {line}\n{told}", done)
            begins = done + len(f"$ {line}\n")
            text = text[:begins] + shown + text[begins + len(told) :]
            done = begins + len(shown)
    PAGE.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
