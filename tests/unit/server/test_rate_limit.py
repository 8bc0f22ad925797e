"""Token buckets: how much flows in, what is told, and that their number is bounded."""

from __future__ import annotations

import pytest

from otel_cost.server import rate_limit
from otel_cost.server.rate_limit import Buckets, headers, network_of


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_minutes_worth_at_once_then_evenly() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    assert [buckets.take("a").granted for _ in range(61)] == [True] * 60 + [False]
    assert buckets.take("b").granted, "another one has its own"
    clock.now_s += 0.9
    assert not buckets.take("a").granted
    clock.now_s += 0.2
    assert buckets.take("a").granted
    assert not buckets.take("a").granted
    clock.now_s += 3600
    assert [buckets.take("a").granted for _ in range(61)] == [True] * 60 + [False], "it never holds more"


def test_looking_takes_nothing() -> None:
    buckets = Buckets(1, Clock())
    assert buckets.look("a").granted
    assert buckets.take("a").granted
    assert not buckets.look("a").granted


def test_what_a_client_is_told() -> None:
    buckets = Buckets(2, Clock())
    buckets.take("a")
    assert headers(buckets.take("a"), 2) == {"RateLimit-Policy": '"minute";q=2;w=60', "RateLimit": '"minute";r=0;t=60'}
    assert headers(buckets.take("a"), 2)["Retry-After"] == "30"


def test_the_number_of_buckets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_BUCKETS", 3)
    buckets = Buckets(1, Clock())
    for name in "abc":
        buckets.take(name)
    buckets.look("a")  # used last: it stays
    buckets.take("d")
    assert [buckets.look(name).granted for name in "ad"] == [False, False]
    assert buckets.look("b").granted


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_who_an_address_is_counted_as(address: str, counted_as: str) -> None:
    assert network_of(address) == counted_as
