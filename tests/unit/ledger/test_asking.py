from __future__ import annotations

from decimal import Decimal

import pytest

from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config, LabelSettings
from otel_cost.ledger import asking

NOW = 1_790_000_000 * 10**9
DAY = 86_400 * 10**9


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1970-01-02", DAY),
        ("1970-01-02T00:00:00Z", DAY),
        ("1970-01-02T02:00:00+02:00", DAY),
        ("1970-01-01T00:00:00.000001", 1000),
        ("2026-09-21T14:13:20", NOW),
    ],
)
def test_instants_are_utc_unless_they_say_otherwise(text: str, at_ns: int) -> None:
    assert asking.instant_ns(text) == at_ns


@pytest.mark.parametrize(("text", "ago"), [("1d", DAY), ("24h", DAY), ("90m", DAY // 16), ("1.5d", DAY * 3 // 2)])
def test_how_long_ago(text: str, ago: int) -> None:
    assert asking.since_ns(text, NOW) == NOW - ago


def test_longer_ago_than_time_itself_is_the_beginning() -> None:
    assert asking.since_ns("99999d", NOW) == 0


@pytest.mark.parametrize("text", ["", "yesterday", "7", "-1d", "2026-13-01", "1969-12-31", "9999-01-01", "0001-01-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date|outside 1970 to 2116"):
        asking.instant_ns(text)
    with pytest.raises(ValueError, match="or how long ago, for instance 7d"):
        asking.since_ns(text, NOW)


def test_times_are_shown_in_utc() -> None:
    assert asking.iso(DAY) == "1970-01-02T00:00:00Z"
    assert asking.iso(DAY + 5_000) == "1970-01-02T00:00:00.000005Z"


def test_names_are_fields_labels_of_the_settings_or_marked() -> None:
    budget = BudgetSettings(name="b", amount_usd=Decimal(1), per=("customer",))
    known = asking.known_names(Config(labels=LabelSettings(metrics=("team", "tribe")), budgets=(budget,)))
    assert {"provider", "status", "user", "tenant", "tribe", "customer"} <= known
    assert asking.dimension("tribe", known) == "tribe"
    assert asking.dimension("label.color", known) == "color"
    with pytest.raises(ValueError, match=r"'color' is not known; allowed: .*tribe.* or label\.<name>"):
        asking.dimension("color", known)
    with pytest.raises(ValueError, match="is not a field"):
        asking.dimension('label.a"b', known)
