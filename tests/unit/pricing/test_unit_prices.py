"""Prices of tools and resources, and the display currency."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from otel_cost.errors import ConfigError
from otel_cost.model import Charge, PricingModel, Reason, Status
from otel_cost.pricing import Catalog
from otel_cost.pricing.overlay import load_overlays
from otel_cost.pricing.snapshot import Snapshot

from .conftest import NOON, ns

With = Callable[..., Catalog]
EXAMPLE = Path(__file__).parents[3] / "examples" / "prices" / "compute.yaml"


def nano(charge: Charge | None) -> int:
    assert charge is not None
    assert charge.status is Status.PRICED, charge
    assert charge.parts == (0, 0, 0, 0, charge.amount_nano)
    return charge.amount_nano


def test_a_tool_costs_what_its_overlay_says(with_overlays: With) -> None:
    catalog = with_overlays({"tools": {"github_api": 0.01, "Search_*": {"usd": 0.002, "source": "their price page"}}})
    charge = catalog.tool("github_api", NOON)
    assert nano(charge) == 10_000_000
    assert charge is not None
    assert charge.price_id == "tools/github_api"
    assert nano(catalog.tool("search_web", NOON)) == 2_000_000
    assert catalog.tool("grep", NOON) is None


def test_a_free_tool_is_known_to_be_free(with_overlays: With) -> None:
    charge = with_overlays({"tools": {"grep": 0}}).tool("grep", NOON)
    assert nano(charge) == 0
    assert charge is not None
    assert (charge.reason, charge.pricing_model) == (Reason.FREE, PricingModel.FREE)


def test_rates_have_dates(with_overlays: With) -> None:
    rates = [{"usd": 1, "until": "2026-06-01"}, {"usd": 2, "from": "2026-06-01"}]
    catalog = with_overlays({"tools": {"t": rates}, "resources": {"gpu_hour": rates}})
    assert nano(catalog.tool("t", ns(2026, 5, 31))) == 10**9
    assert nano(catalog.tool("t", ns(2026, 6, 1))) == 2 * 10**9
    assert nano(catalog.resource("gpu_hour", 3, ns(2026, 5, 31))) == 3 * 10**9


@pytest.mark.parametrize(
    ("resource", "quantity", "usd"),
    [
        ("cpu_core_hour", 2, "0.10"),
        ("memory_gb_hour", Decimal("1.5"), "0.015"),
        ("gpu_hour", Fraction(1, 2), "0.75"),
        ("storage_gb_month", 10, "1.00"),
        ("bandwidth_gb", 3, "0.36"),
        ("sandbox_minute", 5, "0.010"),
    ],
)
def test_the_shipped_example_for_compute(
    snapshot: Snapshot, resource: str, quantity: Decimal | Fraction | int, usd: str
) -> None:
    """C5: the rates of the shipped example."""
    catalog = Catalog(snapshot, load_overlays([EXAMPLE]))
    assert nano(catalog.resource(resource, quantity, NOON)) == Decimal(usd) * 10**9


def test_a_resource_without_a_price_is_unpriced(with_overlays: With) -> None:
    charge = with_overlays().resource("quantum_hour", 1, NOON)
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.NO_RATE)
    assert "quantum_hour" in charge.detail


@pytest.mark.parametrize("quantity", [-1, Decimal("NaN"), Decimal("Infinity")])
def test_a_quantity_that_is_none(with_overlays: With, quantity: Decimal | int) -> None:
    charge = with_overlays({"resources": {"gpu_hour": 1}}).resource("gpu_hour", quantity, NOON)
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.INVALID_USAGE)
    assert str(quantity) in charge.detail


def test_a_deployment_tier_is_for_tools_and_resources_too(snapshot: Snapshot) -> None:
    """E1."""
    overlays = load_overlays(inline=[{"tools": {"t": 1}, "resources": {"gpu_hour": 1}}])
    catalog = Catalog(snapshot, overlays, tier="development")
    for charge in (catalog.tool("t", NOON), catalog.resource("gpu_hour", 1, NOON)):
        assert charge is not None
        assert (charge.amount_nano, charge.list_nano) == (0, 10**9)


def test_a_display_currency(with_overlays: With) -> None:
    catalog = with_overlays(
        {"display": {"currency": "EUR", "per_usd": 0.9, "as_of": "2026-11-20", "source": "ECB"}},
        {"display": {"currency": "CHF", "per_usd": "0.8"}},
    )
    display = catalog.overlays.sections.display
    assert display is not None
    assert display.currency == "CHF", "the later one"
    assert display.amount(1_500_000_000) == Decimal("1.2")
    assert display.amount(1) == Decimal("0.000000001")


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"tools": []}, "tools: expected a mapping of names to USD"),
        ({"tools": {"t": "free"}}, "tools.t: usd: expected USD"),
        ({"tools": {"t": {"usd": 1, "per": 2}}}, "tools.t: unknown key 'per'; allowed: usd, from"),
        ({"resources": {"r": {}}}, "resources.r: usd: expected USD"),
        ({"resources": {" ": 1}}, "resources: a name is empty"),
        ({"display": {"currency": "euro", "per_usd": 1}}, "display: currency: expected three capital letters"),
        ({"display": {"currency": "EUR", "per_usd": 0}}, "display: per_usd: must be above 0"),
        ({"display": {"currency": "EUR"}}, "display: per_usd: expected a number"),
        ({"display": {"currency": "EUR", "per_usd": 1, "as_of": "soon"}}, "display: as_of: expected a date"),
    ],
)
def test_errors_name_the_entry_the_key_and_what_is_allowed(document: dict[str, object], part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_overlays(inline=[document])
    assert f"inline prices, number 1: {part}" in str(caught.value)
