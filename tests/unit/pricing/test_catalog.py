from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from otel_cost.model import Charge, PricingModel, Reason, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing import catalog as catalog_module
from otel_cost.pricing.rates import Price
from otel_cost.pricing.snapshot import Snapshot

from .conftest import NOON, ns
from .conftest import Price as PriceCall

ONE = Usage.of({"input_tokens": 1})
Overlaid = Callable[..., Catalog]


def ask(catalog: Catalog, provider: str, model: str, **more: str | int) -> str:
    """The price's id, or the reason and detail of the refusal."""
    at_ns = more.pop("at_ns", NOON)
    query = PriceQuery(provider, model, at_ns, **more)  # type: ignore[arg-type]
    found = catalog.resolve(query)
    return found.id if isinstance(found, Price) else f"{found.reason}: {found.detail}"


def test_importing_the_package_imports_no_price_data() -> None:
    code = (
        "import sys, otel_cost.pricing;"
        "print(*{'genai_prices', 'pydantic', 'yaml', 'sqlalchemy', 'fastapi'} & set(sys.modules), end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("provider", "seller"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("anthropic", "anthropic"),
        ("claude", "anthropic"),
        ("azure.ai.openai", "azure"),
        ("azure.ai.inference", "azure"),
        ("azure_openai", "azure"),
        ("azure-openai-eu", "azure"),
        ("aws.bedrock", "aws"),
        ("bedrock", "aws"),
        ("gcp.gemini", "google"),
        ("gcp.vertex_ai", "google"),
        ("gcp.gen_ai", "google"),
        ("gemini", "google"),
        ("vertexai", "google"),
        ("mistral_ai", "mistral"),
        ("x_ai", "x-ai"),
        ("xai", "x-ai"),
        ("deepseek", "deepseek"),
        ("groq", "groq"),
        ("cohere", "cohere"),
        ("perplexity", "perplexity"),
        ("moonshot_ai", "moonshotai"),
    ],
)
def test_provider_names_that_telemetry_uses(catalog: Catalog, provider: str, seller: str) -> None:
    assert ask(catalog, provider, "no-such-model") == f"unknown_model: {seller}/no-such-model"


def test_the_conventions_provider_names_exist_in_the_installed_price_data() -> None:
    real = Catalog.load()
    for provider in (
        *("openai", "anthropic", "azure.ai.openai", "azure.ai.inference", "aws.bedrock", "gcp.gemini", "gcp.vertex_ai"),
        *("gcp.gen_ai", "mistral_ai", "x_ai", "deepseek", "groq", "cohere", "perplexity", "moonshot_ai"),
    ):
        assert ask(real, provider, "no-such-model").startswith("unknown_model: ")
    assert ask(real, "ibm.watsonx.ai", "granite").startswith("unknown_provider: ")


def test_an_unknown_provider_is_named_with_its_host(catalog: Catalog) -> None:
    charge = catalog.price(ONE, PriceQuery("acme", "m-1", NOON, server_address="llm.acme.example"))
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.UNKNOWN_PROVIDER)
    assert charge.detail == "provider acme, host llm.acme.example, model m-1"
    assert charge.catalog == "genai-prices test"


def test_an_unknown_model_is_named_with_its_provider(price: PriceCall) -> None:
    charge = price("gpt-99", input_tokens=1)
    assert (charge.reason, charge.detail, charge.amount_nano) == (Reason.UNKNOWN_MODEL, "openai/gpt-99", 0)


def test_no_model(price: PriceCall) -> None:
    assert price(" ", input_tokens=1).reason is Reason.NO_MODEL


@pytest.mark.parametrize(
    ("provider", "host", "seller"),
    [
        ("openai", "api.deepseek.com", "deepseek"),  # an OpenAI-compatible base URL
        ("openai", "API.DeepSeek.com:443", "deepseek"),
        ("openai", "https://api.deepseek.com/v1", "deepseek"),
        ("openai", "api.openai.com", "openai"),
        ("openai", "gateway.corp.example", "openai"),
        ("openai", "eu.openai.azure.com", "azure"),
        ("anthropic", "api.deepseek.com", "deepseek"),
        ("openai", "localhost", "openai"),
        ("openai", "127.0.0.1:8080", "openai"),
        ("openai", "[::1]:8080", "openai"),
        ("acme", "api.deepseek.com", "deepseek"),
        ("", "api.deepseek.com", "deepseek"),
        ("groq", "api.deepseek.com", "groq"),  # nobody else speaks groq's format: the name stands
    ],
)
def test_the_host_says_who_is_paid_where_the_name_cannot(
    catalog: Catalog, provider: str, host: str, seller: str
) -> None:
    assert ask(catalog, provider, "nope", server_address=host) == f"unknown_model: {seller}/nope"


