"""OpenLLMetry, with its names of three ages."""

from __future__ import annotations

from tests.unit.core.written.spans import CACHED, FRAMEWORK, GEMINI, OTEL, Written, called, usage

LLMETRY = (
    Written(
        "openai",
        OTEL + "openai.v1",
        {
            **called("openai", "gpt-4o"),
            **usage(1000, 50, total_tokens=1050, cache_read__input_tokens=700, reasoning_tokens=20),
            "gen_ai.is_streaming": True,
        },
        {"input": 1000, "output": 50, "cache_read": 700, "output_reasoning": 20},
        provider="openai",
        streaming=True,
    ),
    Written(
        "the names before 2025",
        OTEL + "cohere",
        {
            "gen_ai.system": "Cohere",
            "llm.request.type": "completion",
            "gen_ai.request.model": "command-r",
            "llm.usage.prompt_tokens": 100,
            "llm.usage.completion_tokens": 10,
            "llm.usage.total_tokens": 110,
            "llm.is_streaming": "False",
        },
        {"input": 100, "output": 10},
        operation="text_completion",
        provider="Cohere",
        version="0.40.0",
    ),
    Written(
        "the names before that",
        OTEL + "openai.v1",
        {
            "gen_ai.system": "OpenAI",
            "llm.request.type": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 10,
        },
        {"input": 100, "output": 10},
        provider="OpenAI",
    ),
    Written(
        "anthropic: input is the sum",
        OTEL + "anthropic",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_read__input_tokens=700, cache_creation__input_tokens=200),
            "gen_ai.is_streaming": False,
        },
        CACHED,
        provider="anthropic",
    ),
    Written(
        "anthropic, streamed: the output counts the first event's placeholder as well",
        OTEL + "anthropic",
        {**called("anthropic", "claude"), **usage(1000, 51), "gen_ai.is_streaming": True},
        {"input": 1000, "output": 51},
        provider="anthropic",
        streaming=True,
        doubted="OpenLLMetry",
    ),
    Written(
        "anthropic, which does not say whether it was streamed",
        OTEL + "anthropic",
        {**called("anthropic", "claude"), **usage(1000, 51)},
        {"input": 1000, "output": 51},
        provider="anthropic",
        doubted="OpenLLMetry",
    ),
    Written(
        "bedrock: raw input",
        OTEL + "bedrock",
        {
            **called("aws.bedrock", "claude"),
            **usage(100, 50, cache_read__input_tokens=700, cache_creation__input_tokens=200),
        },
        CACHED,
        provider="aws.bedrock",
    ),
    Written(
        "gemini: thinking tokens are in the total only",
        OTEL + "google_generativeai",
        {**called("gcp.gen_ai", GEMINI, "generate_content"), **usage(300, 30, total_tokens=400)},
        {"input": 300, "output": 100},
        operation="generate_content",
        provider="gcp.gen_ai",
        doubted="OpenLLMetry",
    ),
    Written(
        "vertexai shares its scope with the official one, which is at version 2",
        OTEL + "vertexai",
        {**called("Google", GEMINI, system=True), **usage(300, 30), "llm.usage.total_tokens": 400},
        {"input": 300, "output": 100},
        version="0.62.4",
        provider="Google",
        doubted="OpenLLMetry",
    ),
    Written(
        "langchain",
        OTEL + "langchain",
        {**called("openai", "gpt-4o"), **usage(100, 10)},
        {"input": 100, "output": 10},
        layer=FRAMEWORK,
        provider="openai",
    ),
    Written(
        "langchain over anthropic: LangChain tells a write by its time to live, which is not looked for",
        OTEL + "langchain",
        {**called("anthropic", "claude"), **usage(1000, 10, cache_creation__input_tokens=0)},
        {"input": 1000, "output": 10, "cache_write": 0},
        layer=FRAMEWORK,
        provider="anthropic",
        doubted="OpenLLMetry",
    ),
)
