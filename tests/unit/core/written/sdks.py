"""SDKs that trace themselves."""

from __future__ import annotations

from tests.unit.core.written.spans import CACHED, Written, called, usage

SDKS = (
    Written(
        "anthropic",
        "com.anthropic.sdk.python",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_write__input_tokens=200, cache_read__input_tokens=700),
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200,
            "anthropic.response.service_tier": "priority",
            "gen_ai.response.id": "msg_1",
        },
        {**CACHED, "cache_write_1h": 200},
        version="2.12.0",
        provider="anthropic",
        tier="priority",
        response_id="msg_1",
    ),
    Written(
        "anthropic with compactions that its totals leave out",
        "com.anthropic.sdk.python",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50),
            "anthropic.usage.compaction.input_tokens": 9000,
            "anthropic.usage.compaction.output_tokens": 300,
        },
        {"input": 10000, "output": 350},
        provider="anthropic",
        doubted="compaction",
    ),
    Written(
        "anthropic with compactions, enriched by our instrumentor",
        "com.anthropic.sdk.python",
        {
            **called("anthropic", "claude"),
            **usage(1000, 50, cache_read__input_tokens=500),
            "anthropic.usage.compaction.input_tokens": 9000,
            "anthropic.usage.compaction.output_tokens": 300,
            "otel_cost.usage.input_tokens": 10000,
            "otel_cost.usage.output_tokens": 350,
            "otel_cost.usage.cache_read_tokens": 4500,
        },
        {"input": 10000, "output": 350, "cache_read": 4500},
        provider="anthropic",
    ),
    Written(
        "mistralai chat",
        "mistralai_sdk_tracer",
        {
            **called("mistral_ai", "mistral-large-latest"),
            **usage(100, 50, cache_read__input_tokens=64),
            "http.request.method": "POST",
            "server.address": "api.mistral.ai",
        },
        {"input": 100, "output": 50, "cache_read": 64},
        kind="INTERNAL",
        provider="mistral_ai",
    ),
    Written(
        "mistralai conversation: the span that invokes the agent is the request",
        "mistralai_sdk_tracer",
        {**called("mistral_ai", "mistral-medium", "invoke_agent"), **usage(100, 50), "http.request.method": "POST"},
        {"input": 100, "output": 50},
        kind="INTERNAL",
        operation="invoke_agent",
        provider="mistral_ai",
    ),
    Written(
        "mistralai OCR is billed by the page",
        "mistralai_sdk_tracer",
        {
            **called("mistral_ai", "mistral-ocr-latest", "generate_content"),
            "http.request.method": "POST",
            "mistral_ai.ocr.usage.pages_processed": 3,
        },
        {"input_document_pages": 3},
        kind="INTERNAL",
        operation="generate_content",
        provider="mistral_ai",
    ),
)