@pytest.mark.parametrize(
    ("provider", "model", "host", "found"),
    [
        ("", "gpt-chat", "", "openai/gpt-chat"),
        ("litellm", "gpt-chat", "", "openai/gpt-chat"),
        ("", "openai/gpt-chat", "", "openai/gpt-chat"),
        ("", "azure/gpt-chat", "", "openai/gpt-chat"),
        ("openai", "openai/gpt-chat", "", "openai/gpt-chat"),
        ("openai", "deepseek/deepseek-chat", "gateway.corp.example", "deepseek/deepseek-chat"),
        ("openai", "deepseek/deepseek-chat", "api.openai.com", "unknown_model: openai/deepseek/deepseek-chat"),
        ("acme", "openai/gpt-chat", "", "unknown_provider: provider acme, model openai/gpt-chat"),
        ("", "ollama/gpt-chat", "", "unknown_provider: provider not named, model ollama/gpt-chat"),
        ("", "mistralai/m", "", "unknown_provider: provider not named, model mistralai/m"),
        ("", "llama", "", "unknown_provider: provider not named, model llama"),
    ],
)
def test_who_is_paid_by_the_models_name(catalog: Catalog, provider: str, model: str, host: str, found: str) -> None:
    assert ask(catalog, provider, model, server_address=host) == found


def test_a_reseller_falls_back_to_the_makers_price(catalog: Catalog) -> None:
    assert ask(catalog, "azure.ai.openai", "gpt-chat-2026-01-01") == "openai/gpt-chat"


def test_the_requested_model_is_the_fallback(catalog: Catalog) -> None:
    assert ask(catalog, "openai", "gpt-embed", requested_model="gpt-chat") == "openai/gpt-embed"
    assert ask(catalog, "openai", "internal-7", requested_model="gpt-chat") == "openai/gpt-chat"
    assert ask(catalog, "openai", "", requested_model="gpt-chat") == "openai/gpt-chat"
    assert ask(catalog, "openai", "x", requested_model="y") == "unknown_model: openai/x"


@pytest.mark.parametrize(
    ("at_ns", "rate"),
    [(0, 10_000), (ns(2026, 3, 1) - 1, 10_000), (ns(2026, 3, 1), 4_000), (ns(2099, 1, 1), 4_000), (-(10**30), 10_000)],
)
def test_the_price_of_the_day_of_the_call(price: PriceCall, at_ns: int, rate: int) -> None:
    assert price("gpt-dated", at_ns=at_ns, input_tokens=1).amount_nano == rate


def test_dated_prices_have_ids_of_their_own(catalog: Catalog) -> None:
    assert ask(catalog, "openai", "gpt-dated", at_ns=ns(2026, 2, 1)) == "openai/gpt-dated"
    assert ask(catalog, "openai", "gpt-dated", at_ns=ns(2026, 3, 1)) == "openai/gpt-dated@2026-03-01"
    assert ask(catalog, "openai", "gpt-nightly", at_ns=ns(2026, 3, 1, 23)) == "openai/gpt-nightly@T22:00Z"
    assert ask(catalog, "openai", "gpt-chat", service_tier="flex") == "openai/gpt-chat+flex@2026-02-01"
    assert ask(catalog, "openai", "gpt-chat", service_tier="batch") == "openai/gpt-chat+batch"


@pytest.mark.parametrize(
    ("hour", "minute", "rate"), [(5, 59, 1000), (6, 0, 2000), (21, 59, 2000), (22, 0, 1000), (0, 0, 1000)]
)
def test_the_price_of_the_time_of_day(price: PriceCall, hour: int, minute: int, rate: int) -> None:
    """The interval includes its start, excludes its end, and may cross midnight. Order of asking does not matter."""
    for day in (1, 2):
        at_ns = ns(2026, 6, day, hour, minute)
        assert price("gpt-nightly", at_ns=at_ns, input_tokens=1).amount_nano == rate


