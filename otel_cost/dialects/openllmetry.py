"""OpenLLMetry (Traceloop) instrumentors, read from releases 0.62; the older names from semantic-conventions-ai 0.5.

They follow the conventions' names with some of their own beside them. Their Anthropic input is already the sum with
cached tokens; their Bedrock input is the raw count without them, which only Converse tells. Their Gemini output leaves
thinking tokens out, while the total has them. In a stream from Anthropic they add the placeholder for the output in the
first event (usually 1) to the final count.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import BEDROCK, CACHE_OUTSIDE, GOOGLE, THINKS_NOT, Emitter, Guess, Variant
from otel_cost.dialects.genai import GENAI, UNITS_BY_CONVENTION, VERTEXAI
from otel_cost.model import Layer

_ANTHROPIC: Final = frozenset({"anthropic"})
_PLACEHOLDER: Final = "OpenLLMetry adds the first event's placeholder to a stream's output"
_STREAMING: Final = (*GENAI.streaming, "gen_ai.is_streaming", "llm.is_streaming")

OPENLLMETRY: Final = replace(
    GENAI,
    name="openllmetry",
    units={
        **UNITS_BY_CONVENTION,
        "input_tokens": (*UNITS_BY_CONVENTION["input_tokens"], "llm.usage.prompt_tokens"),
        "output_tokens": (*UNITS_BY_CONVENTION["output_tokens"], "llm.usage.completion_tokens"),
        "cache_read_tokens": (*UNITS_BY_CONVENTION["cache_read_tokens"], "gen_ai.usage.cache_read_input_tokens"),
        "cache_write_tokens": (*UNITS_BY_CONVENTION["cache_write_tokens"], "gen_ai.usage.cache_creation_input_tokens"),
        "output_reasoning_tokens": (
            *UNITS_BY_CONVENTION["output_reasoning_tokens"],
            "gen_ai.usage.reasoning_tokens",
            "llm.usage.reasoning_tokens",
        ),
    },
    operation=(*GENAI.operation, "llm.request.type"),
    finish_reasons=(*GENAI.finish_reasons, "gen_ai.response.finish_reason", "gen_ai.response.stop_reason"),
    streaming=_STREAMING,
    total=("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    outside=(CACHE_OUTSIDE._replace(providers=BEDROCK),),
    output_is_rest=GOOGLE,
    operations={"completion": "text_completion", "embedding": "embeddings"},
    guesses=(
        Guess(
            "OpenLLMetry does not tell thinking tokens: the output is taken from the total",
            providers=GOOGLE,
            sure=THINKS_NOT,
        ),
        Guess(
            "OpenLLMetry does not tell cached tokens of InvokeModel",
            providers=BEDROCK,
            lacking=frozenset({semconv.USAGE_CACHE_READ}),
            only=("anthropic.", "claude", "amazon.nova", "nova"),
        ),
        Guess(_PLACEHOLDER, providers=_ANTHROPIC, streaming=True),
        # The SDK's own helper for streams leaves no mark: its spans look like those of whole messages.
        Guess(_PLACEHOLDER + ", if this was one", providers=_ANTHROPIC, lacking=frozenset(_STREAMING)),
    ),
)
MARKS: Final = frozenset({"llm.request.type", "llm.usage.total_tokens", "traceloop.span.kind"})
WIRE: Final = Emitter(OPENLLMETRY, Layer.WIRE)
FRAMEWORK: Final = Emitter(
    replace(
        OPENLLMETRY,
        guesses=(
            *OPENLLMETRY.guesses,
            Guess(
                "OpenLLMetry's framework handlers lose what was written to Anthropic's cache",
                providers=BEDROCK | _ANTHROPIC,
            ),
        ),
    ),
    Layer.FRAMEWORK,
)
VERTEX: Final = WIRE._replace(variants=(Variant(VERTEXAI, since=(1,)),))
"""The official instrumentor (1.x, 2.x) and OpenLLMetry's (0.x) share the name of their package, and so their scope."""
