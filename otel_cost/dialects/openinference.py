"""OpenInference (Arize), read from openinference-instrumentation-* of November 2026.

Its prompt count includes cached tokens and its completion count reasoning, also for Anthropic, Gemini and Bedrock; from
a message that InvokeModel streams it keeps the sum only. Its spans are INTERNAL: the scope says what they stand for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import Emitter, Guess
from otel_cost.dialects.genai import GENAI, UNITS_BY_CONVENTION
from otel_cost.model import Layer

_COUNT: Final = "llm.token_count."
_OWN: Final = {
    "input_tokens": "prompt",
    "output_tokens": "completion",
    "cache_read_tokens": "prompt_details.cache_read",
    "cache_write_tokens": "prompt_details.cache_write",
    "input_audio_tokens": "prompt_details.audio",
    "output_reasoning_tokens": "completion_details.reasoning",
    "output_audio_tokens": "completion_details.audio",
}

OPENINFERENCE: Final = replace(
    GENAI,
    name="openinference",
    units={
        # Asked to, it writes the conventions' names as well.
        unit: (*((_COUNT + _OWN[unit],) if unit in _OWN else ()), *names)
        for unit, names in UNITS_BY_CONVENTION.items()
    },
    operation=("openinference.span.kind", *GENAI.operation),
    provider=("llm.provider", "llm.system", *GENAI.provider),
    request_model=("llm.model_name", "embedding.model_name", "reranker.model_name", *GENAI.request_model),
    finish_reasons=("llm.finish_reason", *GENAI.finish_reasons),
    operations={
        "LLM": semconv.OP_CHAT,
        "EMBEDDING": semconv.OP_EMBEDDINGS,
        "RERANKER": "rerank",
        "AGENT": semconv.OP_INVOKE_AGENT,
        "CHAIN": semconv.OP_INVOKE_WORKFLOW,
        "TOOL": semconv.OP_EXECUTE_TOOL,
        "RETRIEVER": semconv.OP_RETRIEVAL,
        **dict.fromkeys(("UNKNOWN", "GUARDRAIL", "EVALUATOR", "PROMPT", "DECISION"), ""),
    },
)
MARKS: Final = frozenset(
    {
        # Not the span's kind: chains and tools have one, too.
        *(_COUNT + kind for kind in ("prompt", "completion", "total")),
        *("llm.model_name", "llm.system", "llm.invocation_parameters", "embedding.model_name"),
    }
)
WIRE: Final = Emitter(OPENINFERENCE, Layer.WIRE)
BEDROCK: Final = Emitter(
    replace(
        OPENINFERENCE,
        guesses=(
            Guess(
                "OpenInference does not tell cached tokens of a stream of InvokeModel",
                lacking=frozenset({_COUNT + _OWN["cache_read_tokens"], _COUNT + _OWN["cache_write_tokens"]}),
                only=("anthropic.", "claude", "amazon.nova"),
            ),
        ),
    ),
    Layer.WIRE,
)
FRAMEWORK: Final = Emitter(OPENINFERENCE, Layer.FRAMEWORK)
VERTEX: Final = Emitter(
    replace(
        OPENINFERENCE,
        guesses=(Guess("OpenInference's vertexai leaves thinking tokens out of the output", sure=("gemini-1",)),),
    ),
    Layer.WIRE,
)
