"""OpenLLMetry (Traceloop) instrumentors, read from release 0.62.

They follow the conventions' names with some of their own beside them. Their Anthropic input is already the sum with
cached tokens; their Bedrock input is the raw count without them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost.dialects.genai import GENAI, UNITS_BY_CONVENTION

OPENLLMETRY: Final = replace(
    GENAI,
    name="openllmetry",
    units={
        **UNITS_BY_CONVENTION,
        "input_tokens": (*UNITS_BY_CONVENTION["input_tokens"], "llm.usage.prompt_tokens"),
        "output_tokens": (*UNITS_BY_CONVENTION["output_tokens"], "llm.usage.completion_tokens"),
        "output_reasoning_tokens": (
            *UNITS_BY_CONVENTION["output_reasoning_tokens"],
            "gen_ai.usage.reasoning_tokens",
            "llm.usage.reasoning_tokens",
        ),
    },
    marks=frozenset({"llm.request.type", "llm.usage.total_tokens", "traceloop.span.kind"}),
    operation=(*GENAI.operation, "llm.request.type"),
    finish_reasons=(*GENAI.finish_reasons, "gen_ai.response.finish_reason", "gen_ai.response.stop_reason"),
    streaming=(*GENAI.streaming, "gen_ai.is_streaming", "llm.is_streaming"),
    cache_outside_input=frozenset({"aws.bedrock", "AWS"}),
    operations={"completion": "text_completion", "embedding": "embeddings"},
)
