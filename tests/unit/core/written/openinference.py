"""OpenInference."""

from __future__ import annotations

from tests.unit.core.written.spans import AGENT, CACHED, FRAMEWORK, GEMINI, Written, called, usage

INFERENCE = "openinference.instrumentation."
_INFERENCE_CLAUDE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "anthropic",
    "llm.system": "anthropic",
    "llm.model_name": "claude-sonnet-4-6",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 50,
    "llm.token_count.total": 1050,
    "llm.token_count.prompt_details.cache_read": 700,
    "llm.token_count.prompt_details.cache_write": 200,
}
OPENINFERENCE = (
    Written(
        "anthropic",
        INFERENCE + "anthropic",
        _INFERENCE_CLAUDE,
        CACHED,
        kind="INTERNAL",
        provider="anthropic",
        model="claude-sonnet-4-6",
    ),
    Written(
        "openai, writing the conventions' names as well",
        INFERENCE + "openai",
        {
            **called("openai", "gpt-4o-audio-preview"),
            **usage(100, 50),
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o-audio-preview-2024-12-17",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 50,
            "llm.token_count.prompt_details.audio": 40,
            "llm.token_count.completion_details.audio": 30,
            "llm.token_count.completion_details.reasoning": 5,
        },
        {"input": 100, "output": 50, "input_audio": 40, "output_audio": 30, "output_reasoning": 5},
        kind="INTERNAL",
        provider="openai",
        model="gpt-4o-audio-preview-2024-12-17",
    ),
    Written(
        "embeddings",
        INFERENCE + "openai",
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "text-embedding-3-small",
            "llm.token_count.prompt": 8,
            "llm.token_count.total": 8,
        },
        {"input": 8},
        kind="INTERNAL",
        operation="embeddings",
        model="text-embedding-3-small",
    ),
    Written(
        "langchain",
        INFERENCE + "langchain",
        _INFERENCE_CLAUDE,
        CACHED,
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="anthropic",
    ),
    Written(
        "an agent with the sum of its calls",
        INFERENCE + "openai_agents",
        {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 100, "llm.token_count.completion": 5},
        {"input": 100, "output": 5},
        layer=AGENT,
        kind="INTERNAL",
        operation="invoke_agent",
    ),
    Written(
        "by its shape, from a scope of which nothing is known",
        "my.own.tracer",
        _INFERENCE_CLAUDE,
        CACHED,
        layer=FRAMEWORK,
        kind="INTERNAL",
        provider="anthropic",
    ),
    Written(
        "vertexai",
        INFERENCE + "vertexai",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": GEMINI,
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 4,
        },
        {"input": 3, "output": 4},
        kind="INTERNAL",
        doubted="OpenInference",
    ),
)
