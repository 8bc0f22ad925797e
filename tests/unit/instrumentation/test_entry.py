"""The two ways in: idempotent, and never the reason that an app does not start."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import otel_cost_instrumentation
from otel_cost import runtime
from otel_cost_instrumentation import entry


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    runtime.uninstall()
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield
    otel_cost_instrumentation.deactivate()
    runtime.uninstall()


def wrapped() -> bool:
    import openai

    return hasattr(vars(openai._base_client.SyncAPIClient)["post"], "__wrapped__")


def test_the_entry_points_name_what_is_there() -> None:
    for group in ("opentelemetry_pre_instrument", "opentelemetry_instrumentor"):
        (found,) = entry_points(group=group, name="otel_cost")
        assert callable(found.load())


def test_pre_instrument_installs_and_wraps_once() -> None:
    entry.pre_instrument()
    first = runtime.current()
    entry.pre_instrument()
    entry.OtelCostInstrumentor().instrument()

    assert first is not None
    assert runtime.current() is first
    assert wrapped()

    entry.OtelCostInstrumentor().uninstrument()
    assert not wrapped()


def test_switched_off_it_wraps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_COST_ENABLED", "false")
    entry.pre_instrument()

    assert runtime.current() is None
    assert not wrapped()


def test_without_our_instrumentors_others_are_still_priced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_COST_INSTRUMENT", "false")
    entry.pre_instrument()

    assert runtime.current() is not None
    assert not wrapped()


def test_wrong_settings_do_not_stop_the_app(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_COST_CONFIG", "/no/such/otel-cost.yaml")
    entry.pre_instrument()

    assert runtime.current() is None
    assert not wrapped()
    assert "otel-cost.yaml" in caplog.text
