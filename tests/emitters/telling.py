"""What every script needs: where the stand-in provider is, and the spans that have ended so far."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SPANS = InMemorySpanExporter()
_loop = asyncio.new_event_loop()


def base_url() -> str:
    """The stand-in provider's, without a path."""
    return sys.argv[2]


def emitter() -> str:
    """The name of the emitter that is running."""
    return sys.argv[1]


def finish(call: Coroutine[object, object, object]) -> None:
    """Run ``call`` on the one loop of the process: LangChain keeps its connections, and they belong to a loop."""
    _loop.run_until_complete(call)


def ended(scope: str) -> int:
    """How many spans of ``scope`` have ended since the case began."""
    return sum(scope_of(span) == scope for span in SPANS.get_finished_spans())


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """For emitters that write in the background. Returns when the time is over too: what is missing is asserted on."""
    give_up = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.02)


def scope_of(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope else ""
