"""OpenLIT, read from release 1.45.

One scope for everything: what wraps frameworks is told from what wraps SDKs by an attribute. Anthropic's and Bedrock's
input leaves cached tokens out, OpenAI's has them; Gemini's output leaves thinking tokens out. A stream that told no
usage is estimated (half a token a character) without a word; it is known by its lack of cache counts, which are there,
if only 0, when the provider told any. The cost that it writes for a model that it does not know is 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import BEDROCK, CACHE_OUTSIDE, GOOGLE, REASONING_OUTSIDE, Emitter, Guess, Variant
from otel_cost.dialects.genai import GENAI, UNITS_BY_CONVENTION
from otel_cost.model import Layer

_ANTHROPIC: Final = frozenset({"anthropic"})
_CACHE_BY_AWS_AND_ANTHROPIC: Final = CACHE_OUTSIDE._replace(providers=BEDROCK | _ANTHROPIC)

OPENLIT: Final = replace(
    GENAI,
    name="openlit",
    units={
        **UNITS_BY_CONVENTION,
        "output_reasoning_tokens": (
            *UNITS_BY_CONVENTION["output_reasoning_tokens"],
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        ),
        "output_audio_tokens": (
            *UNITS_BY_CONVENTION["output_audio_tokens"],
            "gen_ai.usage.completion_tokens_details.audio_tokens",
        ),
    },
    outside=(_CACHE_BY_AWS_AND_ANTHROPIC, REASONING_OUTSIDE._replace(providers=GOOGLE)),
    operations={"image": "image_generation", "speech_to_text": "transcription", "text_to_speech": "speech"},
    guesses=(
        Guess(
            "OpenLIT estimates the tokens of a stream that told no usage",
            streaming=True,
            lacking=frozenset({semconv.USAGE_CACHE_READ}),
        ),
    ),
)
_FRAMEWORKS: Final = replace(
    OPENLIT,
    name="openlit-framework",
    outside=(),
    guesses=(
        Guess("OpenLIT estimates the tokens of a stream that told no usage", streaming=True),
        Guess(
            "OpenLIT's framework handlers lose Anthropic's cache counts",
            providers=BEDROCK | _ANTHROPIC,
        ),
    ),
)
EMITTER: Final = Emitter(
    OPENLIT,
    Layer.WIRE,
    variants=(Variant(Emitter(_FRAMEWORKS, Layer.FRAMEWORK), having=frozenset({"gen_ai.environment"})),),
)
