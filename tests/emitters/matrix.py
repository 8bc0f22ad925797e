"""``python -m tests.emitters.matrix`` writes docs/coexistence.md: what is expected of every emitter, case by case.

The tests hold the real runs to the same expectations (exact, or an entry in ``known``), and the page to this module.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from tests.emitters.cases import CASES, Case
from tests.emitters.emitters import EMITTERS, Emitter
from tests.emitters.environments import SETS
from tests.emitters.known import KNOWN, Known, known_of
from tests.emitters.running import Outcome, cases_of
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "coexistence.md"
_COLUMNS: Final = tuple(dict.fromkeys(case.column for case in CASES))
_PROVIDERS: Final = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "aws": "Bedrock",
    "google": "Gemini",
    "mistral": "Mistral",
}
_WORST_FIRST: Final = (
    Outcome.UNSEEN,
    Outcome.PART,
    Outcome.UNPRICED,
    Outcome.ESTIMATED,
    Outcome.EXTRA,
    Outcome.EXACT,
)
_MODES: Final = {
    "ours": "Beside our instrumentors (and the anthropic SDK's own spans)",
    "alone": "Without our instrumentors",
    "native": "Without ours, beside the anthropic SDK's own spans",
}
_HEAD: Final = """\
# Together with other instrumentation

What otel-cost makes of other people's spans, beside its own instrumentors and without them. In every cell the real
emitter runs with the real SDKs against a stand-in provider, and the money on the spans, and in the spend metric, is
compared with what the calls cost. `make test-emitters` fails when a cell is not what it says here, for better or worse.
(Written by `python -m tests.emitters.matrix`.)

- **exact**: every call counted once, to the nano-dollar. Among the calls are parallel ones, calls inside a span of the
  app, retries, failures, and models without a price.
- **exact, and an empty record**: every dollar once; beside it stands a record without money.
- **estimated**: counted once; the emitter's counts are not the provider's, which status and detail say.
- **unpriced**: seen, but without counts, provider or a model that has a price: a status with its reason, never 0.
- **in part**: counted, but less than it cost: the rest is on no span.
- **not seen**: the emitter writes nothing of these calls, so there is nothing to count.

A cell names the least exact of its cases; the notes below say which, and why. `·`: not to be observed there.
Emitters that are no Python packages (Vercel's AI SDK) are held to spans as their source writes them, in the unit tests.
"""


def render() -> str:
    """The page."""
    notes = {id(entry): number for number, entry in enumerate(KNOWN, 1)}
    parts = [_HEAD]
    for mode, title in _MODES.items():
        emitters = [emitter for emitter in EMITTERS if mode in emitter.modes]
        parts.append(f"## {title}\n\n" + _table(emitters, mode, notes))
    parts.append("## Known exceptions\n\n" + "\n".join(_note(entry, notes[id(entry)]) for entry in KNOWN) + "\n")
    return "\n".join([*parts, _versions()])


def _note(entry: Known, number: int) -> str:
    titles = " · ".join(emitter.title for emitter in EMITTERS if emitter.name in entry.emitters)
    return f"{number}. {titles} ({', '.join(entry.cases)}): **{entry.outcome}**. {entry.why}."


def _versions() -> str:
    lines = [f"- {home.name}: " + ", ".join(f"`{wanted}`" for wanted in home.requirements) for home in SETS]
    return (
        "## Releases\n\nOne environment for each set of packages that install together:\n\n" + "\n".join(lines) + "\n"
    )


def _table(emitters: Iterable[Emitter], mode: str, notes: dict[int, int]) -> str:
    rows = [(emitter, provider) for emitter in emitters for provider in emitter.providers]
    used = {case.column for emitter, provider in rows for case in _cases(emitter, mode, provider)}
    columns = [column for column in _COLUMNS if column in used]
    lines = [
        f"| {emitter.title} | {_PROVIDERS[provider]} | "
        + " | ".join(_cell(emitter, mode, provider, column, notes) for column in columns)
        + " |"
        for emitter, provider in rows
    ]
    head = f"| emitter | provider | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}"
    return "\n".join([head, *lines, ""])


def _cases(emitter: Emitter, mode: str, provider: str) -> list[Case]:
    return [case for case in cases_of(emitter, mode) if case.provider == provider]


def _cell(emitter: Emitter, mode: str, provider: str, column: str, notes: dict[int, int]) -> str:
    cases = [case for case in _cases(emitter, mode, provider) if case.column == column]
    if not cases:
        return "·"
    entries = [entry for case in cases if (entry := known_of(emitter.name, mode, case.name)) is not None]
    worst = min((entry.outcome for entry in entries), key=_WORST_FIRST.index, default=Outcome.EXACT)
    # Where some of the cases are exact, the cell says so.
    some = "" if len(entries) in (0, len(cases)) else "mostly exact; "
    return some + worst + "".join(f" [{number}]" for number in sorted({notes[id(entry)] for entry in entries}))


def all_modes() -> list[tuple[Emitter, str]]:
    return [(emitter, mode) for emitter in EMITTERS for mode in emitter.modes]


def main() -> int:
    PAGE.write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
