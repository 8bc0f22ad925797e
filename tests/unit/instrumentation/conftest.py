"""A world with otel-cost installed, and calls into it without any SDK."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from otel_cost import runtime
from tests.support.world import World, make_world


@pytest.fixture
def world() -> Iterator[World]:
    yield make_world()
    runtime.uninstall()
