"""The comparison is made once for all tests here, and its table is printed at the end of the run."""

from __future__ import annotations

from functools import cache

import pytest

from tests.recorded import replay
from tests.recorded.exchanges import HOW_TO_GET_THEM, exchanges, providers
from tests.recorded.judging import Outcome, judge, table

_tables: list[str] = []


@cache
def _compared() -> tuple[Outcome, ...]:
    with replay.instrumented():
        found = tuple(judge(exchange) for provider in providers() for exchange in exchanges(provider))
    _tables.append(table(found))
    return found


@pytest.fixture
def outcomes() -> tuple[Outcome, ...]:
    """Of every recorded exchange."""
    if not providers():
        pytest.skip(HOW_TO_GET_THEM)
    return _compared()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for made in _tables:
        terminalreporter.section("recorded responses")
        terminalreporter.write_line(made)
