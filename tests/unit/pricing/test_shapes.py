"""Price files of other products load as they are."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from otel_cost.errors import ConfigError
from otel_cost.pricing.overlay import OverlayEntry, load_overlays


def read(tmp_path: Path, text: str, name: str = "prices.yaml") -> dict[tuple[str, str, str], OverlayEntry]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return {(e.provider, e.model, e.service_tier): e for e in load_overlays([path]).entries}


def per_million(entry: OverlayEntry) -> dict[str, Fraction]:
    return {unit: usd * 10**6 for unit, usd in entry.rates}


THIRTY_SIXTY = {"input_tokens": 30, "output_tokens": 60}


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("{openai: {gpt-4: {prompt: 0.03, completion: 0.06}}}", "openai"),
        ("{openai: {gpt-4: {input_cost_per_1k: 0.03, output_cost_per_1k: 0.06}}}", "openai"),
        ("{openai: {gpt-4: {promptPricePer1kTokens: 0.03, completionPricePer1kTokens: 0.06}}}", "openai"),
        ("{openai: {gpt-4: {pricing: {input: 30, output: 60}}}}", "openai"),
        ("{gpt-4: {input_cost_per_1k: 0.03, output_cost_per_1k: 0.06}}", "*"),
        ("{models: {gpt-4: {promptPricePer1kTokens: 0.03, completionPricePer1kTokens: 0.06}}}", "*"),
        ("{providers: {openai: {models: {gpt-4: {pricing: {input: 30, output: 60}}}}}}", "openai"),
        ("{providers: {openai: {models: [{name: gpt-4, pricing: {input: 30, output: 60}}]}}}", "openai"),
        ("models: [{name: gpt-4, provider: openai, pricing: {input: 30, output: 60}}]", "openai"),
        (
            "[{provider: openai, model: gpt-4, promptPricePer1kTokens: 0.03, completionPricePer1kTokens: 0.06}]",
            "openai",
        ),
        ("- {id: gpt-4, currency: usd, input_cost_per_1k: 0.03, output_cost_per_1k: 0.06}", "*"),
    ],
)
def test_input_and_output_rates_under_any_products_keys(tmp_path: Path, text: str, provider: str) -> None:
    """A7, A13, D2: per 1K and per 1M, by name or in a list, with a provider around them or not."""
    ((key, entry),) = read(tmp_path, text).items()
    assert key == (provider, "gpt-4", "")
    assert per_million(entry) == THIRTY_SIXTY


def test_the_context_window_comes_along(tmp_path: Path) -> None:
    """B18."""
    text = "{gpt-x: {input_cost_per_1k: 0.03, output_cost_per_1k: 0.06, context_window: 8192}}"
    assert read(tmp_path, text)["*", "gpt-x", ""].price.context_window == 8192


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{openai: {gpt-4: {input_cost_per_1k: 1, outptu_cost_per_1k: 2}}}", ["openai.gpt-4", "'outptu_cost_per_1k'"]),
        ("{openai: {gpt-4: {pricing: {input: 1, outpt: 2}}}}", ["openai.gpt-4.pricing", "'outpt'", "cache_read"]),
        ("{openai: {gpt-4: {pricing: 3}}}", ["openai.gpt-4.pricing", "expected rates"]),
        ("{openai: {gpt-4: {pricing: {input: -3}}}}", ["openai.gpt-4.pricing: input: expected USD"]),
        ("{openai: {gpt-4: {prompt: 1, currency: EUR}}}", ["openai.gpt-4", "currency", "'EUR'"]),
        ("{openai: {gpt-4: {prompt: 1, context_window: many}}}", ["openai.gpt-4", "context_window", "'many'"]),
        ("- {prompt: 1}", ["[0]", "model: missing"]),
        (
            "models: [{name: gpt-4, provider: openai, pricing: {input: 3}, priceing: 1}]",
            ["(openai/gpt-4)", "'priceing'"],
        ),
        ("{openai: {gpt-4: {2024: {prompt: 1}}}}", ["openai.gpt-4", "expected rates"]),
    ],
)
def test_errors_name_the_entry_and_the_key(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    for part in (str(tmp_path / "prices.yaml"), *parts):
        assert part in str(caught.value)


LITELLM = {
    "sample_spec": {"litellm_provider": "one of many", "input_cost_per_token": 0.0},
    "gpt-4o": {
        "litellm_provider": "openai",
        "mode": "chat",
        "max_input_tokens": 128000,
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-06,
        "input_cost_per_token_batches": 1.25e-06,
        "output_cost_per_token_batches": 5e-06,
        "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_high": 0.01},
    },
    "gemini/gemini-x": {
        "litellm_provider": "vertex_ai-language-models",
        "input_cost_per_token": 1.25e-06,
        "output_cost_per_token": 1e-05,
        "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "input_cost_per_token_flex": 0.5e-06,
        "output_cost_per_token_flex": 4e-06,
        "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_high": 0.02},
    },
    "rerank-x": {
        "litellm_provider": "cohere",
        "mode": "rerank",
        "input_cost_per_token": 0.0,
        "input_cost_per_query": 0.002,
    },
    "whisper-x": {"litellm_provider": "groq", "mode": "audio_transcription", "input_cost_per_second": 0.0001},
    "ft:gpt-x": {"litellm_provider": "openai", "input_cost_per_token": 3e-06, "output_cost_per_token": 6e-06},
    "ollama/llama": {"litellm_provider": "ollama", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
    "openai/gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 9e-06, "output_cost_per_token": 9e-06},
    "half-said": {"litellm_provider": "openai", "cache_read_input_token_cost": 1e-06},
    "dall-e": {"litellm_provider": "openai", "mode": "image_generation", "output_cost_per_image": 0.04},
}


def test_litellms_file_loads_as_it_is(tmp_path: Path) -> None:
    """D2's neighbour: the list that most gateways have."""
    entries = read(tmp_path, json.dumps(LITELLM), "litellm.json")
    assert set(entries) == {
        ("openai", "gpt-4o", ""),
        ("openai", "gpt-4o", "batch"),
        ("google", "gemini-x", ""),
        ("cohere", "rerank-x", ""),
        ("groq", "whisper-x", ""),
        ("openai", "ft:gpt-x", ""),
    }
    chat = entries["openai", "gpt-4o", ""]
    assert per_million(chat) == {
        "input_tokens": Fraction(5, 2),
        "output_tokens": 10,
        "cache_read_tokens": Fraction(5, 4),
        "web_searches": 10_000,
    }
    assert chat.price.context_window == 128_000


