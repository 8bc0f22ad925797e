"""Whole answers in OpenAI's formats: chat and text completions, responses, embeddings.

OpenAI's input and output counts include their parts. Others that speak its format leave some of them out, or tell them
elsewhere: xAI counts reasoning beside the completion, Google's compatible endpoint tells thoughts in the total alone,
and Moonshot and DeepSeek tell what was cached in the usage itself.

Sources: the types of ``openai`` 3.54; https://docs.x.ai (reasoning); https://platform.kimi.ai/docs/api/chat;
https://api-docs.deepseek.com (context caching).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation._hosted_tools import hosted_tools
from otel_cost_instrumentation._read import Attributes, Names, count, field, items, parts, text, texts, totals
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


_CACHED: Final = ("cached_tokens", "prompt_cache_hit_tokens")
"""In the usage itself: Moonshot's, DeepSeek's."""
ReadUsage = Callable[[object], Attributes]


def token_usage(usage: object) -> Attributes:
    """Usage of a chat completion or an embedding."""
    found = totals(usage, _CHAT_TOTALS)
    found.update(parts(field(usage, "prompt_tokens_details"), _INPUT_PARTS))
    found.update(parts(field(usage, "completion_tokens_details"), _OUTPUT_PARTS))
    reasoning = count(found, semconv.USAGE_REASONING)
    if reasoning and _beside(found, usage) == reasoning:
        _add_output(found, reasoning)
    # Fields unknown to the SDK are kept apart, so that one look is enough for nearly all answers.
    extra = usage if isinstance(usage, dict) else getattr(usage, "model_extra", None)
    if extra and semconv.USAGE_CACHE_READ not in found:
        cached = next((number for name in _CACHED if (number := count(extra, name))), 0)
        found.update({semconv.USAGE_CACHE_READ: cached} if cached else {})
    found.update(reported_cost(usage))
    return found


def token_usage_beside(usage: object) -> Attributes:
    """As :func:`token_usage`, where a total holds thoughts that are neither prompt nor completion."""
    found = token_usage(usage)
    beside = _beside(found, usage)
    if beside > 0:
        _add_output(found, beside)
    return found


def _beside(found: Attributes, usage: object) -> int:
    """What the total holds beyond input and output; 0 where not all three are told."""
    total = count(usage, "total_tokens")
    told = [number for name in _CHAT_TOTALS if (number := count(found, name)) is not None]
    return total - sum(told) if total is not None and len(told) == len(_CHAT_TOTALS) else 0


def _add_output(found: Attributes, more: int) -> None:
    found[semconv.USAGE_OUTPUT_TOKENS] = (count(found, semconv.USAGE_OUTPUT_TOKENS) or 0) + more


def response_usage(usage: object) -> Attributes:
    """Usage of a response of the Responses API."""
    found = totals(usage, _RESPONSE_TOTALS)
    found.update(parts(field(usage, "input_tokens_details"), _INPUT_PARTS))
    found.update(parts(field(usage, "output_tokens_details"), _OUTPUT_PARTS))
    found.update(reported_cost(usage))
    return found


def chat(completion: object, read_usage: ReadUsage = token_usage) -> Attributes:
    found = texts(completion, HEAD)
    reasons = [text(choice, "finish_reason") or "error" for choice in items(completion, "choices")]
    if reasons:
        found[semconv.RESPONSE_FINISH_REASONS] = reasons
    found.update(read_usage(field(completion, "usage")))
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
