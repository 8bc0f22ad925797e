from __future__ import annotations

from collections.abc import Iterator

import pytest

from otel_cost import runtime
from tests.support.world import World, make_world


@pytest.fixture
def world() -> Iterator[World]:
    yield make_world()
    runtime.uninstall()


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    yield
    runtime.uninstall()
