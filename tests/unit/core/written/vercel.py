"""Vercel's AI SDK, by its major releases, and @ai-sdk/otel."""

from __future__ import annotations

import json

from tests.unit.core.written.spans import AGENT, CACHED, FRAMEWORK, Written, called, usage


def _vercel(provider: str, operation: str = "ai.generateText.doGenerate", **usage: int) -> dict[str, object]:
    return {
        "ai.operationId": operation,
        "ai.model.provider": provider,
        "ai.model.id": "a-model",
        "gen_ai.system": provider,
        "gen_ai.request.model": "a-model",
        "gen_ai.response.id": "r1",
        **{f"ai.usage.{name.replace('__', '.')}": count for name, count in usage.items()},
    }


VERCEL = (
    Written(
        "4: OpenAI",
        "ai",
        {**_vercel("openai.chat", promptTokens=100, completionTokens=10), **usage(100, 10)},
        {"input": 100, "output": 10},
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="openai",
        response_id="r1",
    ),
    Written(
        "4: Anthropic's cache stands in the metadata",
        "ai",
        {
            **_vercel("anthropic.messages", promptTokens=100, completionTokens=50),
            "ai.response.providerMetadata": '{"anthropic":{"cacheCreationInputTokens":200,"cacheReadInputTokens":700}}',
        },
        CACHED,
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="anthropic",
    ),
    Written(
        "5: Anthropic",
        "ai",
        {
            **_vercel("anthropic.messages", inputTokens=100, outputTokens=50, totalTokens=150, cachedInputTokens=700),
            "ai.response.providerMetadata": json.dumps(
                {
                    "anthropic": {
                        "cacheCreationInputTokens": 200,
                        "usage": {"input_tokens": 100, "cache_creation": {"ephemeral_1h_input_tokens": 200}},
                    }
                }
            ),
        },
        {**CACHED, "cache_write_1h": 200},
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="anthropic",
    ),
    Written(
        "5: Gemini",
        "ai",
        _vercel("google.generative-ai", inputTokens=300, outputTokens=30, reasoningTokens=70, totalTokens=400),
        {"input": 300, "output": 100, "output_reasoning": 70},
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="gcp.gemini",
    ),
    Written(
        "6: inclusive, whoever answered",
        "ai",
        _vercel(
            "anthropic.messages",
            inputTokens=1000,
            outputTokens=50,
            cachedInputTokens=700,
            inputTokenDetails__noCacheTokens=100,
            inputTokenDetails__cacheReadTokens=700,
            inputTokenDetails__cacheWriteTokens=200,
        ),
        CACHED,
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="anthropic",
    ),
    Written(
        "the outer span has the sum of its steps",
        "ai",
        _vercel("openai.chat", "ai.generateText", inputTokens=300, outputTokens=30),
        {"input": 300, "output": 30},
        layer=AGENT,
        kind="INTERNAL",
        operation="invoke_workflow",
        provider="openai",
    ),
    Written(
        "embeddings",
        "ai",
        _vercel("openai.embedding", "ai.embedMany.doEmbed", tokens=8),
        {"input": 8},
        layer=FRAMEWORK,
        kind="INTERNAL",
        operation="embeddings",
        provider="openai",
    ),
    Written(
        "@ai-sdk/otel",
        "gen_ai",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_read__input_tokens=700, cache_creation__input_tokens=200),
        },
        CACHED,
        layer=FRAMEWORK,
        provider="anthropic",
    ),
    Written(
        "@ai-sdk/otel's step",
        "gen_ai",
        {"gen_ai.operation.name": "agent_step", **usage(1000, 50)},
        {"input": 1000, "output": 50},
        layer=AGENT,
        kind="INTERNAL",
        operation="invoke_workflow",
    ),
)
