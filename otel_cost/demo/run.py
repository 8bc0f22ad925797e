"""Runs the demo from beginning to end; everything on loopback and in a temporary directory."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console

from otel_cost import wire
from otel_cost.demo import facts, show
from otel_cost.demo.facts import Seen
from otel_cost.demo.processes import DemoFailed, app_environment, last_lines, run_app, serving, until
from otel_cost.demo.provider import StandInProvider
from otel_cost.demo.script import script
from otel_cost.demo.settings import REAL_LIMITS, STAND_IN_LIMITS
from otel_cost.demo.sink import Sink, direct
from otel_cost.server.schemas import CostSummary

BOOK_S: Final = 20.0
_SUMMARY: Final = "/api/v1/costs/summary?limit=10000&group_by=" + ",".join(facts.GROUPED_BY)


def run(console: Console, *, environment: Mapping[str, str], real: bool, keep: bool) -> list[str]:
    """Start the parts, run the app, show what it cost. With ``keep`` the server stays until Ctrl-C.

    Returns:
        What should hold after any run and does not; empty when all is well.

    Raises:
        DemoFailed: a part did not start, or the app failed.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otel-cost-demo-")))
        with console.status("Starting otel-cost serve on SQLite"):
            server_url = stack.enter_context(serving(directory, environment))
        _done(console, f"otel-cost serve listens on {server_url}")
        _done(
            console, "the real providers are called" if real else "a stand-in for the providers is called, on loopback"
        )
        seen = _run_app(console, directory, server_url, environment, real=real)
        _done(console, f"the app has ended: {len(seen.spans)} spans, {seen.book.total.calls} calls in the book")
        show.report(console, seen)
        failures = facts.failures(seen)
        if failures:
            failures.append(f"the app's last lines were:\n{last_lines(seen.app_output)}")
        if keep:
            _stay(console, server_url)
    return failures


def _run_app(console: Console, directory: Path, server_url: str, environment: Mapping[str, str], *, real: bool) -> Seen:
    config = directory / "otel-cost.yaml"
    config.write_text((REAL_LIMITS if real else STAND_IN_LIMITS).yaml())
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(forward_to=server_url))
        stand_in = None if real else stack.enter_context(StandInProvider(script))
        told = app_environment(
            environment,
            sink_url=sink.endpoint,
            config=config,
            stand_in_url=None if stand_in is None else stand_in.base_url,
        )
        with console.status("") as status:

            def tick() -> None:
                calls = "" if stand_in is None else f": {len(stand_in.requests)} requests so far"
                status.update(f"opentelemetry-instrument python app.py{calls}")

            output = run_app(directory, told, tick)
        return Seen(
            spans=tuple(sink.spans),
            events=tuple(sink.events),
            points=sink.points,
            book=_settled_book(server_url, sink),
            app_output=output,
            statuses=None if stand_in is None else tuple(stand_in.statuses),
        )


def _settled_book(server_url: str, sink: Sink) -> CostSummary:
    """The book once it holds every priced span that reached the sink."""
    expected = sum(wire.verdict_on(span.attributes) is not None for span in sink.spans)

    def settled() -> CostSummary | None:
        with direct().open(server_url + _SUMMARY, timeout=30) as answer:
            book = CostSummary.model_validate_json(answer.read())
        return book if facts.operations(book) >= expected else None

    return until(settled, BOOK_S, lambda: f"the server's book does not hold all of the {expected} operations")


def _done(console: Console, what: str) -> None:
    console.print(f"[green]✓[/] {what}")


def _stay(console: Console, server_url: str) -> None:
    console.print()
    console.print(f"The server stays on {server_url} until Ctrl-C. For instance:")
    for path in ("/api/v1/costs/summary?group_by=team,model", "/metrics", "/docs"):
        console.print(f"  curl '{server_url}{path}'", soft_wrap=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopped")


__all__ = ["DemoFailed", "run"]
