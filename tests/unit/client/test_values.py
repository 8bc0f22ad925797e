"""The client's values have what the API's description has, and what is no answer says so."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import otel_cost.client as package
from otel_cost import errors
from otel_cost.client import values, values_budgets, values_prices
from otel_cost.client.decoding import Unreadable, decoded
from otel_cost.client.values import IN_API, Money, Point
from otel_cost.config import load_config
from otel_cost.ledger.sql import open_ledger
from otel_cost.server.app import create_app

_OTHERWISE = {
    "Alert": "AlertOf",
    "Budget": "BudgetOf",
    "Caller": "CallerOf",
    "Check": "CheckAnswer",
    "ModelPrice": "PriceOf",
    "Unpriced": "UnpricedCalls",
}
"""Values that have another name in the API's description."""


def _values() -> Iterator[type[Any]]:
    for module in (values, values_prices, values_budgets):
        for name, found in vars(module).items():
            if dataclasses.is_dataclass(found) and isinstance(found, type) and not name.startswith("_"):
                yield found


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    with open_ledger("sqlite://") as ledger:
        described: dict[str, Any] = create_app(load_config(None, env={}), ledger=ledger).openapi()
    found: dict[str, Any] = described["components"]["schemas"]
    return found


@pytest.mark.parametrize("kind", dict.fromkeys(_values()), ids=lambda kind: kind.__name__)
def test_a_value_has_the_fields_of_the_api(kind: type[Any], schemas: dict[str, Any]) -> None:
    """FEATURES A12."""
    described = schemas[_OTHERWISE.get(kind.__name__, kind.__name__)]["properties"].keys()
    fields = {IN_API.get(field.name, field.name) for field in dataclasses.fields(kind)}
    if kind is Money:
        fields.add("usd")
    assert fields == set(described)


def test_money_is_exact() -> None:
    money = decoded(Money, b'{"usd": "0.000000001", "nano_usd": 1}')
    assert money.usd == Decimal("1e-9")
    assert str(Money(nano_usd=1_500_000_000)) == "1.500000000 USD"
    assert sorted([Money(nano_usd=2), Money(nano_usd=1)])[0].nano_usd == 1


_POINT = {
    "from": "2026-10-01T00:00:00Z", "to": "2026-10-02T00:00:00Z", "cost": {"nano_usd": 5}, "calls": 1,
    "unpriced_calls": 0, "input_tokens": 1, "output_tokens": 2,
}  # fmt: skip


def test_what_a_later_release_says_beside_it_is_left_out() -> None:
    point = decoded(Point, json.dumps({**_POINT, "new": [1]}).encode())
    assert point.start.isoformat() == "2026-10-01T00:00:00+00:00"
    assert point.cost.nano_usd == 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.calls = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "is no dict"),
        (json.dumps({**_POINT, "from": "soon"}).encode(), "from: 'soon' is no time"),
        (json.dumps({**_POINT, "calls": True}).encode(), "calls: True is no int"),
        (json.dumps({**_POINT, "cost": None}).encode(), "cost: None is no dict"),
        (json.dumps({**_POINT, "cost": {}}).encode(), "cost: nano_usd is missing"),
        (json.dumps({name: one for name, one in _POINT.items() if name != "to"}).encode(), "to is missing"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_answer_says_where(body: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        decoded(Point, body)


def test_errors_cross_a_process_pool() -> None:
    error = errors.ApiInvalid("days: no", status=400, detail="no", field="days", retry_after_s=2.0)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), "days: no", vars(error))


def test_all_that_is_public_is_there() -> None:
    for name in package.__all__:
        assert hasattr(package, name), name
