"""LiteLLM's price file (``model_prices_and_context_window.json``): a mapping of names to costs per token.

What is taken: token, query, request, character, page and (for transcription) second rates; rates above an input size;
rates for batch, flex and priority; the context window. What is left out, so that such usage ends unpriced and not at a
guess: costs per image, and web searches whose cost depends on their size. Entries that cost nothing at all are left out
too: the file writes 0 for "not known" as well as for "free". So is an entry that cannot be told apart from another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final

from otel_cost.pricing import reading
from otel_cost.pricing.documents import as_mapping
from otel_cost.pricing.draft import Draft
from otel_cost.pricing.providers import canonical
from otel_cost.pricing.reading import Place

_PROVIDER: Final = "litellm_provider"
_UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_cost_per_token": ("input_tokens",),
    "output_cost_per_token": ("output_tokens",),
    "cache_read_input_token_cost": ("cache_read_tokens",),
    "cache_creation_input_token_cost": ("cache_write_tokens",),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h_tokens",),
    "input_cost_per_audio_token": ("input_audio_tokens",),
    "output_cost_per_audio_token": ("output_audio_tokens",),
    "cache_read_input_audio_token_cost": ("cache_audio_read_tokens",),
    "cache_creation_input_audio_token_cost": ("cache_audio_write_tokens",),
    "input_cost_per_image_token": ("input_image_tokens",),
    "output_cost_per_image_token": ("output_image_tokens",),
    "cache_read_input_image_token_cost": ("cache_image_read_tokens",),
    "input_cost_per_video_token": ("input_video_tokens",),
    "output_cost_per_video_token": ("output_video_tokens",),
    "output_cost_per_reasoning_token": ("output_reasoning_tokens",),
    "citation_cost_per_token": ("output_citation_tokens",),
    "input_cost_per_character": ("input_characters",),
    "input_cost_per_request": ("requests",),
    "ocr_cost_per_page": ("input_document_pages",),
}
_BY_MODE: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "rerank": {"input_cost_per_query": ("rerank_searches",)},
    "audio_transcription": {"input_cost_per_second": ("audio_seconds", "input_audio_seconds")},
}
_TIERS: Final[Mapping[str, str]] = {"": "", "batches": "batch", "flex": "flex", "priority": "priority"}
_KEY: Final = re.compile(r"(?P<base>.+?)(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority))?")
_PROVIDERS: Final[Mapping[str, str]] = {
    # its own names for families of one provider
    "azure_text": "azure",
    "bedrock_mantle": "aws",
    "codestral": "mistral",
    "fireworks_ai-embedding-models": "fireworks",
    "meta_llama": "meta",
    "text-completion-codestral": "mistral",
    "text-completion-openai": "openai",
}
_FREE_SUFFIX: Final = ":free"
_FINE_TUNED: Final = "ft:"


def is_litellm(document: object) -> bool:
    data = as_mapping(document)
    if not data:
        return False
    return any(_PROVIDER in entry for entry in map(as_mapping, data.values()) if entry is not None)


def parse(document: object, place: Place) -> Iterator[Draft]:
    """The drafts of all entries that can be priced by it.

    Raises:
        ConfigError: a cost is no amount in USD; the text names entry and key.
    """
    for name, value in (as_mapping(document) or {}).items():
        where = place.within(name)
        entry = reading.mapping(value, where, "a mapping with litellm_provider and costs")
        if name != "sample_spec" and _PROVIDER in entry:
            yield from _entry(name, entry, where)


def _entry(name: str, entry: Mapping[str, object], place: Place) -> Iterator[Draft]:
    provider = _provider(reading.text(entry, _PROVIDER, place))
    model = _model(name, provider)
    standard, above = _rates(entry, "", place)
    if not any(standard.values()) and not model.endswith(_FREE_SUFFIX):
        return
    window = entry.get("max_input_tokens")
    for written, tier in _TIERS.items():
        rates, higher = (standard, above) if not written else _rates(entry, written, place)
        if not rates or set(higher) != set(above):
            continue  # a tier without rates above a size where the standard one has some would be a guess there
        # Other rates that a tier lacks are those of the standard one, as genai-prices has it too.
        yield Draft(
            place=place,
            provider=provider,
            model=model,
            rates={**standard, **rates},
            above={start: {**above.get(start, {}), **higher.get(start, {})} for start in sorted({*above, *higher})},
            aliases=(f"{model}:*",) if model.startswith(_FINE_TUNED) else (),
            service_tier=tier,
            context_window=window if isinstance(window, int) and window > 0 else None,
            origin=str(entry.get("source", "")),
            lenient=True,
            derived=frozenset(standard).difference(rates),
        )


def _rates(
    entry: Mapping[str, object], written_tier: str, place: Place
) -> tuple[dict[str, Fraction], dict[int, dict[str, Fraction]]]:
    rates: dict[str, Fraction] = {}
    above: dict[int, dict[str, Fraction]] = {}
    named = {**_UNITS, **_BY_MODE.get(str(entry.get("mode", "")), {})}
    for key, value in entry.items():
        base, start, tier = _split(key)
        if tier != written_tier or base not in named or value is None:
            continue
        target = above.setdefault(start, {}) if start else rates
        target.update(dict.fromkeys(named[base], reading.usd(value, key, place)))
    searches = _web_searches(entry, place) if not written_tier else None
    return ({**rates, "web_searches": searches} if searches else rates), above


@lru_cache(maxsize=1024)
def _split(key: str) -> tuple[str, int, str]:
    """What a key is for, above how many tokens, and for which tier."""
    match = _KEY.fullmatch(key)
    return ("", 0, "") if match is None else (match["base"], 1000 * int(match["above"] or 0), match["tier"] or "")


def _web_searches(entry: Mapping[str, object], place: Place) -> Fraction | None:
    """USD for one web search, where its size does not matter."""
    sizes = as_mapping(entry.get("search_context_cost_per_query"))
    costs = {reading.usd(value, key, place) for key, value in (sizes or {}).items()}
    return costs.pop() if len(costs) == 1 else None


def _provider(written: str) -> str:
    return canonical("vertex_ai" if written.startswith("vertex_ai-") else _PROVIDERS.get(written, written))


def _model(name: str, provider: str) -> str:
    """The model's own name: the file puts the provider's before it for most of them."""
    prefix, slash, rest = name.partition("/")
    return rest if slash and rest and _provider(prefix) == provider else name
