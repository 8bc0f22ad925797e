"""Reading what one call left behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from otel_cost import semconv
from tests.contract.providers.cases import Case
from tests.support.waiting import until
from tests.support.world import World

USAGE = 'usage:{"input":1000,"output":200}'
TOKENS_OF_USAGE = 20
"""Of a chat whose one message says it: 12, 3 for the words of the message's fields, 5 around it."""
TOTALS = (1000, 200)


def case_totals(case: Case) -> tuple[object, object]:
    """What a whole answer to ``USAGE`` tells: embeddings have no output."""
    return (TOTALS[0], 0 if case.zero_output else None) if case.operation == semconv.OP_EMBEDDINGS else TOTALS


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def only_span(world: World) -> ReadableSpan:
    """The one span of the one call."""
    spans = world.finished()
    assert [span.name for span in spans] == [spans[0].name] if spans else [], spans
    assert len(spans) == 1
    return spans[0]


def ended(world: World) -> ReadableSpan:
    """As :func:`only_span`, once it has ended in another thread."""
    until(lambda: world.finished(), "the abandoned call's span to end", poll_s=0.01)
    return only_span(world)


def totals(span: ReadableSpan) -> tuple[object, object]:
    found = attributes_of(span)
    return found.get(semconv.USAGE_INPUT_TOKENS), found.get(semconv.USAGE_OUTPUT_TOKENS)


def status(span: ReadableSpan) -> object:
    return attributes_of(span).get(semconv.STATUS)


def error_type(span: ReadableSpan) -> object:
    return attributes_of(span).get(semconv.ERROR_TYPE)
