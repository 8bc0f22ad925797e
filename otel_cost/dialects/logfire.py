"""Pydantic Logfire's own LLM instrumentation (OpenAI, Anthropic), read from logfire 5.2 and logfire-sdk 5.4.

Input is inclusive for OpenAI and Anthropic. What the conventional attributes do not tell stands in the provider's raw
usage, as JSON. A streamed call makes two spans: one that ends when the stream opens, and a log record (a span without
duration) with the usage when the stream has been read; nothing when it is never read. Its provider exports no span that
starts where instrumentation is suppressed, which it does around the SDK's call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import Emitter, Variant
from otel_cost.dialects.genai import GENAI, UNITS_BY_CONVENTION
from otel_cost.model import Layer

_RAW: Final = "gen_ai.usage.raw"
_IN_RAW: Final = {
    # The cache has attributes of its own since 5.3.
    "cache_read_tokens": (
        "cache_read_input_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "input_tokens_details.cache_write_tokens",
    ),
    "cache_write_5m_tokens": ("cache_creation.ephemeral_5m_input_tokens",),
    "cache_write_1h_tokens": ("cache_creation.ephemeral_1h_input_tokens",),
    "web_searches": ("server_tool_use.web_search_requests",),
    "input_audio_tokens": ("prompt_tokens_details.audio_tokens", "input_tokens_details.audio_tokens"),
    "output_audio_tokens": ("completion_tokens_details.audio_tokens", "output_tokens_details.audio_tokens"),
    "output_reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_tokens_details.thinking_tokens",
    ),
}

LOGFIRE: Final = replace(
    GENAI,
    name="logfire",
    units={
        unit: (*names, *(f"{_RAW}.{key}" for key in _IN_RAW.get(unit, ())))
        for unit, names in UNITS_BY_CONVENTION.items()
    },
    service_tier=(*GENAI.service_tier, _RAW + ".service_tier"),
)
WIRE: Final = Emitter(
    LOGFIRE,
    Layer.WIRE,
    hides=True,
    unfolds=(_RAW,),
    variants=(
        Variant(
            Emitter(LOGFIRE, Layer.WIRE, follows=True),
            kinds=frozenset({"CLIENT"}),
            lacking=frozenset({semconv.RESPONSE_MODEL, semconv.RESPONSE_ID}),
        ),
    ),
)
FRAMEWORK: Final = Emitter(LOGFIRE, Layer.FRAMEWORK, unfolds=(_RAW,))
