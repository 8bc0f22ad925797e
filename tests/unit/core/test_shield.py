"""The one guard: logs once per site, counts, swallows; raises under tests."""

from __future__ import annotations

import logging

import pytest

from otel_cost import semconv, shield


def broken() -> int:
    raise RuntimeError("boom")


def test_value_passes_through() -> None:
    assert shield.run("here", 0, lambda: 5) == 5


def test_fault_becomes_the_default_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    shield.set_strict(False)
    before = shield.faults().get("there", 0)
    with caplog.at_level(logging.ERROR, semconv.LOGGER):
        assert [shield.run("there", -1, broken) for _ in range(3)] == [-1, -1, -1]
    assert shield.faults()["there"] - before == 3
    assert len(caplog.records) == 1


def test_strict_raises() -> None:
    with pytest.raises(RuntimeError, match="boom"):
        shield.run("anywhere", 0, broken)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_not_an_error_passes(error: type[BaseException]) -> None:
    shield.set_strict(False)

    def stop() -> None:
        raise error

    with pytest.raises(error):
        shield.run("anywhere", 0, stop)
