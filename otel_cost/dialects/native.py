"""SDKs that trace themselves: ``anthropic`` (since 1.17) and ``mistralai`` (3.x), read in releases 2.12 and 3.7."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost.dialects.base import Emitter, Guess, Variant, ours
from otel_cost.dialects.genai import GENAI
from otel_cost.model import Layer

_COMPACTION_INPUT: Final = "anthropic.usage.compaction.input_tokens"

ANTHROPIC_SDK: Final = replace(
    GENAI,
    name="anthropic-sdk",
    finish_reasons=(*GENAI.finish_reasons, "anthropic.message.stop_reason"),
    # Anthropic bills compactions, and its totals leave them out. Our own instrumentor sums them up itself, under names
    # that the SDK does not overwrite: where those stand nothing is added.
    added={
        _COMPACTION_INPUT: "input_tokens",
        "anthropic.usage.compaction.output_tokens": "output_tokens",
    },
    guesses=(
        Guess(
            "the anthropic SDK's span does not say how much of the compaction's input was cached",
            having=frozenset({_COMPACTION_INPUT}),
            lacking=frozenset({ours("input_tokens")}),
        ),
    ),
)
ANTHROPIC: Final = Emitter(ANTHROPIC_SDK, Layer.WIRE)

_MISTRAL: Final = replace(
    GENAI,
    name="mistralai-sdk",
    units={**GENAI.units, "input_document_pages": ("mistral_ai.ocr.usage.pages_processed",)},
)
MISTRAL: Final = Emitter(
    GENAI,
    Layer.WIRE,
    # Beside each request's span it writes one for each thing the answer contains: no calls, though they look it.
    helper=True,
    variants=(
        Variant(
            # Conversations and agents run at Mistral: the span that invokes one is the request, and has the tokens.
            Emitter(_MISTRAL, Layer.WIRE, agents=Layer.WIRE),
            having=frozenset({"http.request.method"}),
        ),
    ),
)
