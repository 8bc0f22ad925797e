"""Calls inside calls: who they belong to, and when."""

from __future__ import annotations

from otel_cost_instrumentation._enclosing import Enclosed, enclose, enclosing, release


class Left:
    times = 0

    def left_behind(self) -> None:
        self.times += 1


def test_calls_belong_to_what_is_around_them() -> None:
    calls, left = Enclosed(), Left()
    assert enclosing() is None

    token = enclose(calls)
    assert enclosing() is calls
    calls.add(left)
    release(token)
    assert enclosing() is None

    calls.end()
    calls.end()
    assert left.times == 1


def test_what_outlives_its_call_is_on_its_own() -> None:
    calls = Enclosed()
    token = enclose(calls)
    calls.end()

    assert enclosing() is None
    release(token)
