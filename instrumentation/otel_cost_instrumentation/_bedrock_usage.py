"""What Bedrock tells of a call: in headers, in ``amazon-bedrock-invocationMetrics``, and in bodies that differ by the
maker of the model.

Headers, metrics and most bodies leave cached tokens out of the input and tell them beside it; the convention's total
includes them. Where several say the same the last one counts: they agree, and what comes last is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation._read import Attributes, count, field, items, sent, text

METRICS: Final = "amazon-bedrock-invocationMetrics"
_Names = tuple[str, ...]
_COUNTS: Final[Mapping[str, _Names]] = {
    "input": ("inputTokens", "inputTokenCount", "input_tokens", "prompt_tokens"),
    "output": ("outputTokens", "outputTokenCount", "output_tokens", "completion_tokens"),
    "read": ("cacheReadInputTokens", "cacheReadInputTokenCount", "cache_read_input_tokens"),
    "written": ("cacheWriteInputTokens", "cacheWriteInputTokenCount", "cache_creation_input_tokens"),
}
"""In a usage object: Converse's and Nova's, Bedrock's metrics, Anthropic's, that of OpenAI's format."""
_LOOSE: Final[Mapping[str, _Names]] = {
    "input": ("prompt_token_count", "inputTextTokenCount"),
    "output": ("generation_token_count", "totalOutputTextTokenCount"),
}
"""In the body itself: Llama's, Titan's."""
_HEADERS: Final = {
    "input": "x-amzn-bedrock-input-token-count",
    "output": "x-amzn-bedrock-output-token-count",
    "read": "x-amzn-bedrock-cache-read-input-token-count",
    "written": "x-amzn-bedrock-cache-write-input-token-count",
}
_TTLS: Final = {"5m": semconv.ANTHROPIC_CACHE_5M, "1h": semconv.ANTHROPIC_CACHE_1H}


class Told:
    """The counts of one call so far, and how it was served."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._found: Attributes = {}
        self._reasons: list[str] = []
        self.final = False

    def has(self, *names: str) -> bool:
        return all(name in self._counts for name in names)

    def headers(self, answer: object) -> None:
        """The headers of an SDK's answer."""
        headers = field(answer, "ResponseMetadata", "HTTPHeaders")
        for name, header in _HEADERS.items():
            number = text(headers, header)
            if number.isdigit():
                self._counts[name] = int(number)

    def service(self, answer: object) -> None:
        """How it was served: a tier of its own, or by faster machines that cost more."""
        tier = text(answer, "serviceTier", "type") or text(answer, "serviceTier")
        latency = text(answer, "performanceConfig", "latency") or text(answer, "performanceConfigLatency")
        if latency == "optimized":
            self._found[semconv.SERVICE_TIER] = "latency_optimized"
        elif tier and tier != "default":
            self._found[semconv.SERVICE_TIER] = tier
        routed = text(answer, "trace", "promptRouter", "invokedModelId")
        if routed:
            self._found[semconv.RESPONSE_MODEL] = routed

    def document(self, document: object) -> None:
        """A body, an event of a stream, or Converse's answer."""
        metadata = field(document, "metadata")
        for usage in (field(document, "message", "usage"), field(document, "usage"), field(metadata, "usage")):
            self._usage(usage)
        self._take(document, _LOOSE)
        results = [count(result, "tokenCount") for result in items(document, "results")]
        if any(number is not None for number in results):
            self._counts["output"] = sum(number or 0 for number in results)
        metrics = field(document, METRICS)
        self._usage(metrics)
        self.final = self.final or metrics is not None or field(metadata, "usage") is not None
        self.final = self.final or text(document, "type") == "message_stop"
        self.service(metadata)
        self._head(document)

    def _head(self, document: object) -> None:
        identity = text(document, "message", "id") or text(document, "id") or text(document, "response_id")
        if identity and semconv.RESPONSE_ID not in self._found:
            self._found[semconv.RESPONSE_ID] = identity
        self._reasons = [reason for reason in _reasons(document) if reason] or self._reasons

    def _usage(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        self._take(usage, _COUNTS)
        for detail in items(usage, "cacheDetails"):
            self._part(_TTLS.get(text(detail, "ttl"), ""), count(detail, "inputTokens"))
        for ttl, name in _TTLS.items():
            self._part(name, count(usage, "cache_creation", f"ephemeral_{ttl}_input_tokens"))
        self._part(semconv.USAGE_REASONING, count(usage, "output_tokens_details", "thinking_tokens"))

    def _part(self, name: str, number: int | None) -> None:
        if name and number:
            self._found[name] = number

    def _take(self, value: object, names: Mapping[str, _Names]) -> None:
        if isinstance(value, dict):
            for kind, fields in names.items():
                for name in fields:
                    number = count(value, name)
                    if number is not None:
                        self._counts[kind] = number

    def attributes(self) -> Attributes:
        found, counts = dict(self._found), self._counts
        if "input" in counts:
            found[semconv.USAGE_INPUT_TOKENS] = counts["input"] + counts.get("read", 0) + counts.get("written", 0)
        if "output" in counts:
            found[semconv.USAGE_OUTPUT_TOKENS] = counts["output"]
        for name, kind in ((semconv.USAGE_CACHE_READ, "read"), (semconv.USAGE_CACHE_WRITE, "written")):
            if counts.get(kind):
                found[name] = counts[kind]
        if self._reasons:
            found[semconv.RESPONSE_FINISH_REASONS] = list(self._reasons)
        return found


_REASONS: Final = ("stopReason", "stop_reason", "completionReason", "finish_reason")


def _reasons(document: object) -> Iterator[str]:
    places = [document, field(document, "messageStop"), field(document, "delta")]
    for name in ("results", "outputs", "generations", "choices"):
        places += items(document, name)
    for place in places:
        yield from (text(place, name) for name in _REASONS)


def spoken(event: object) -> Iterator[str]:
    """The text in one event of a stream."""
    delta = field(event, "contentBlockDelta", "delta")
    if delta is not None:
        yield text(delta, "text")
        yield text(delta, "toolUse", "input")
        yield text(delta, "reasoningContent", "text")
        return
    delta = field(event, "delta")
    for place in (event, delta, field(delta, "message", "content"), *items(event, "outputs")):
        yield text(place, "text")
    for name in ("thinking", "partial_json"):
        yield text(delta, name)
    yield text(event, "outputText")
    yield text(event, "generation")
    yield text(event, "contentBlockStart", "start", "toolUse", "name")
    for choice in items(event, "choices"):
        yield text(choice, "delta", "content") or text(choice, "message", "content")


_ANSWERS: Final = ("output", "content", "results", "generation", "outputs", "generations", "text", "choices")
"""Fields of bodies that hold what the model wrote."""


def written(document: object) -> list[str] | None:
    """The text of a whole answer; None where there is none in it."""
    values = [value for name in _ANSWERS if (value := field(document, name)) is not None]
    return [piece for piece in sent(*values) if isinstance(piece, str)] if values else None
