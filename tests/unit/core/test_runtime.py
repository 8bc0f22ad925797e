"""Claiming other people's spans, and install in the ways that apps are built."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.trace import SpanKind

from otel_cost import runtime, semconv
from otel_cost.config import Config
from tests.support.world import FRAMEWORK, World, chat


def test_an_open_request_span_of_somebody_else_can_be_claimed_once(world: World) -> None:
    with world.call() as span:
        assert world.runtime.claimable("chat", "gpt-4o") is span
        assert world.runtime.claimable("chat", "gpt-4o") is None


@pytest.mark.parametrize(
    ("scope", "operation", "model"),
    [
        (FRAMEWORK, "chat", "gpt-4o"),
        (semconv.INSTRUMENTATION_SCOPE_PREFIX + "openai", "chat", "gpt-4o"),
        ("opentelemetry.instrumentation.genai.openai", "embeddings", "gpt-4o"),
        ("opentelemetry.instrumentation.genai.openai", "chat", "gpt-4o-mini"),
    ],
)
def test_what_is_not_this_request_is_not_claimed(world: World, scope: str, operation: str, model: str) -> None:
    kind = SpanKind.INTERNAL if scope == FRAMEWORK else SpanKind.CLIENT
    with world.call(scope=scope, kind=kind):
        assert world.runtime.claimable(operation, model) is None


def test_nothing_open_nothing_claimed(world: World) -> None:
    assert world.runtime.claimable("chat", "gpt-4o") is None


def test_without_an_sdk_there_is_nothing_to_install_into(caplog: pytest.LogCaptureFixture) -> None:
    from opentelemetry.trace import NoOpTracerProvider

    runtime.uninstall()
    assert runtime.install(NoOpTracerProvider(), config=Config()) is None  # type: ignore[arg-type]
    assert "opentelemetry-instrument" in caplog.text


OWN_SDK = """
import sys
from otel_cost import sdk_setup
sdk_setup.entry_points = lambda group: ()
from otel_cost_instrumentation import entry
entry.pre_instrument()
entry.OtelCostInstrumentor().instrument()
import otel_cost
print(otel_cost.current())
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
own = TracerProvider()
trace.set_tracer_provider(own)
print(trace.get_tracer_provider() is own, otel_cost.current().provider is own)
"""


def test_an_app_that_sets_its_own_sdk_later_keeps_it_and_gets_costs() -> None:
    """Without a distribution nobody sets the SDK up before the app does."""
    done = subprocess.run([sys.executable, "-c", OWN_SDK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "True", "True"]
    assert done.stderr.count("pip install opentelemetry-distro") == 1


def test_a_second_provider_is_counted_as_well(world: World) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    other = TracerProvider(shutdown_on_exit=False)
    for _ in range(2):
        assert runtime.install(other) is world.runtime
    with other.get_tracer("opentelemetry.instrumentation.genai.openai").start_as_current_span(
        "chat",
        kind=SpanKind.CLIENT,
        attributes=chat(gen_ai__usage__input_tokens=1000, gen_ai__usage__output_tokens=100),
    ):
        pass
    assert world.spend() == 0.0035
