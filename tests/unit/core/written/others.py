"""Logfire, Pydantic-AI, LiteLLM's two callbacks, and Langfuse."""

from __future__ import annotations

import json

from tests.unit.core.written.spans import AGENT, CACHED, FRAMEWORK, Written, called, usage

OTHERS = (
    Written(
        "logfire: what the names do not tell stands in the raw usage",
        "logfire.anthropic",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_creation__input_tokens=200, cache_read__input_tokens=700),
            "gen_ai.response.model": "claude-1",
            "gen_ai.usage.raw": json.dumps(
                {
                    "input_tokens": 100,
                    "output_tokens": 50,
                    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
                    "server_tool_use": {"web_search_requests": 2},
                    "service_tier": "priority",
                    "iterations": [{"input_tokens": 100}],
                }
            ),
            "operation.cost": 0.1,
        },
        {**CACHED, "cache_write_5m": 150, "cache_write_1h": 50, "web_searches": 2},
        provider="anthropic",
        tier="priority",
    ),
    Written(
        "logfire before 5.3: the cache stands in the raw usage only",
        "logfire.openai",
        {
            **called("openai", "gpt-4o"),
            **usage(1000, 50),
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.usage.raw": '{"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 700}}',
        },
        {"input": 1000, "output": 50, "cache_read": 700},
        provider="openai",
    ),
    Written(
        "logfire, the log of a stream",
        "logfire.openai",
        {
            **called("openai", "gpt-4o"),
            **usage(100, 10),
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.response.id": "c1",
        },
        {"input": 100, "output": 10},
        kind="INTERNAL",
        provider="openai",
        response_id="c1",
    ),
    Written(
        "pydantic-ai",
        "pydantic-ai",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_creation__input_tokens=200, cache_read__input_tokens=700),
            "gen_ai.usage.details.cache_read_tokens": 700,
            "gen_ai.usage.details.input_audio_tokens": 3,
            "gen_ai.usage.details.reasoning_tokens": 7,
        },
        {**CACHED, "input_audio": 3, "output_reasoning": 7},
        layer=FRAMEWORK,
        provider="anthropic",
    ),
    Written(
        "pydantic-ai's agent",
        "pydantic-ai",
        {"gen_ai.operation.name": "invoke_agent", **usage(3000, 150)},
        {"input": 3000, "output": 150},
        layer=AGENT,
        kind="INTERNAL",
        operation="invoke_agent",
    ),
    Written(
        "litellm otel: the cache counts stand in the text of a dict, the provider before the model",
        "litellm",
        {
            "llm.request.type": "completion",
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "anthropic",
            "litellm.provider.model": "anthropic/claude",
            "gen_ai.request.model": "claude",
            "metadata.usage_object": str(
                {
                    "prompt_tokens": 1000,
                    "prompt_tokens_details": {
                        "audio_tokens": None,
                        "cached_tokens": 700,
                        "cache_creation_token_details": {"ephemeral_5m_input_tokens": 200},
                    },
                    "cache_creation_input_tokens": 200,
                    "iterations": None,
                }
            ),
            **usage(1000, 50, total_tokens=1050),
        },
        {**CACHED, "cache_write_5m": 200},
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="anthropic",
        model="anthropic/claude",
    ),
    Written(
        "litellm otel: no cache counts",
        "litellm",
        {
            "llm.request.type": "acompletion",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude",
            "llm.is_streaming": "False",
            "litellm.cache_hit": False,
            **usage(1000, 50, total_tokens=1050),
        },
        {"input": 1000, "output": 50},
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="anthropic",
        doubted="LiteLLM",
    ),
    Written(
        "litellm otel, on the app's own span: the last of the calls inside it",
        "app",
        {
            "llm.request.type": "acompletion",
            "litellm.provider.model": "openai/gpt-4o",
            "litellm.call_id": "1",
            "gen_ai.system": "openai",
            **usage(100, 10),
        },
        {"input": 100, "output": 10},
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="openai",
        doubted="LiteLLM",
    ),
    Written(
        "litellm otel v2",
        "litellm",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_creation__input_tokens=200, cache_read__input_tokens=700),
            "litellm.request.streaming": True,
        },
        CACHED,
        layer=FRAMEWORK,
        provider="anthropic",
        streaming=True,
    ),
    Written(
        "litellm answered from its own cache",
        "litellm",
        {**called("anthropic", "claude"), **usage(1000, 50), "litellm.cache_hit": True},
        {"input": 0, "output": 0},
        layer=FRAMEWORK,
        provider="anthropic",
    ),
    Written(
        "langfuse, OpenAI's usage as it is",
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "o3-mini",
            "langfuse.observation.model.parameters": '{"temperature": 1, "service_tier": "flex"}',
            "langfuse.observation.usage_details": json.dumps(
                {
                    "prompt_tokens": 1000,
                    "completion_tokens": 50,
                    "total_tokens": 1050,
                    "prompt_tokens_details": {"cached_tokens": 700, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 20},
                }
            ),
        },
        {"input": 1000, "output": 50, "cache_read": 700, "input_audio": 0, "output_reasoning": 20},
        layer=FRAMEWORK,
        kind="INTERNAL",
        model="o3-mini",
        tier="flex",
    ),
    Written(
        "langfuse, the disjoint counts of its LangChain handler",
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "claude",
            "langfuse.observation.usage_details": json.dumps(
                {
                    "input": 100,
                    "output": 30,
                    "total": 1050,
                    "input_cache_read": 700,
                    "input_cache_creation": 0,
                    "input_ephemeral_5m_input_tokens": 200,
                    "output_reasoning": 20,
                }
            ),
        },
        {**CACHED, "cache_write_5m": 200, "output_reasoning": 20},
        layer=FRAMEWORK,
        kind="INTERNAL",
        model="claude",
    ),
    Written(
        "langfuse embedding",
        "langfuse-sdk",
        {
            "langfuse.observation.type": "embedding",
            "langfuse.observation.model.name": "text-embedding-3-small",
            "langfuse.observation.usage_details": '{"input": 8}',
        },
        {"input": 8},
        layer=FRAMEWORK,
        kind="INTERNAL",
        operation="embeddings",
    ),
)
