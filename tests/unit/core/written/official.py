"""OpenTelemetry's own instrumentors, the older ones too, and Bedrock by botocore."""

from __future__ import annotations

from tests.unit.core.written.spans import CACHED, FRAMEWORK, GEMINI, OTEL, Written, called, usage

OFFICIAL = (
    Written(
        "openai-v2: the provider under its old name",
        OTEL + "openai_v2",
        {
            **called("openai", "gpt-4o", system=True),
            **usage(100, 10),
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.openai.response.service_tier": "flex",
        },
        {"input": 100, "output": 10},
        provider="openai",
        model="gpt-4o-2024-08-06",
        tier="flex",
        doubted="openai-v2",
    ),
    Written(
        "openai-v2, a model that is never cached",
        OTEL + "openai_v2",
        {**called("openai", "text-embedding-3-small", "embeddings"), "gen_ai.usage.input_tokens": 100},
        {"input": 100},
        operation="embeddings",
        provider="openai",
    ),
    Written(
        "openai-v2 responses: cache by its old name",
        OTEL + "openai_v2",
        {
            **called("openai", "gpt-4o"),
            **usage(1000, 50, cache_creation__input_tokens=200, cache_read__input_tokens=700),
        },
        CACHED,
        provider="openai",
    ),
    Written(
        "genai-anthropic: cache by its new name",
        OTEL + "genai.anthropic",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_write__input_tokens=200, cache_read__input_tokens=700),
        },
        CACHED,
        provider="anthropic",
    ),
    Written(
        "google-genai 1: thoughts are in the output, modalities beside it",
        OTEL + "google_genai",
        {
            **called("gcp.gemini", GEMINI, "generate_content"),
            **usage(300, 90, reasoning__output_tokens=60, audio__input_tokens=20, text__input_tokens=280),
        },
        {"input": 300, "output": 90, "output_reasoning": 60, "input_audio": 20, "input_text": 280},
        version="1.3b0",
        operation="generate_content",
        provider="gcp.gemini",
    ),
    Written(
        "google-genai 0: thoughts are not in the output",
        OTEL + "google_genai",
        {**called("gcp.gemini", GEMINI, "generate_content"), **usage(300, 30)},
        {"input": 300, "output": 30},
        version="0.7b2",
        operation="generate_content",
        provider="gcp.gemini",
        doubted="thinking",
    ),
    Written(
        "google-genai 0: a model that does not think",
        OTEL + "google_genai",
        {**called("gcp.gemini", "gemini-2.0-flash", "generate_content"), **usage(300, 30)},
        {"input": 300, "output": 30},
        version="0.7b2",
        operation="generate_content",
        provider="gcp.gemini",
    ),
    Written(
        "vertexai, official",
        OTEL + "vertexai",
        {**called("vertex_ai", GEMINI, system=True), **usage(300, 30)},
        {"input": 300, "output": 30},
        version="2.2b0",
        provider="vertex_ai",
        doubted="thinking",
    ),
    Written(
        "genai-langchain",
        OTEL + "genai.langchain",
        {**called("openai", "gpt-4o"), **usage(100, 10)},
        {"input": 100, "output": 10},
        layer=FRAMEWORK,
        provider="openai",
    ),
    Written(
        "genai-bedrock: raw input",
        OTEL + "genai.bedrock",
        {
            **called("aws.bedrock", "anthropic.claude-sonnet-4-6-v1:0"),
            **usage(100, 50, cache_read__input_tokens=700, cache_write__input_tokens=200),
        },
        CACHED,
        provider="aws.bedrock",
    ),
    Written(
        "botocore: raw input",
        OTEL + "botocore.bedrock-runtime",
        {
            **called("aws.bedrock", "anthropic.claude-sonnet-4-6-v1:0", system=True),
            **usage(100, 50, cache_read__input_tokens=700, cache_creation__input_tokens=200),
            "rpc.system": "aws-api",
        },
        CACHED,
        provider="aws.bedrock",
    ),
    Written(
        "botocore estimates Cohere's",
        OTEL + "botocore.bedrock-runtime",
        {**called("aws.bedrock", "cohere.command-r-v1:0", system=True), **usage(100, 50)},
        {"input": 100, "output": 50},
        provider="aws.bedrock",
        doubted="botocore",
    ),
    Written(
        "botocore leaves out the cache of InvokeModel, in any region",
        OTEL + "botocore.bedrock-runtime",
        {
            **called("aws.bedrock", "eu.anthropic.claude-sonnet-4-6-v1:0", system=True),
            **usage(100, 50),
            "rpc.method": "InvokeModel",
        },
        {"input": 100, "output": 50},
        provider="aws.bedrock",
        doubted="botocore",
    ),
    Written(
        "botocore, a call without a cache",
        OTEL + "botocore.bedrock-runtime",
        {
            **called("aws.bedrock", "anthropic.claude-sonnet-4-6-v1:0", system=True),
            **usage(100, 50),
            "rpc.method": "Converse",
        },
        {"input": 100, "output": 50},
        provider="aws.bedrock",
    ),
)
