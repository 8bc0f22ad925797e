"""Runs the tour of ``docs/import.md``. ``python -m tests.integration.pages.import_page`` writes its output anew."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.integration.pages.budgets_page import Shell
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "import.md"
_TOUR: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)
_FILES: Final = re.compile(r"```jsonl (\S+)\n(.*?)```", re.DOTALL)


def told_and_shown(text: str) -> Iterator[tuple[str, str, str]]:
    """For each command of the page: the command, the output that the page tells, and what it says when it is run."""
    Path("otel-cost.yaml").write_text("")
    for name, content in _FILES.findall(text):
        Path(name).write_text(content)
    shell = Shell()
    for block in _TOUR.findall(text):
        for part in block.split("$ ")[1:]:
            line, _, told = part.partition("\n")
            yield line, told, shell.run(line)


def main() -> None:
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        done = 0
        for line, told, shown in told_and_shown(text):
            begins = text.index(f"$ {line}\n{told}", done) + len(f"$ {line}\n")
            text = text[:begins] + shown + text[begins + len(told) :]
            done = begins
    PAGE.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
