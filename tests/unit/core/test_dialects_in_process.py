"""What the dialect tables say, seen from a running process: statuses, amounts, and the emitter named where in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_cost import runtime, semconv
from otel_cost.config import Config
from otel_cost.processor import node_of
from tests.support.world import World, chat, make_world

LOGFIRE = "logfire.openai"
USAGE = {semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100}


@pytest.fixture
def world() -> Iterator[World]:
    yield make_world()
    runtime.uninstall()


def _told(span: ReadableSpan) -> tuple[object, object]:
    attributes = span.attributes or {}
    return attributes.get(semconv.STATUS), attributes.get(semconv.REASON)


def test_a_stream_written_as_two_spans_is_one_call(world: World) -> None:
    """Logfire ends the request's span when the stream opens, and logs the usage when it has been read."""
    tracer = world.tracer(LOGFIRE)
    tracer.start_span("request", kind=SpanKind.CLIENT, attributes=chat()).end()
    tracer.start_span("log", attributes={**chat(), **USAGE, semconv.RESPONSE_MODEL: "gpt-4o"}).end()
    opened, read = world.finished()
    assert _told(opened) == ("wrapper", "usage_follows")
    assert semconv.COST_AMOUNT not in (opened.attributes or {})
    assert _told(read) == ("priced", None)
    assert world.spend() > 0


def test_a_stream_that_never_opened_failed(world: World) -> None:
    span = world.tracer(LOGFIRE).start_span("request", kind=SpanKind.CLIENT, attributes=chat())
    span.set_status(Status(StatusCode.ERROR))
    span.end()
    assert _told(world.finished()[0]) == ("priced", "failed")


def test_an_estimate_names_who_made_it(world: World) -> None:
    with world.call(scope="openlit.otel.tracing", gen_ai__request__stream=True):
        pass
    (span,) = world.finished()
    assert _told(span) == ("estimated", "usage_estimated")
    assert "OpenLIT" in str((span.attributes or {})[semconv.DETAIL])
    assert world.spend() > 0


def test_an_agent_run_by_the_provider_is_the_request(world: World) -> None:
    """mistralai: one request, its answer's messages as spans of their own without tokens below it."""
    tracer = world.tracer("mistralai_sdk_tracer")
    mistral = chat("mistral-large-latest", provider="mistral_ai", operation="invoke_agent")
    with tracer.start_as_current_span("conversation", attributes={**mistral, "http.request.method": "POST"}) as span:
        tracer.start_span("chat", attributes={semconv.OPERATION_NAME: "chat", semconv.RESPONSE_ID: "m"}).end()
        span.set_attributes(USAGE)
    message, request = world.finished()
    assert _told(message) == (None, None)
    assert _told(request) == ("priced", None)


def test_the_version_of_a_scope_decides(world: World) -> None:
    """google-genai leaves thoughts out of the output before 1.0."""
    told: list[object] = []
    for version in ("0.7b2", "1.3b0", ""):
        tracer = world.provider.get_tracer("opentelemetry.instrumentation.google_genai", version)
        google = chat("gemini-2.5-pro", provider="gcp.gemini", operation="generate_content")
        tracer.start_span("call", kind=SpanKind.CLIENT, attributes={**google, **USAGE}).end()
        told.append(_told(world.finished()[-1])[0])
    assert told == ["estimated", "priced", "priced"]


def test_what_a_call_keeps_from_being_traced_inside_it_is_not_counted(world: World) -> None:
    """Logfire suppresses the SDK's own span inside its own: it is exported nowhere, so it must not carry the money."""
    with (
        world.call(scope="logfire.anthropic", gen_ai__response__model="gpt-4o", id="r1"),
        suppress_instrumentation(),
        world.call(scope="com.anthropic.sdk.python", id="r1"),
    ):
        pass
    native, logfire = world.finished()
    assert _told(native) == (None, None)
    assert _told(logfire) == ("priced", None)


def test_what_is_suppressed_elsewhere_still_costs(world: World) -> None:
    """Outside of any call, and inside spans of emitters that hide nothing: these spans are exported."""
    with suppress_instrumentation(), world.call(scope="com.anthropic.sdk.python"):
        pass
    with (
        world.tracer("pydantic-ai").start_as_current_span("agent", attributes={semconv.OPERATION_NAME: "invoke_agent"}),
        suppress_instrumentation(),
        world.call(scope="com.anthropic.sdk.python", id="r1"),
    ):
        pass
    assert world.statuses() == ["priced", "priced", "wrapper"]


def test_a_provider_that_wraps_the_sdks_keeps_working() -> None:
    """Logfire's get_tracer takes more arguments, and swallows what its spans raise, so that all of them would be gone
    without a word; and its provider cannot be hashed."""
    asked: list[bool] = []

    class Wrapping(TracerProvider):
        __hash__ = None  # type: ignore[assignment]

        def get_tracer(self, *args: Any, is_span_tracer: bool = True, **kwargs: Any) -> trace.Tracer:
            asked.append(is_span_tracer)
            return super().get_tracer(*args, **kwargs)

    provider = Wrapping(shutdown_on_exit=False)
    runtime.uninstall()
    runtime.install(provider, config=Config())
    runtime.install(provider)
    with provider.get_tracer("logfire.openai", "1", is_span_tracer=False).start_as_current_span("works") as span:
        assert node_of(span) is not None
    runtime.uninstall()
    assert asked == [False]
