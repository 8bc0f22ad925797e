"""Instrumentation scope to emitter: who writes its spans, in what dialect, and what one of them stands for."""

from __future__ import annotations

from typing import Final

from otel_cost import semconv
from otel_cost.dialects import (
    bedrock,
    frameworks,
    genai,
    langfuse,
    logfire,
    native,
    openinference,
    openlit,
    openllmetry,
    vercel,
)
from otel_cost.dialects.base import Emitter

_OTEL: Final = "opentelemetry.instrumentation."
_OPENINFERENCE: Final = "openinference.instrumentation."
_LLMETRY_SDKS: Final = (
    "alephalpha",
    "anthropic",
    "bedrock",
    "cohere",
    "google_generativeai",
    "groq",
    "mistralai",
    "ollama",
    "openai.",
    "replicate",
    "sagemaker",
    "together",
    "transformers",
    "voyageai",
    "watsonx",
    "writer",
)
_LLMETRY_FRAMEWORKS: Final = ("agno", "crewai", "haystack", "langchain", "llamaindex", "openai_agents")
_INFERENCE_SDKS: Final = (
    "anthropic",
    "google_genai",
    "groq",
    "mistralai",
    "openai",
    "portkey",
)

EXACT: Final[dict[str, Emitter]] = {
    "ai": vercel.LEGACY,
    "gen_ai": vercel.OTEL,
    "langfuse-sdk": langfuse.EMITTER,
    "litellm": frameworks.LITELLM,
    "mistralai_sdk_tracer": native.MISTRAL,
    "pydantic-ai": frameworks.PYDANTIC_AI,
    "logfire.openai": logfire.WIRE,
    "logfire.anthropic": logfire.WIRE,
    "logfire.openai_agents": logfire.FRAMEWORK,
    _OPENINFERENCE + "bedrock": openinference.BEDROCK,
    _OPENINFERENCE + "vertexai": openinference.VERTEX,
    **{_OPENINFERENCE + sdk: openinference.WIRE for sdk in _INFERENCE_SDKS},
}
"""Scopes by their whole name."""

PREFIXES: Final[tuple[tuple[str, Emitter], ...]] = (
    # The first prefix that fits wins, so the longer ones stand first.
    (semconv.SCOPE, genai.OFFICIAL),  # what our instrumentors and otel_cost.record write
    ("com.anthropic.sdk.", native.ANTHROPIC),
    (_OTEL + "genai.bedrock", bedrock.GENAI_BEDROCK),
    (_OTEL + "genai.langchain", genai.OFFICIAL_FRAMEWORK),
    (_OTEL + "genai.openai_agents", genai.OFFICIAL_FRAMEWORK),
    (_OTEL + "genai.", genai.OFFICIAL),
    (_OTEL + "google_genai", genai.GOOGLE_GENAI),
    (_OTEL + "openai_v2", genai.OPENAI_V2),
    (_OTEL + "botocore", bedrock.BOTOCORE),
    (_OTEL + "vertexai", openllmetry.VERTEX),
    ("opentelemetry.util.genai", genai.OFFICIAL),
    *((_OTEL + framework, openllmetry.FRAMEWORK) for framework in _LLMETRY_FRAMEWORKS),
    *((_OTEL + sdk, openllmetry.WIRE) for sdk in _LLMETRY_SDKS),
    ("traceloop.", openllmetry.FRAMEWORK),
    (_OPENINFERENCE, openinference.FRAMEWORK),
    ("openlit.", openlit.EMITTER),
)
"""Scopes by how their names begin."""

SHAPES: Final[tuple[tuple[frozenset[str], Emitter], ...]] = (
    # For scopes in neither table: what the attributes look like, the most particular first.
    (langfuse.MARKS, langfuse.EMITTER),
    (vercel.MARKS, vercel.LEGACY),
    (frameworks.MARKS, frameworks.ON_ANOTHERS_SPAN),
    (openinference.MARKS, openinference.FRAMEWORK),
    (openllmetry.MARKS, openllmetry.FRAMEWORK),
    (genai.MARKS, genai.OFFICIAL),
)
"""Attributes any of which shows a dialect, and an emitter that speaks it."""
