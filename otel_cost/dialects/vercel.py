"""Vercel's AI SDK (JavaScript), read from ai 3.4, 4.3, 5.0 and 6.0, @ai-sdk/anthropic 2 and 3, -google 2 and 3,
-amazon-bedrock 3 and @ai-sdk/otel 1.0.

Spans named ``ai.*`` come in pairs: ``ai.generateText`` around ``ai.generateText.doGenerate``. The inner one is the
request; the outer one carries the sum of its steps. Up to 5.x the counts are the provider's own: Anthropic's and
Bedrock's input leaves cached tokens out, Gemini's output the thinking tokens; what was written to the cache stands in
the provider's metadata, as JSON. Since 6.x they are inclusive. ``@ai-sdk/otel`` follows the conventions, inclusive.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import BEDROCK, CACHE_OUTSIDE, GOOGLE, REASONING_OUTSIDE, Emitter, Variant
from otel_cost.dialects.genai import GENAI, UNITS_BY_CONVENTION
from otel_cost.model import Layer

_USAGE: Final = "ai.usage."
_METADATA: Final = "ai.response.providerMetadata"
_ANTHROPIC: Final = frozenset({"anthropic", "anthropic.messages"})
_GOOGLE: Final = GOOGLE | {"google.vertex.chat", "google.vertex"}
_KEYS: Final = {
    "input_tokens": ("inputTokens", "promptTokens", "tokens"),
    "output_tokens": ("outputTokens", "completionTokens"),
    "cache_read_tokens": ("inputTokenDetails.cacheReadTokens", "cachedInputTokens"),
    "cache_write_tokens": ("inputTokenDetails.cacheWriteTokens",),
    "output_reasoning_tokens": ("outputTokenDetails.reasoningTokens", "reasoningTokens"),
}
_IN_METADATA: Final = {
    "cache_read_tokens": ("anthropic.cacheReadInputTokens", "bedrock.usage.cacheReadInputTokens"),
    "cache_write_tokens": ("anthropic.cacheCreationInputTokens", "bedrock.usage.cacheWriteInputTokens"),
    "cache_write_5m_tokens": ("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
    "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
    "web_searches": ("anthropic.usage.server_tool_use.web_search_requests",),
}
_OUTER: Final = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject", "ai.embed", "ai.embedMany")

_HOSTS: Final = ("openai", "mistral", "cohere", "groq", "deepseek", "xai", "perplexity")
_APIS: Final = ("chat", "completion", "responses", "embedding")

_INCLUSIVE: Final = replace(
    GENAI,
    name="vercel-ai",
    units={
        unit: (
            *names,
            *(_USAGE + key for key in _KEYS.get(unit, ())),
            *(f"{_METADATA}.{key}" for key in _IN_METADATA.get(unit, ())),
        )
        for unit, names in UNITS_BY_CONVENTION.items()
    },
    operation=("ai.operationId", *GENAI.operation),
    provider=("gen_ai.system", "ai.model.provider", *GENAI.provider),
    request_model=(*GENAI.request_model, "ai.model.id"),
    response_model=(*GENAI.response_model, "ai.response.model"),
    response_id=(*GENAI.response_id, "ai.response.id"),
    finish_reasons=(*GENAI.finish_reasons, "ai.response.finishReason"),
    operations={
        **dict.fromkeys(_OUTER, semconv.OP_INVOKE_WORKFLOW),
        **dict.fromkeys(
            (
                "ai.generateText.doGenerate",
                "ai.streamText.doStream",
                "ai.generateObject.doGenerate",
                "ai.streamObject.doStream",
            ),
            semconv.OP_CHAT,
        ),
        **dict.fromkeys(("ai.embed.doEmbed", "ai.embedMany.doEmbed"), semconv.OP_EMBEDDINGS),
        "ai.toolCall": semconv.OP_EXECUTE_TOOL,
    },
    providers={
        **{f"{name}.{api}": name for name in _HOSTS for api in _APIS},
        **{f"{name}.{api}": "azure.ai.openai" for name in ("azure", "azure-openai") for api in _APIS},
        "anthropic.messages": "anthropic",
        "google.generative-ai": "gcp.gemini",
        **{f"google.vertex{api}": "gcp.vertex_ai" for api in ("", ".chat", ".embedding", ".anthropic.messages")},
        "amazon-bedrock": "aws.bedrock",
    },
)
_RAW: Final = replace(
    _INCLUSIVE,
    name="vercel-ai 5",
    outside=(
        CACHE_OUTSIDE._replace(providers=_ANTHROPIC | BEDROCK | {"google.vertex.anthropic.messages"}),
        REASONING_OUTSIDE._replace(providers=_GOOGLE),
    ),
)
MARKS: Final = frozenset({"ai.operationId", "ai.model.id"})
SINCE_6: Final = frozenset(f"{_USAGE}inputTokenDetails.{kind}Tokens" for kind in ("noCache", "cacheRead", "cacheWrite"))
LEGACY: Final = Emitter(
    _RAW,
    Layer.FRAMEWORK,
    unfolds=(_METADATA,),
    variants=(Variant(Emitter(_INCLUSIVE, Layer.FRAMEWORK), having=SINCE_6),),
)
OTEL: Final = Emitter(
    replace(GENAI, name="vercel-ai-otel", operations={"agent_step": semconv.OP_INVOKE_WORKFLOW}), Layer.FRAMEWORK
)
