"""Langfuse SDK, read from release 5.0: usage is JSON on its observations.

What its OpenAI client wrote is OpenAI's own usage, totals with their details below. What its LangChain handler wrote,
and what Langfuse asks its users to write, is a list of disjoint counts: ``input`` leaves out whatever else starts with
``input_`` and the cache, ``output`` likewise. One scope for both; spans of clients and of frameworks look the same, so
all are taken for a framework's, which are wrappers around any call that was counted inside them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import Dialect, Emitter, Names, Outside, Variant
from otel_cost.model import Layer

USAGE: Final = "langfuse.observation.usage_details"
COSTS: Final = "langfuse.observation.cost_details"
PARAMETERS: Final = "langfuse.observation.model.parameters"


def _keys(*keys: str) -> Names:
    return tuple(f"{USAGE}.{key}" for key in keys)


_OPENAI: Final = Dialect(
    name="langfuse-openai",
    units={
        "input_tokens": _keys("prompt_tokens", "input_tokens"),
        "output_tokens": _keys("completion_tokens", "output_tokens"),
        "cache_read_tokens": _keys("prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
        "cache_write_tokens": _keys(
            "prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens"
        ),
        "input_audio_tokens": _keys("prompt_tokens_details.audio_tokens", "input_tokens_details.audio_tokens"),
        "output_audio_tokens": _keys("completion_tokens_details.audio_tokens", "output_tokens_details.audio_tokens"),
        "output_reasoning_tokens": _keys(
            "completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"
        ),
    },
    operation=("langfuse.observation.type",),
    provider=(semconv.PROVIDER_NAME, semconv.SYSTEM),
    response_id=(semconv.RESPONSE_ID,),
    server_address=(semconv.SERVER_ADDRESS,),
    streaming=(semconv.REQUEST_STREAM,),
    request_model=("langfuse.observation.model.name",),
    service_tier=(PARAMETERS + ".service_tier",),
    operations={
        "generation": semconv.OP_CHAT,
        "embedding": semconv.OP_EMBEDDINGS,
        "agent": semconv.OP_INVOKE_AGENT,
        "chain": semconv.OP_INVOKE_WORKFLOW,
        "tool": semconv.OP_EXECUTE_TOOL,
        "retriever": semconv.OP_RETRIEVAL,
        **dict.fromkeys(("span", "event", "evaluator", "guardrail"), ""),
    },
)
_EPHEMERAL: Final = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_DISJOINT: Final = replace(
    _OPENAI,
    name="langfuse",
    units={
        "input_tokens": _keys("input"),
        "output_tokens": _keys("output"),
        "cache_read_tokens": _keys(
            "input_cache_read", "cache_read_input_tokens", "input_cached_tokens", "input_cache_read_tokens"
        ),
        "cache_write_tokens": _keys(
            "input_cache_creation",
            "cache_creation_input_tokens",
            "input_cache_write_tokens",
            "input_cache_creation_tokens",
        ),
        "cache_write_5m_tokens": _keys(*(f"{head}_{_EPHEMERAL[0]}" for head in ("input", "cache_creation"))),
        "cache_write_1h_tokens": _keys(*(f"{head}_{_EPHEMERAL[1]}" for head in ("input", "cache_creation"))),
        "input_audio_tokens": _keys("input_audio", "input_audio_tokens"),
        "output_audio_tokens": _keys("output_audio", "output_audio_tokens"),
        "output_reasoning_tokens": _keys("output_reasoning", "output_reasoning_tokens"),
    },
    # LangChain tells a write to the cache by its time to live instead of, not beside, its sum.
    added={f"{USAGE}.input_{ephemeral}": "cache_write_tokens" for ephemeral in _EPHEMERAL},
    outside=(
        Outside("input_tokens", ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens")),
        Outside("output_tokens", ("output_reasoning_tokens", "output_audio_tokens")),
    ),
)
MARKS: Final = frozenset({USAGE, "langfuse.observation.model.name"})
EMITTER: Final = Emitter(
    _OPENAI,
    Layer.FRAMEWORK,
    unfolds=(USAGE, PARAMETERS),
    variants=(Variant(Emitter(_DISJOINT, Layer.FRAMEWORK), having=frozenset(_keys("input", "output"))),),
)
