"""OpenTelemetry's GenAI conventions: the official instrumentors, old and new, and our own.

Sources: semantic-conventions-genai; the packages opentelemetry-util-genai 1.3b0, opentelemetry-instrumentation-genai-*
1.3b0, -google-genai 0.4b0 to 1.3b0, -openai-v2 2.4b0 and -vertexai 2.2b0, read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import THINKS_NOT, Dialect, Emitter, Guess, Names, Variant, ours
from otel_cost.model import Layer
from otel_cost.units import UNITS

_KINDS: Final = ("text", "audio", "image", "video")
_BY_CONVENTION: Final[Mapping[str, Names]] = {
    **{f"input_{kind}_tokens": (f"gen_ai.usage.{kind}.input_tokens",) for kind in _KINDS},
    **{f"output_{kind}_tokens": (f"gen_ai.usage.{kind}.output_tokens",) for kind in _KINDS},
    **{f"cache_{kind}_read_tokens": (f"gen_ai.usage.{kind}.cache_read.input_tokens",) for kind in _KINDS},
    "input_tokens": (semconv.USAGE_INPUT_TOKENS, "gen_ai.usage.prompt_tokens"),
    "output_tokens": (semconv.USAGE_OUTPUT_TOKENS, "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": (semconv.USAGE_CACHE_READ,),
    "cache_write_tokens": (semconv.USAGE_CACHE_WRITE, semconv.USAGE_CACHE_CREATION),
    "cache_write_5m_tokens": (semconv.ANTHROPIC_CACHE_5M,),
    "cache_write_1h_tokens": (semconv.ANTHROPIC_CACHE_1H,),
    "output_reasoning_tokens": (semconv.USAGE_REASONING,),
}

UNITS_BY_CONVENTION: Final[Mapping[str, Names]] = {
    # First what our instrumentors write under the unit's own name: there is no conventional one, or the span is
    # somebody else's, who may overwrite the conventional one with less than the whole.
    unit: (ours(unit), *_BY_CONVENTION.get(unit, ()))
    for unit in UNITS
}

GENAI: Final = Dialect(
    name="genai",
    units=UNITS_BY_CONVENTION,
    operation=(semconv.OPERATION_NAME,),
    provider=(semconv.PROVIDER_NAME, semconv.SYSTEM),
    request_model=(semconv.REQUEST_MODEL,),
    response_model=(semconv.RESPONSE_MODEL,),
    response_id=(semconv.RESPONSE_ID,),
    finish_reasons=(semconv.RESPONSE_FINISH_REASONS,),
    # The answer's tier prices a call; the requested one never does.
    service_tier=(
        semconv.SERVICE_TIER,
        semconv.OPENAI_RESPONSE_SERVICE_TIER,
        "gen_ai.openai.response.service_tier",
        semconv.ANTHROPIC_RESPONSE_SERVICE_TIER,
    ),
    server_address=(semconv.SERVER_ADDRESS,),
    streaming=(semconv.REQUEST_STREAM,),
    estimated=(semconv.USAGE_ESTIMATED,),
)
MARKS: Final = frozenset(
    {
        semconv.OPERATION_NAME,
        semconv.USAGE_INPUT_TOKENS,
        semconv.USAGE_OUTPUT_TOKENS,
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.completion_tokens",
    }
)
"""Any of these shows a conventional span."""


def _without_thinking(name: str, who: str) -> Dialect:
    return replace(
        GENAI, name=name, guesses=(Guess(f"{who} leaves thinking tokens out of the output", sure=THINKS_NOT),)
    )


OFFICIAL: Final = Emitter(GENAI, Layer.WIRE)
OFFICIAL_FRAMEWORK: Final = Emitter(GENAI, Layer.FRAMEWORK)
GOOGLE_GENAI: Final = OFFICIAL._replace(
    variants=(
        Variant(
            Emitter(_without_thinking("google-genai 0", "instrumentation-google-genai before 1.0"), Layer.WIRE),
            before=(1,),
        ),
    )
)
"""0.7b2 takes ``candidates_token_count`` for the output, 1.0b1 adds the thoughts."""
OPENAI_V2: Final = Emitter(
    replace(
        GENAI,
        name="openai-v2",
        guesses=(
            Guess(
                "instrumentation-openai-v2 does not tell cached tokens of chat",
                lacking=frozenset({semconv.USAGE_CACHE_READ, ours("cache_read_tokens")}),
                sure=("text-", "gpt-3.5", "gpt-4-"),
            ),
        ),
    ),
    Layer.WIRE,
)
"""Models that are cached by themselves, and that may have been."""
VERTEXAI: Final = Emitter(_without_thinking("vertexai", "instrumentation-vertexai"), Layer.WIRE)
