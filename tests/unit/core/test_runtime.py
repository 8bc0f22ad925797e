"""Claiming other people's spans, and install in the ways that apps are built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind

from otel_cost import runtime, semconv
from otel_cost.config import Config
from tests.support.world import FRAMEWORK, World


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


def test_the_sdk_is_set_up_where_no_distribution_would(tmp_path: Path) -> None:
    """Plain ``pip install otel-cost`` has no configurator: the start-up hook sets the SDK up, and only then."""
    code = (
        "import sys\n"
        "from otel_cost import sdk_setup\n"
        "from opentelemetry import trace\n"
        "sdk_setup.entry_points = lambda group: ()\n"
        "print(sdk_setup.ensure_sdk(), hasattr(trace.get_tracer_provider(), 'add_span_processor'))\n"
        "print(sdk_setup.ensure_sdk())\n"
    )
    env = {
        "PATH": "",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "HOME": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split() == ["True", "True", "False"]
