"""The price files in ``examples/prices`` do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_cost.model import Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.schedules import SoFar
from otel_cost.pricing.snapshot import Snapshot

from .conftest import ns

EXAMPLES = Path(__file__).parents[3] / "examples" / "prices"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.suffix != ".md")
MILLION = Usage.of({"input_tokens": 1_000_000})
SMALL = Usage.of({"input_tokens": 100_000})


@pytest.fixture(scope="module")
def packaged() -> Snapshot:
    return Snapshot.load()


def load(packaged: Snapshot, name: str, tier: str = "") -> Catalog:
    return Catalog.load([EXAMPLES / name], snapshot=packaged, tier=tier)


def paid(catalog: Catalog, provider: str, model: str, *when: int, usage: Usage = MILLION) -> tuple[float, float]:
    """USD paid and in the list."""
    charge = catalog.price(usage, PriceQuery(provider, model, ns(*(when or (2026, 8, 3)))))
    assert charge.status is Status.PRICED, charge
    return charge.amount_nano / 10**9, charge.list_nano / 10**9


def test_every_file_is_listed_and_loads(packaged: Snapshot) -> None:
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(FILES) == 7
    for path in FILES:
        assert f"[{path.name}]({path.name})" in readme
        load(packaged, path.name)
    assert Catalog.load(FILES, snapshot=packaged).version, "all of them together, too"


def test_own_models(packaged: Snapshot) -> None:
    catalog = load(packaged, "own-models.yaml")
    assert paid(catalog, "acme", "support-7b", 2026, 6, 1, usage=SMALL) == (0.02, 0.02)
    assert paid(catalog, "acme", "support-7b", 2026, 6, 1)[0] == 0.4, "above 200,000 tokens"
    assert paid(catalog, "acme", "HelpDesk", 2026, 6, 1, usage=SMALL)[0] == 0.02
    assert paid(catalog, "acme", "support-7b", 2026, 8, 3, usage=SMALL)[0] == 0.015  # a Monday
    assert paid(catalog, "acme", "support-7b", 2026, 8, 1, usage=SMALL)[0] == 0.008  # a Saturday
    assert paid(catalog, "ollama", "llama3") == (0, 0)


def test_contract(packaged: Snapshot) -> None:
    catalog = load(packaged, "contract.yaml")
    listed = Catalog(packaged).price(MILLION, PriceQuery("openai", "gpt-4o", ns(2026, 8, 3))).amount_nano / 10**9
    amount, before = paid(catalog, "openai", "gpt-4o")
    assert (amount, before) == (pytest.approx(listed * 0.85 * 1.05), listed)
    assert paid(catalog, "aws", "arn:aws:bedrock:eu-west-1:1:provisioned-model/abc123", 2026, 6, 1)[0] == 0
    query = PriceQuery("mistral", "mistral-large", ns(2026, 8, 3))
    late = catalog.price(MILLION, query, SoFar(list_nano=60_000 * 10**9))
    assert late.amount_nano == late.list_nano * 90 * 105 // 10_000
    assert catalog.overlays.sections.display is not None


def test_azure(packaged: Snapshot) -> None:
    catalog = load(packaged, "azure.yaml")
    assert paid(catalog, "azure.ai.openai", "prod-chat") == paid(catalog, "azure", "gpt-4o")
    assert paid(catalog, "our-gateway", "smart") == paid(catalog, "anthropic", "claude-sonnet-4-5")


def test_tools(packaged: Snapshot) -> None:
    catalog = load(packaged, "tools.yaml")
    charge = catalog.tool("geocode", ns(2026, 8, 1))
    assert charge is not None
    assert charge.amount_nano == 4_000_000


def test_tiers(packaged: Snapshot) -> None:
    """E1."""
    full = paid(load(packaged, "tiers.yaml", "production"), "openai", "gpt-4o")[0]
    assert paid(load(packaged, "tiers.yaml", "staging"), "openai", "gpt-4o") == (full / 2, full)
    assert paid(load(packaged, "tiers.yaml", "development"), "openai", "gpt-4o") == (0, full)


def test_per_1k(packaged: Snapshot) -> None:
    """A7, B18."""
    catalog = load(packaged, "per-1k.json")
    assert paid(catalog, "openai", "acme-4")[0] == 30
    assert paid(catalog, "acme", "acme-lite")[0] == 0.5
