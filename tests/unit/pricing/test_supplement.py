"""The packaged supplement: what the snapshot lacks, and nothing else. These tests read the installed price data."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from otel_cost.model import Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.documents import as_mapping, as_sequence, read_document
from otel_cost.pricing.overlay import SUPPLEMENT_FILE, load_supplement
from otel_cost.pricing.rates import Price
from otel_cost.pricing.snapshot import Snapshot

from .conftest import NOON

CHAT = Usage.of({"input_tokens": 1000, "output_tokens": 100})
VERTEX = "aiplatform.googleapis.com"
INPUT = Usage.of({"input_tokens": 1000})


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.fixture(scope="module")
def bare() -> Catalog:
    return Catalog(Snapshot.load())


def test_every_entry_says_where_it_is_from_and_when_that_was_checked() -> None:
    document = as_mapping(read_document(SUPPLEMENT_FILE))
    assert document is not None
    for section in ("prices", "aliases", "adjustments"):
        for item in as_sequence(document[section]) or ():
            entry = as_mapping(item)
            assert entry is not None
            assert isinstance(entry.get("source"), str), entry
            assert isinstance(entry.get("checked"), date), entry


def test_no_entry_is_for_what_the_snapshot_knows(bare: Catalog) -> None:
    supplement = load_supplement()
    named = [(entry.provider, name) for entry in supplement.entries for name in entry.pattern.models]
    named += [(alias.pattern.provider, name) for alias in supplement.sections.aliases for name in alias.pattern.models]
    known = [
        (provider, name)
        for provider, name in named
        if isinstance(bare.resolve(PriceQuery(provider, name.replace("*", "x"), NOON)), Price)
    ]
    assert len(named) > 20
    assert known == [], "remove them from supplement.yaml: the price data has them by now"


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("groq", "llama2-70b"),
        ("groq", "mixtral-8x7b"),
        ("groq", "gemma-7b"),
        ("groq", "llama3-70b-8192"),
        ("claude", "claude-3-opus"),
        ("claude", "claude-3-5-sonnet"),
        ("anthropic", "claude-3-sonnet"),
        ("anthropic", "claude-3-haiku-20240307"),
        ("anthropic", "claude-2.1"),
        ("gemini", "gemini-pro"),
        ("gemini", "gemini-1.5-pro"),
        ("google", "gemini-1.5-flash"),
        ("azure_openai", "gpt-4"),
        ("azure_openai", "gpt-35-turbo"),
        ("azure_openai", "gpt-4o"),
        ("openai", "gpt-4"),
        ("openai", "gpt-4-32k"),
        ("openai", "gpt-4-turbo"),
        ("openai", "gpt-4-turbo-preview"),
        ("openai", "gpt-3.5-turbo"),
        ("openai", "gpt-3.5-turbo-16k"),
        ("openai", "gpt-4o-mini"),
        ("mistral", "mistral-large"),
        ("mistral", "mistral-medium"),
        ("mistral", "mistral-small"),
        ("mistral", "mistral-tiny"),
        ("mistral", "open-mixtral-8x7b"),
        ("cohere", "command-r-plus"),
    ],
)
def test_the_names_that_cost_trackers_list_resolve(catalog: Catalog, provider: str, model: str) -> None:
    """B19."""
    charge = catalog.price(CHAT, PriceQuery(provider, model, NOON))
    assert charge.status is Status.PRICED, charge
    assert charge.amount_nano > 0


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "text-embedding-ada-002"),
        ("azure_openai", "text-embedding-ada-002"),
        ("openai", "text-embedding-3-small"),
        ("cohere", "embed-english-v3.0"),
        ("voyageai", "rerank-2.5"),
    ],
)
def test_embeddings_and_rerankers_by_the_token_resolve(catalog: Catalog, provider: str, model: str) -> None:
    """B19."""
    assert catalog.price(INPUT, PriceQuery(provider, model, NOON)).amount_nano > 0


def test_rerank_by_the_search(catalog: Catalog) -> None:
    charge = catalog.price(Usage.of({"rerank_searches": 3}), PriceQuery("cohere", "rerank-v3.5", NOON))
    assert (charge.amount_nano, charge.source) == (6_000_000, "supplement")


@pytest.mark.parametrize(
    ("model", "usd_per_million_input"),
    [
        ("ft:gpt-4o-2024-08-06:org::id", "3.75"),
        ("ft:gpt-4o:acme", "3.75"),
        ("ft:gpt-4.1-mini-2025-04-14:org:suffix:id", "0.8"),
        ("ft:gpt-3.5-turbo:a:b:c", "3"),
        ("ft:o4-mini-2025-04-16:org::id", "4"),
    ],
)
def test_fine_tuned_names(catalog: Catalog, model: str, usd_per_million_input: str) -> None:
    charge = catalog.price(Usage.of({"input_tokens": 10**6}), PriceQuery("openai", model, NOON))
    assert charge.usd == Decimal(usd_per_million_input)


def ratio(catalog: Catalog, provider: str, model: str, host: str, plain_host: str) -> float:
    regional, plain = (
        catalog.price(CHAT, PriceQuery(provider, model, NOON, server_address=address)) for address in (host, plain_host)
    )
    assert regional.list_nano == regional.amount_nano
    return regional.amount_nano / plain.amount_nano


@pytest.mark.parametrize(
    ("provider", "model", "host", "plain_host", "expected"),
    [
        ("openai", "gpt-5.5", "eu.api.openai.com", "api.openai.com", 1.1),
        ("openai", "gpt-4o", "eu.api.openai.com", "api.openai.com", 1.0),  # released before regions cost more
        ("google", "claude-sonnet-4-5@20250929", f"us-east5-{VERTEX}", VERTEX, 1.1),
        ("google", "claude-opus-5", f"europe-west1-{VERTEX}", VERTEX, 1.1),
        ("google", "claude-3-5-haiku@20241022", f"us-east5-{VERTEX}", VERTEX, 1.0),
        ("google", "claude-opus-4-1@20250805", f"us-east5-{VERTEX}", VERTEX, 1.0),
    ],
)
def test_where_a_call_is_processed(
    catalog: Catalog, provider: str, model: str, host: str, plain_host: str, expected: float
) -> None:
    assert ratio(catalog, provider, model, host, plain_host) == pytest.approx(expected)


def test_bedrocks_regional_ids_cost_a_tenth_more(catalog: Catalog) -> None:
    """By the snapshot's own prices, so that no rule is needed."""
    name = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    world, *regions = (
        catalog.price(CHAT, PriceQuery("aws.bedrock", prefix + name, NOON)).amount_nano
        for prefix in ("global.", "us.", "eu.", "apac.")
    )
    assert [nano * 10 for nano in regions] == [world * 11] * 3


def test_context_windows_are_known(catalog: Catalog) -> None:
    """B16."""
    price = catalog.resolve(PriceQuery("openai", "gpt-4o", NOON))
    assert isinstance(price, Price)
    assert price.context_window == 128_000
    windows = [model.info.context_window for model in catalog.snapshot.models()]
    assert sum(window is not None for window in windows) > 1000