def test_litellms_tiers_sizes_and_queries(tmp_path: Path) -> None:
    entries = read(tmp_path, json.dumps(LITELLM), "litellm.json")
    batch = entries["openai", "gpt-4o", "batch"]
    assert per_million(batch)["input_tokens"] == Fraction(5, 4)
    assert (per_million(batch)["cache_read_tokens"], batch.derived) == (
        Fraction(5, 4),
        {"cache_read_tokens", "web_searches"},
    )
    gemini = entries["google", "gemini-x", ""]
    assert gemini.above == ((200_000, (("input_tokens", Fraction(25, 10**7)),)),)
    assert "web_searches" not in dict(gemini.rates), "what a search costs depends on its size: not guessed"
    assert dict(entries["cohere", "rerank-x", ""].rates)["rerank_searches"] == Fraction(1, 500)
    assert dict(entries["groq", "whisper-x", ""].rates)["audio_seconds"] == Fraction(1, 10_000)
    assert entries["openai", "ft:gpt-x", ""].matches(frozenset({"openai"}), "ft:gpt-x:org::1")


def test_an_error_in_litellms_file_names_entry_and_key(tmp_path: Path) -> None:
    broken = {"gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": -1}}
    with pytest.raises(ConfigError, match=r"litellm\.json: gpt-4o: input_cost_per_token: expected USD"):
        read(tmp_path, json.dumps(broken), "litellm.json")


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        (
            "[{provider: p, model: m, per_1m: {input: 1}}, {provider: P, model: M, per_1m: {input: 2}}]",
            "prices[0] (p/m)",
            "prices[1] (P/M)",
        ),
        (
            "[{provider: p, model: a, aliases: [m], per_1m: {input: 1}}, {provider: p, model: m, per_1m: {input: 2}}]",
            "prices[0] (p/a)",
            "prices[1] (p/m)",
        ),
        ("{claude: {m: {prompt: 1}}, anthropic: {m: {prompt: 2}}}", "claude.m", "anthropic.m"),
        ("{adjustments: [{discount: 1%}, {discount: 2%}]}", "adjustments[0]", "adjustments[1]"),
        (
            "{aliases: [{provider: p, model: m, is: a}, {provider: p, model: m, is: b}]}",
            "aliases[0]",
            "aliases[1]",
        ),
        ("{tools: {t: [{usd: 1}, {usd: 2}]}}", "tools.t[0]", "tools.t[1]"),
    ],
)
def test_a_conflict_is_an_error_that_names_both_places(tmp_path: Path, text: str, first: str, second: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert f"{tmp_path / 'prices.yaml'}: {first}" in str(caught.value)
    assert f"{tmp_path / 'prices.yaml'}: {second}" in str(caught.value)


def test_prices_one_after_the_other_are_no_conflict(tmp_path: Path) -> None:
    text = (
        "[{provider: p, model: m, per_1m: {input: 1}}, {provider: p, model: m, from: 2026-01-01, per_1m: {input: 2}},"
        " {provider: p, model: m, service_tier: batch, per_1m: {input: 3}},"
        " {provider: p, model: m, weekdays: [sun], per_1m: {input: 4}}]"
    )
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    assert len(load_overlays([path]).entries) == 4


def test_rates_above_a_size(tmp_path: Path) -> None:
    text = "[{provider: p, model: m, per_1m: {input: 1, output: 2}, above: {200_000: {per_1m: {input: 3}}}}]"
    entry = read(tmp_path, text)["p", "m", ""]
    assert entry.price.card.starts == (200_000,)
    with pytest.raises(ConfigError, match=r"above\.5: output_tokens has no rate below that"):
        read(tmp_path, "[{provider: p, model: m, per_1m: {input: 1}, above: {5: {per_1m: {output: 3}}}}]")
    with pytest.raises(ConfigError, match=r"above\.many: expected a number of input tokens"):
        read(tmp_path, "[{provider: p, model: m, per_1m: {input: 1}, above: {many: {per_1m: {input: 3}}}}]")
