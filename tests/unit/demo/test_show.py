"""The layout, at the width of a small terminal: figures are never cut."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from otel_cost import semconv
from otel_cost.demo import show
from tests.unit.demo.test_facts import GOOD, span


def shown(width: int = 80) -> str:
    output = io.StringIO()
    show.report(Console(file=output, width=width, highlight=False), GOOD)
    return output.getvalue()


def test_every_section_is_there() -> None:
    text = shown()
    for words in (
        "One session's trace",
        "├─ ours",
        "Spend by team and model",
        "Budgets",
        "The call that was not made",
        "s: stopped. budget 'session-limit' says no",
        "model: acme-7b",
        "Counted once",
        "5 requests were made and 3 of them answered",
        "1 of the calls' spans were opened by the anthropic SDK",
    ):
        assert words in text, text


def test_figures_survive_a_narrow_terminal() -> None:
    text = shown(60)
    for figure in ("$0.750000", "$0.250000", "$0.900000", "$1.000000"):
        assert figure in text, text
    assert "unknown" in text


def test_bars_are_full_at_the_limit_and_no_longer() -> None:
    lines = shown(120).splitlines()
    (session,) = (line for line in lines if line.startswith("session-limit"))
    (team,) = (line for line in lines if line.startswith("team-month"))
    assert session.count("█") == 20
    assert "125%" in session
    assert (team.count("█"), team.count("░")) == (18, 2)
    assert "90%" in team


def test_a_span_that_does_not_name_its_model_gets_it_as_a_note() -> None:
    call = span("messages.create", usd=0.5)._replace(
        attributes={
            semconv.STATUS: "priced",
            semconv.COST_AMOUNT: 0.5,
            semconv.RESPONSE_MODEL: "claude-x",
            semconv.USAGE_CACHE_READ: 1024,
        },
    )
    output = io.StringIO()
    show.report(Console(file=output, width=120), replace(GOOD, spans=(call,)))
    assert "claude-x, 1,024 cached" in output.getvalue()


def test_sections_without_content_are_left_out() -> None:
    output = io.StringIO()
    quiet = replace(GOOD, app_output="", events=(), points=(), statuses=None)
    show.report(Console(file=output, width=80), quiet)
    for heading in ("Budgets", "The call that was not made", "requests were made"):
        assert heading not in output.getvalue()
