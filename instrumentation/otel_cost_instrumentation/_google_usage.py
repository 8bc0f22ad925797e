"""Google's ``usageMetadata``, as it comes over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation._read import Attributes, Names, count, items, parts, text

_TOTALS: Final[Mapping[str, tuple[str, ...]]] = {
    semconv.USAGE_INPUT_TOKENS: ("promptTokenCount", "toolUsePromptTokenCount"),
    semconv.USAGE_OUTPUT_TOKENS: ("candidatesTokenCount", "thoughtsTokenCount"),
}
_TOKEN_PARTS: Final[Names] = {
    semconv.USAGE_CACHE_READ: "cachedContentTokenCount",
    semconv.USAGE_REASONING: "thoughtsTokenCount",
    semconv.UNIT_PREFIX + "input_tool_tokens": "toolUsePromptTokenCount",
}
_INTO: Final[Names] = {
    "AUDIO": semconv.USAGE_AUDIO_INPUT,
    "IMAGE": semconv.USAGE_IMAGE_INPUT,
    "DOCUMENT": semconv.USAGE_IMAGE_INPUT,
    "VIDEO": semconv.USAGE_VIDEO_INPUT,
}
_OUT: Final[Names] = {
    "AUDIO": semconv.USAGE_AUDIO_OUTPUT,
    "IMAGE": semconv.USAGE_IMAGE_OUTPUT,
    "VIDEO": semconv.USAGE_VIDEO_OUTPUT,
}
_CACHED: Final[Names] = {
    "AUDIO": semconv.USAGE_AUDIO_CACHE_READ,
    "IMAGE": semconv.USAGE_IMAGE_CACHE_READ,
    "DOCUMENT": semconv.USAGE_IMAGE_CACHE_READ,
    "VIDEO": semconv.USAGE_VIDEO_CACHE_READ,
}
_MODALITIES: Final[Mapping[str, Names]] = {
    "promptTokensDetails": _INTO,
    "toolUsePromptTokensDetails": _INTO,
    "candidatesTokensDetails": _OUT,
    "cacheTokensDetails": _CACHED,
}
"""List of parts by modality, to what each one's count is called. Text has no price of its own: it is what is left."""
_TIERS: Final[Mapping[str, str]] = {
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned_throughput",
}
"""Vertex's traffic types that are not billed at the list price."""


def usage(metadata: object) -> Attributes:
    """Counts and service tier. Google leaves counts of 0 out, so a total without any of its parts is not known."""
    found: Attributes = {}
    for total, names in _TOTALS.items():
        told = [number for name in names if (number := count(metadata, name)) is not None]
        if told:
            found[total] = sum(told)
    found.update(parts(metadata, _TOKEN_PARTS))
    found.update(_by_modality(metadata))
    tier = text(metadata, "serviceTier") or _TIERS.get(text(metadata, "trafficType"), "")
    if tier:
        found[semconv.SERVICE_TIER] = tier.lower()
    return found


def _by_modality(metadata: object) -> dict[str, int]:
    sums: dict[str, int] = {}
    for listed, names in _MODALITIES.items():
        for part in items(metadata, listed):
            name, number = names.get(text(part, "modality").upper()), count(part, "tokenCount")
            if name and number:
                sums[name] = sums.get(name, 0) + number
    return sums