@pytest.mark.parametrize(
    ("tier", "parts", "model"),
    [
        ("", (2500, 10_000), PricingModel.ON_DEMAND),
        ("default", (2500, 10_000), PricingModel.ON_DEMAND),
        ("auto", (2500, 10_000), PricingModel.ON_DEMAND),
        ("STANDARD", (2500, 10_000), PricingModel.ON_DEMAND),
        ("flex", (1250, 10_000), PricingModel.FLEX),  # what a variant does not name costs the standard rate
        ("batch", (1000, 5000), PricingModel.BATCH),
    ],
)
def test_the_answered_service_tier_prices_the_call(
    price: PriceCall, tier: str, parts: tuple[int, int], model: PricingModel
) -> None:
    charge = price("gpt-chat", tier=tier, input_tokens=1, output_tokens=1)
    assert (charge.parts[:2], charge.pricing_model) == (parts, model)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "at_ns"),
    [
        ("openai", "gpt-chat", "priority", NOON),
        ("openai", "gpt-chat", "flex", ns(2026, 1, 31)),  # before the tier had a price
        ("openai", "gpt-mini", "flex", NOON),
        ("azure", "gpt-chat", "flex", NOON),  # the maker's tiers are not the reseller's
        ("openai", "gpt-chat", "scale", NOON),
    ],
)
def test_a_tier_without_a_price_is_not_billed_at_the_standard_one(
    price: PriceCall, provider: str, model: str, tier: str, at_ns: int
) -> None:
    charge = price(model, provider=provider, tier=tier, at_ns=at_ns, input_tokens=1)
    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.NO_RATE)
    assert charge.detail == f"{provider}/{model} has no price for service tier '{tier}'"


def test_groq_bills_flex_like_on_demand(price: PriceCall) -> None:
    charge = price("llama", provider="groq", tier="flex", input_tokens=1)
    assert (charge.amount_nano, charge.pricing_model) == (1000, PricingModel.FLEX)
    assert price("llama", provider="groq", tier="performance", input_tokens=1).reason is Reason.NO_RATE


def test_an_overlay_wins_over_the_snapshot_and_a_later_one_over_an_earlier(with_overlays: Overlaid) -> None:
    entry = {"provider": "openai", "model": "gpt-chat", "per_1m": {"input": 2}}
    catalog = with_overlays({**entry, "per_1m": {"input": 1}}, entry)
    charge = catalog.price(ONE, PriceQuery("openai", "gpt-chat", NOON))
    assert (charge.amount_nano, charge.source, charge.price_id) == (2000, "overlay", "overlay/openai/gpt-chat")
    assert ask(catalog, "azure", "gpt-chat") == "openai/gpt-chat"  # another provider's call


def test_outside_its_dates_an_overlay_leaves_the_snapshots_price(with_overlays: Overlaid) -> None:
    catalog = with_overlays(
        {"provider": "openai", "model": "gpt-chat", "from": "2026-02-01", "until": "2026-03-01", "per_1m": {"input": 1}}
    )
    asked = [
        ask(catalog, "openai", "gpt-chat", at_ns=at)
        for at in (ns(2026, 2, 1) - 1, ns(2026, 2, 1), ns(2026, 3, 1) - 1, ns(2026, 3, 1))
    ]
    own = "overlay/openai/gpt-chat@2026-02-01..2026-03-01"
    assert asked == ["openai/gpt-chat", own, own, "openai/gpt-chat"]


def test_outside_its_dates_a_model_of_ones_own_has_no_price(with_overlays: Overlaid) -> None:
    catalog = with_overlays({"provider": "acme", "model": "m", "until": "2026-01-01", "per_1m": {"input": 1}})
    assert ask(catalog, "acme", "m") == "no_rate: acme/m has no price for the time of the call"


def test_an_overlay_for_a_tier_and_only_for_it(with_overlays: Overlaid) -> None:
    entry = {"provider": "openai", "model": "gpt-chat", "service_tier": "priority", "per_1m": {"input": 9}}
    catalog = with_overlays(entry)
    assert ask(catalog, "openai", "gpt-chat", service_tier="priority") == "overlay/openai/gpt-chat+priority"
    assert ask(catalog, "openai", "gpt-chat") == "openai/gpt-chat"
    found = catalog.resolve(PriceQuery("openai", "gpt-chat", NOON, service_tier="priority"))
    assert found.pricing_model is PricingModel.PRIORITY


@pytest.mark.parametrize(
    ("written", "provider", "host"),
    [
        ("acme", "ACME", ""),
        ("llm.acme.example", "acme", "llm.acme.example:8443"),
        ("*", "anything", ""),
        ("acme", "", ""),
    ],
)
def test_an_overlay_names_a_provider_a_host_or_anyone(
    with_overlays: Overlaid, written: str, provider: str, host: str
) -> None:
    catalog = with_overlays({"provider": written, "model": "own", "per_1m": {"input": 1}})
    assert ask(catalog, provider, "own", server_address=host) == f"overlay/{written}/own"


