"""Late or away: how long a store is waited for."""

from __future__ import annotations

from otel_cost.budgets.stores.deadlines import Alive


def test_a_server_that_has_been_silent_gets_the_timeout() -> None:
    silent = Alive(0.25, benefit_s=0.0)
    assert silent.seconds() == 0.25
    silent.answered()
    assert silent.seconds() == 0.25


def test_one_that_answered_a_moment_ago_or_was_never_asked_is_waited_for_longer() -> None:
    new = Alive(0.25, benefit_s=3600.0)
    assert 3000 < new.seconds() <= 3600
    new.answered()
    assert 3000 < new.seconds() <= 3600
    assert Alive(7200, benefit_s=3600.0).seconds() == 7200
