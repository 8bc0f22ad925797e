"""OpenLIT."""

from __future__ import annotations

from tests.unit.core.written.spans import CACHED, FRAMEWORK, GEMINI, Written, called, usage

_LIT = "openlit.otel.tracing"
OPENLIT = (
    Written(
        "openai: cache is in the input",
        _LIT,
        {
            **called("openai", "gpt-4o"),
            **usage(1000, 50, cache_read__input_tokens=700, cache_creation__input_tokens=200, cost=0),
            "gen_ai.request.stream": False,
        },
        CACHED,
        provider="openai",
    ),
    Written(
        "openai stream that told its usage: the cache counts are there, if only 0",
        _LIT,
        {
            **called("openai", "gpt-4o"),
            **usage(1000, 50, cache_read__input_tokens=0, cache_creation__input_tokens=0),
            "gen_ai.request.stream": True,
        },
        {"input": 1000, "output": 50, "cache_read": 0, "cache_write": 0},
        provider="openai",
        streaming=True,
    ),
    Written(
        "openai stream that did not",
        _LIT,
        {**called("openai", "gpt-4o"), **usage(1000, 50), "gen_ai.request.stream": True},
        {"input": 1000, "output": 50},
        provider="openai",
        streaming=True,
        doubted="OpenLIT",
    ),
    Written(
        "anthropic: cache is not in the input",
        _LIT,
        {
            **called("anthropic", "claude"),
            **usage(100, 50, cache_read__input_tokens=700, cache_creation__input_tokens=200),
            "gen_ai.request.stream": True,
        },
        CACHED,
        provider="anthropic",
        streaming=True,
    ),
    Written(
        "bedrock: cache is not in the input",
        _LIT,
        {
            **called("aws.bedrock", "claude"),
            **usage(100, 50, cache_read__input_tokens=700, cache_creation__input_tokens=200),
        },
        CACHED,
        provider="aws.bedrock",
    ),
    Written(
        "gemini: reasoning is not in the output",
        _LIT,
        {**called("gcp.gemini", GEMINI), **usage(300, 30, reasoning_tokens=70)},
        {"input": 300, "output": 100, "output_reasoning": 70},
        provider="gcp.gemini",
    ),
    Written(
        "langchain over openai",
        _LIT,
        {**called("openai", "gpt-4o"), **usage(100, 10), "gen_ai.environment": "default"},
        {"input": 100, "output": 10},
        layer=FRAMEWORK,
        provider="openai",
    ),
    Written(
        "langchain over anthropic",
        _LIT,
        {**called("anthropic", "claude"), **usage(100, 10), "gen_ai.environment": "default"},
        {"input": 100, "output": 10},
        layer=FRAMEWORK,
        provider="anthropic",
        doubted="OpenLIT",
    ),
)
