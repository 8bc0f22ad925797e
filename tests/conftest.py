"""What every test gets: strictness inside otel-cost, and an environment without anybody's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from otel_cost import shield

settings.register_profile("any machine", deadline=None)  # how long an example takes decides nothing
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _no_swallowed_faults() -> Iterator[None]:
    """A fault inside otel-cost fails the test instead of being logged; tests of the swallowing switch it off."""
    shield.set_strict(True)
    yield
    shield.set_strict(False)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell says to OpenTelemetry, to otel-cost or to a provider's SDK is not part of a test."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "OTEL_COST_", "OPENAI_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
