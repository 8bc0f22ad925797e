"""Frameworks and gateways that write their own spans around the SDKs' calls: Pydantic-AI and LiteLLM.

Pydantic-AI, read from release 2.68: normalised, inclusive counts; a count of 0 is left out.

LiteLLM, read from release 1.109: two callbacks under one scope. ``otel`` has its own names for call types, and writes
the parts of the input as the text of a dict (unless the newest conventions are asked for); ``OpenTelemetryV2`` follows
the conventions. Their prompt count includes cached tokens for every provider. An answer from LiteLLM's own cache
repeats the counts of a call that was paid for before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import Emitter, Guess
from otel_cost.dialects.genai import GENAI, UNITS_BY_CONVENTION
from otel_cost.model import Layer

_DETAILS: Final = "gen_ai.usage.details."
_IN_DETAILS: Final = {
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_5m_tokens": "ephemeral_5m_input_tokens",
    "cache_write_1h_tokens": "ephemeral_1h_input_tokens",
    "cache_audio_read_tokens": "cache_audio_read_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
    "web_searches": "web_search_requests",
}
PYDANTIC_AI: Final = Emitter(
    replace(
        GENAI,
        name="pydantic-ai",
        units={
            unit: (*names, *((_DETAILS + _IN_DETAILS[unit],) if unit in _IN_DETAILS else ()))
            for unit, names in UNITS_BY_CONVENTION.items()
        },
    ),
    Layer.FRAMEWORK,
)

_CALL_TYPES: Final = {
    "completion": semconv.OP_CHAT,
    "responses": semconv.OP_CHAT,
    "anthropic_messages": semconv.OP_CHAT,
    "text_completion": semconv.OP_TEXT_COMPLETION,
    "embedding": semconv.OP_EMBEDDINGS,
    "generate_content": semconv.OP_GENERATE_CONTENT,
}
_OBJECT: Final = "metadata.usage_object"
_IN_OBJECT: Final = {
    "cache_read_tokens": ("prompt_tokens_details.cached_tokens", "cache_read_input_tokens"),
    "cache_write_tokens": ("cache_creation_input_tokens", "prompt_tokens_details.cache_creation_tokens"),
    "cache_write_5m_tokens": ("prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",),
    "cache_write_1h_tokens": ("prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",),
    "input_audio_tokens": ("prompt_tokens_details.audio_tokens",),
    "output_audio_tokens": ("completion_tokens_details.audio_tokens",),
    "output_reasoning_tokens": ("completion_tokens_details.reasoning_tokens",),
}
LITELLM: Final = Emitter(
    replace(
        GENAI,
        name="litellm",
        units={
            unit: (*names, *(f"{_OBJECT}.{key}" for key in _IN_OBJECT.get(unit, ())))
            for unit, names in UNITS_BY_CONVENTION.items()
        },
        operation=(*GENAI.operation, "llm.request.type"),
        # Has the provider before the slash, where no other attribute names one.
        request_model=("litellm.provider.model", *GENAI.request_model),
        streaming=(*GENAI.streaming, "litellm.request.streaming", "llm.is_streaming"),
        unbilled=("litellm.cache_hit",),
        operations={
            spelled: operation
            for call_type, operation in _CALL_TYPES.items()
            for spelled in (call_type, "a" + call_type)
        },
        guesses=(
            Guess(
                "LiteLLM's otel callback did not say how much of the input was cached",
                having=frozenset({"llm.request.type"}),
                lacking=frozenset({semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_CREATION, _OBJECT + ".prompt_tokens"}),
            ),
        ),
    ),
    Layer.FRAMEWORK,
    unfolds=(_OBJECT,),
)
ON_ANOTHERS_SPAN: Final = LITELLM._replace(
    dialect=replace(
        LITELLM.dialect,
        guesses=(Guess("LiteLLM's otel callback writes on the span around its calls, the last call over the others"),),
    )
)
"""A span of another scope that ``otel`` found open, and wrote on instead of one of its own."""
MARKS: Final = frozenset({"litellm.call_id", "litellm.provider.model"})