def test_an_overlay_for_a_provider_slash_model_string(with_overlays: Overlaid) -> None:
    catalog = with_overlays({"provider": "acme", "model": "own", "per_1m": {"input": 1}})
    assert ask(catalog, "", "acme/own") == "overlay/acme/own"
    assert ask(catalog, "umbrella", "own").startswith("unknown_provider")


def test_an_overlay_for_the_requested_model(with_overlays: Overlaid) -> None:
    """It holds for a deployment's name and for another name of the answered model, not for another model."""
    entry = {"provider": "openai", "per_1m": {"input": 1}}
    catalog = with_overlays({**entry, "model": "my-deployment"}, {**entry, "model": "gpt-chat"})
    assert ask(catalog, "openai", "gpt-mini", requested_model="my-deployment") == "overlay/openai/my-deployment"
    assert ask(catalog, "openai", "gpt-chat-2026-01-01", requested_model="gpt-chat") == "overlay/openai/gpt-chat"
    assert ask(catalog, "openai", "gpt-mini", requested_model="gpt-chat") == "openai/gpt-mini"


def test_the_version_names_the_data_and_the_overlays(with_overlays: Overlaid) -> None:
    entry = {"provider": "acme", "model": "m", "per_1m": {"input": 1}}
    plain, one, same, other = (
        with_overlays(*entries).version for entries in ((), (entry,), (entry,), ({**entry, "per_1m": {"input": 2}},))
    )
    assert plain == "genai-prices test"
    assert one.startswith("genai-prices test+overlay:")
    assert one == same != other


def test_what_is_remembered_is_bounded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "_MAX_RESOLVED", 3)
    for number in range(20):
        assert isinstance(catalog.resolve(PriceQuery("openai", f"m-{number}", NOON)), Charge)
        assert len(catalog._resolved) <= max(3, number + 1)
    assert len(catalog._resolved) <= 3


def test_names_of_any_length_and_kind_are_answered(catalog: Catalog) -> None:
    for name in ("x" * 10**5, "\0", "é" * 600, "/", "//", "a/" * 400):
        charge = catalog.price(ONE, PriceQuery(name, name, NOON, name, name, name))
        assert charge.status is Status.UNPRICED
        assert len(charge.detail) < 400


@pytest.mark.parametrize("provider", ["", "google"])
@pytest.mark.parametrize(
    "name", ["models/m", "publishers/google/models/m", "projects/p/locations/eu/publishers/google/models/m"]
)
def test_a_model_by_its_resource_name(catalog: Catalog, provider: str, name: str) -> None:
    """B19: Google's API names its models so, and instrumentations pass that on."""
    found = catalog.resolve(PriceQuery(provider or "gcp.gemini", name, NOON))
    assert isinstance(found, Price)
    assert found.id == "google/m"


def test_an_own_model_on_a_platform_is_not_the_public_one(catalog: Catalog) -> None:
    for name in ("projects/p/locations/eu/models/m", "accounts/me/models/m", "models/m/x"):
        assert isinstance(catalog.resolve(PriceQuery("google", name, NOON)), Charge)


@pytest.mark.parametrize("at_ns", [-(10**24), -1, 0, 2**64, 253402300799 * 10**9, 10**24])
def test_no_time_is_too_far_away(with_overlays: Callable[..., Catalog], at_ns: int) -> None:
    """A span's clock may say anything; ``price`` never raises."""
    window = {"hours": "22:00-06:00", "timezone": "Pacific/Kiritimati"}
    catalog = with_overlays(
        {
            "prices": [{"provider": "p", "model": "m", "per_1m": {"input": 1}, **window},
                       {"provider": "p", "model": "m", "per_1m": {"input": 1}}],
            "schedules": [{"name": "s", "provider": "p", "period": "year", "free": {"input": 1}}],
        }
    )  # fmt: skip
    query = PriceQuery("p", "m", at_ns)
    assert catalog.price(Usage.of({"input_tokens": 1}), query).status is Status.PRICED
    schedule = catalog.schedule(query)
    assert schedule is not None
    start, end = schedule.period_around(at_ns)
    assert start < end


def test_endless_names_are_answered_and_not_remembered(snapshot: Snapshot) -> None:
    """Names come from outside: 8192 of them with 10 kB each would be 80 MB."""
    catalog = Catalog(snapshot)
    tracemalloc.start()
    try:
        for number in range(500):
            found = catalog.resolve(PriceQuery("openai", f"{number}" + "x" * 10_000, NOON))
            assert isinstance(found, Charge)
            assert (found.reason, len(found.detail) < 300) == (Reason.UNKNOWN_MODEL, True)
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
