"""``python -m tests.emitters.matrix``: runs every emitter and writes docs/coexistence.md from what it finds."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.emitters import running
from tests.emitters.cases import CASES
from tests.emitters.emitters import EMITTERS, Emitter
from tests.emitters.environments import SETS
from tests.emitters.known import known_of
from tests.emitters.running import Outcome, Run
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "coexistence.md"
_COLUMNS: Final = tuple(dict.fromkeys(case.column for case in CASES))
_WORST_FIRST: Final = (
    Outcome.WRONG,
    Outcome.UNSEEN,
    Outcome.UNPRICED,
    Outcome.ESTIMATED,
    Outcome.EXTRA,
    Outcome.EXACT,
)
_MODES: Final = {
    "alone": "without our instrumentors, and without the anthropic SDK's own spans",
    "native": "the same, beside the anthropic SDK's own spans",
    "ours": "together with our instrumentors, and the anthropic SDK's own spans",
}
_HEAD: Final = """\
# Together with other instrumentation

What otel-cost makes of other people's spans, alone and beside its own. Every cell was filled by running the real
emitter with the real SDKs against a stand-in provider, and comparing the money on the spans, and in the spend metric,
with what the calls cost. Written by `python -m tests.emitters.matrix`; `make test-emitters` fails when it is out of
date.

- **exact**: every call counted once, to the nano-dollar. Calls that failed and models without a price are cases, too.
- **estimated**: counted once; the emitter's counts are not the provider's, which the status and its detail say.
- **exact, and an empty record**: every dollar once; beside it stands a record of 0 (a failed call seen twice) or
  without a price (a span without counts that cannot be told from another call).
- **unpriced**: seen, but without counts, provider or model: a status with its reason, never a price of 0.
- **not seen**: the emitter writes no span for these calls, so there is nothing to count.

A cell names the least exact of its cases. The notes say which, and why.
"""


def render(runs: Iterable[Run]) -> str:
    """The page, from what the runs told."""
    notes: dict[str, int] = {}
    by_mode: dict[str, list[Run]] = {mode: [] for mode in _MODES}
    for run in runs:
        by_mode[run.mode].append(run)
    parts = [_HEAD, _versions()]
    for mode, title in _MODES.items():
        parts.append(f"## {title[0].upper()}{title[1:]}\n\n" + _table(by_mode[mode], notes))
    lines = [f"{number}. {why}" for why, number in notes.items()]
    return "\n".join([*parts, "## Notes\n", *lines, ""])


def _versions() -> str:
    lines = [f"- {home.name}: " + ", ".join(f"`{wanted}`" for wanted in home.requirements) for home in SETS]
    return "Environments, one for each set of packages that install together:\n\n" + "\n".join(lines) + "\n"


def _table(runs: Iterable[Run], notes: dict[str, int]) -> str:
    rows = [
        f"| {run.emitter.title} | {provider} | "
        + " | ".join(_cell(run, provider, name, notes) for name in _COLUMNS)
        + " |"
        for run in runs
        for provider in run.emitter.providers
    ]
    head = f"| emitter | provider | {' | '.join(_COLUMNS)} |\n|{'---|' * (len(_COLUMNS) + 2)}"
    return "\n".join([head, *rows, ""])


def _cell(run: Run, provider: str, column: str, notes: dict[str, int]) -> str:
    cases = [case for case in run.cases if (case.provider, case.column) == (provider, column)]
    if not cases:
        return "·"
    worst = min((run.outcome(case) for case in cases), key=_WORST_FIRST.index)
    numbers = []
    for case in cases:
        entry = known_of(run.emitter.name, run.mode, case.name)
        if entry is not None and run.outcome(case) is not Outcome.EXACT:
            numbers.append(notes.setdefault(f"{', '.join(entry.cases)}: {entry.why}", len(notes) + 1))
    return worst + "".join(f" [{number}]" for number in sorted(set(numbers)))


def all_modes() -> list[tuple[Emitter, str]]:
    return [(emitter, mode) for emitter in EMITTERS for mode in emitter.modes]


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        wheel = running.own_wheel(work)
        runs = [running.run(emitter, mode, wheel, work) for emitter, mode in all_modes()]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
