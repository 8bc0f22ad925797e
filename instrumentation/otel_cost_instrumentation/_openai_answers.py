"""Whole answers in OpenAI's formats: chat and text completions, responses, embeddings.

Sources: the types of ``openai`` 3.54. OpenAI's input and output counts include their parts.
"""

from __future__ import annotations

from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation._hosted_tools import hosted_tools
from otel_cost_instrumentation._read import Attributes, Names, field, items, parts, text, texts, totals
from otel_cost_instrumentation._reported import reported_cost

HEAD: Final[Names] = {
    semconv.RESPONSE_ID: "id",
    semconv.RESPONSE_MODEL: "model",
    semconv.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
}
_EMBEDDINGS_HEAD: Final[Names] = {semconv.RESPONSE_MODEL: "model"}
_CHAT_TOTALS: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "prompt_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "completion_tokens",
}
_RESPONSE_TOTALS: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
}
_INPUT_PARTS: Final[Names] = {
    semconv.USAGE_CACHE_READ: "cached_tokens",
    semconv.USAGE_CACHE_WRITE: "cache_write_tokens",
    semconv.USAGE_AUDIO_INPUT: "audio_tokens",
}
_OUTPUT_PARTS: Final[Names] = {
    semconv.USAGE_REASONING: "reasoning_tokens",
    semconv.USAGE_AUDIO_OUTPUT: "audio_tokens",
}


def token_usage(usage: object) -> Attributes:
    """Usage of a chat completion or an embedding."""
    found = totals(usage, _CHAT_TOTALS)
    found.update(parts(field(usage, "prompt_tokens_details"), _INPUT_PARTS))
    found.update(parts(field(usage, "completion_tokens_details"), _OUTPUT_PARTS))
    found.update(reported_cost(usage))
    return found


def response_usage(usage: object) -> Attributes:
    """Usage of a response of the Responses API."""
    found = totals(usage, _RESPONSE_TOTALS)
    found.update(parts(field(usage, "input_tokens_details"), _INPUT_PARTS))
    found.update(parts(field(usage, "output_tokens_details"), _OUTPUT_PARTS))
    found.update(reported_cost(usage))
    return found


def chat(completion: object) -> Attributes:
    found = texts(completion, HEAD)
    reasons = [text(choice, "finish_reason") or "error" for choice in items(completion, "choices")]
    if reasons:
        found[semconv.RESPONSE_FINISH_REASONS] = reasons
    found.update(token_usage(field(completion, "usage")))
    return found


def response(answer: object) -> Attributes:
    found = texts(answer, HEAD)
    status = text(answer, "status")
    reason = text(answer, "incomplete_details", "reason") or status
    if reason:
        found[semconv.RESPONSE_FINISH_REASONS] = [reason]
    if status == "failed":
        found[semconv.ERROR_TYPE] = text(answer, "error", "code") or status
    found.update(hosted_tools(answer))
    found.update(response_usage(field(answer, "usage")))
    return found


def embeddings(answer: object) -> Attributes:
    return texts(answer, _EMBEDDINGS_HEAD) | token_usage(field(answer, "usage"))
