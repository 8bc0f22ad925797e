"""Runs the tour of ``docs/keys.md``. ``python -m tests.integration.pages.keys_page`` writes its output anew."""

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
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "keys.md"
_TOUR: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)
_ID: Final = re.compile(r"^Key ([0-9a-f]{12}) for ", re.MULTILINE)
_SECRET: Final = re.compile(r"(otc_[0-9a-f]{12}_)[0-9a-f]{64}")


def told_and_shown(text: str) -> Iterator[tuple[str, str, str]]:
    """For each command of the page: the command, the output that the page tells, and what it says when it is run in the
    working directory. The first key's id is another one each time: in the output it is the page's again."""
    (tour,) = _TOUR.findall(text)
    ids: dict[str, str] = {}
    for part in tour.split("$ ")[1:]:
        line, _, told = part.partition("\n")
        words = [ids.get(word, word) for word in shlex.split(line)]
        assert words[0] == "otel-cost", line
        done = CliRunner().invoke(otel_cost, [*words[1:], *_ACTOR.get(words[2], ())])
        output = "".join(f"{said.rstrip()}\n" for said in done.output.splitlines())
        ids.update(zip(_ID.findall(told), _ID.findall(output), strict=False))
        for on_page, made in ids.items():
            output = output.replace(made, on_page)
        yield line, told, _SECRET.sub(rf"\g<1>{'0' * 64}", output)


_ACTOR: Final = dict.fromkeys(("create", "rotate", "revoke"), ("--actor", "ada"))


def alike(text: str) -> str:
    """Without what is another at another time: instants, ids, the width of columns."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "<id>", _SECRET.sub("<key>", text))
    return re.sub(r"[ \u2500-\u257f]+", " ", text).strip()


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
