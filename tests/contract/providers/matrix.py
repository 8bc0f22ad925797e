"""``python -m tests.contract.providers.matrix``: writes ``docs/sdks.md``, the table of what the contract suite runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.contract.providers.cases import CASES, Case
from tests.emitters.environments import OLDEST, OLDEST_APART
from tests.emitters.frameworks.ways import FRAMEWORKS
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "sdks.md"
_DISTRIBUTIONS: Final = {"google_genai": "google-genai", "bedrock": "boto3", "huggingface_hub": "huggingface-hub"}
"""Provider module to the package that it instruments, where their names differ."""
_HEAD: Final = """\
# SDKs

What otel-cost's own instrumentors read. Every row is a case of the contract suite (`tests/contract/providers`), which
drives the real SDK against a stand-in provider: whole answers and streams, closed early, dropped, failing, cancelled,
refused by a budget, and held against the same call in a process without otel-cost. `·`: the SDK has no such thing.
(Written by `python -m tests.contract.providers.matrix`.)

| SDK | from | case | sync | async | stream | stream helper | raw response |
|---|---|---|---|---|---|---|---|
"""
_FOOT: Final = """
Other calls of an SDK that send a model's name end `unpriced: no_usage`, never as nothing. What else is read of each,
and what is not, stands at the head of its module in `instrumentation/otel_cost_instrumentation/`. An SDK that changed
so that a method is not where it was is left alone, with one line in the log. `litellm` (from 1.80) is read too; its
cases run in an environment of its own (`tests/emitters/test_litellm_ways.py`). The releases in the second column are
run (`tests/versions`); where older ones look alike in part, these are left alone, too. Other
instrumentation's spans are priced too: [coexistence.md](coexistence.md).

## Frameworks

They need nothing of their own, as they call these SDKs. `make test-emitters` runs the real packages under our
instrumentors, whole and streamed, against a stand-in whose models use tools (`tests/emitters/frameworks`). The spans
and the spend metric come to what the provider's bill comes to, to the nano-dollar. Labels that are set around a run are
on each of its calls, whatever threads and tasks it uses. Nothing but the machine itself is reached. Streams of OpenAI's
chat are exact where the host is asked for usage (`stream_usage_hosts`), or where the framework asks.

| framework | what runs | ways | calls | versions |
|---|---|---|---|---|
"""


def oldest() -> dict[str, str]:
    """Package to the oldest version that it is tested with."""
    # Of a package that is in both, the last is the older one.
    pins = [pin.partition("==") for home in (OLDEST_APART, OLDEST) for pin in home.requirements]
    return {package: version for package, _, version in pins}


def rows() -> Iterator[str]:
    versions = oldest()
    for provider, cases in groupby(sorted(CASES, key=lambda case: case.provider), key=lambda case: case.provider):
        package = _DISTRIBUTIONS.get(provider, provider)
        for case in cases:
            cells = (f"`{package}`", versions.get(package, ""), case.name, *_features(case))
            yield f"| {' | '.join(cells)} |"


def _features(case: Case) -> Iterator[str]:
    has = (case.sync, case.asynchronous, case.streams, case.helper is not None, case.raw is not None)
    yield from ("yes" if one else "·" for one in has)


def frameworks() -> Iterator[str]:
    for one in FRAMEWORKS:
        versions = ", ".join(f"`{package}` {version}" for package, version in one.versions.items())
        cells = (one.title, one.runs, str(len(one.ways)), str(sum(one.ways.values())), versions)
        yield f"| {' | '.join(cells)} |"


def render() -> str:
    return _HEAD + "\n".join(rows()) + "\n" + _FOOT + "\n".join(frameworks()) + "\n"


def main(page: Path = PAGE) -> int:
    page.write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
