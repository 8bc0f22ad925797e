"""What happens at the end of a process, whatever ends it (FEATURES B2, E2)."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.tools import CHECKOUT

APP = """
import os, signal, sys
from otel_cost.ending import at_end

class Told:
    def __init__(self, name): self.name = name
    def tell(self): print(self.name, flush=True)

own = lambda *_: sys.exit(3)
if "own" in sys.argv: signal.signal(signal.SIGTERM, own)
one, other, gone = Told("first"), Told("last"), Told("gone")
for told in (one, other, gone): at_end(told.tell)
del gone, told
assert (signal.getsignal(signal.SIGTERM) is own) == ("own" in sys.argv)
if "term" in sys.argv: os.kill(os.getpid(), signal.SIGTERM); signal.pause()
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 0), (["term"], -signal.SIGTERM), (["own", "term"], 3)],
    ids=["by itself", "by SIGTERM", "by SIGTERM that the app handles"],
)
def test_all_that_lives_is_told_and_the_exit_code_is_the_apps(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", APP, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.returncode) == (["last", "first"], code), done.stderr
