"""What the provider itself said about a call: counts, model, tier and time, read from the recorded body alone.

This is the yardstick, so nothing here uses otel-cost's instrumentors or dialects. Units are those of ``genai-prices``:
totals include their parts. One reader a wire format; sources are the providers' API references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.recorded.exchanges import Document, Exchange

Counts = dict[str, int]


@dataclass(frozen=True)
class Answer:
    """One call as its provider tells it.

    Attributes:
        counts: Unit to count; parts that are 0 are left out, as an absent part means the same.
        model: The model that answered; the requested one where the answer does not say.
        tier: Service tier of the answer; "" for the standard one.
        at: When it was answered, UTC; None where nothing in the body says.
        total: Input and output together as the provider tells them a second time; None where it does not.
    """

    counts: Mapping[str, int]
    model: str
    tier: str = ""
    at: datetime | None = None
    total: int | None = None


@dataclass
class _Draft:
    """An answer while it is read."""

    model: str
    tier: str = ""
    at: datetime | None = None
    total: int | None = None
    counts: Counts = field(default_factory=dict)

    def whole(self, unit: str, *numbers: int | None) -> None:
        """A total made of ``numbers``; not reported when none of them is."""
        told = [number for number in numbers if number is not None]
        if told:
            self.counts[unit] = sum(told)

    def part(self, unit: str, number: int | None) -> None:
        if number:
            self.counts[unit] = self.counts.get(unit, 0) + number

    def answer(self) -> Answer:
        tier = "" if self.tier in _STANDARD else self.tier
        return Answer(self.counts, self.model, tier, self.at, self.total)


_STANDARD: Final = frozenset({"", "auto", "default", "standard"})
"""Names of the tier that is billed at the list price."""


def answer_of(exchange: Exchange) -> Answer:
    """Read the provider's own numbers."""
    draft = _Draft(model=exchange.model_requested)
    _READERS[_format(exchange)](exchange, draft)
    return draft.answer()


def _format(exchange: Exchange) -> str:
    if exchange.provider in ("openai", "azure", "groq", "deepseek", "mistral", "together", "writer"):
        return "responses" if exchange.endpoint == "responses" else "openai"
    if exchange.provider == "bedrock":
        return "converse" if exchange.endpoint.startswith("converse") else "invoke"
    return {"vertex": "gemini"}.get(exchange.provider, exchange.provider)


def _found(documents: tuple[Document, ...], *path: str) -> Iterator[Any]:
    """Every value at ``path``, in order; absent and null ones are left out."""
    for document in documents:
        value: Any = document
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            yield value


def _last(documents: tuple[Document, ...], *path: str) -> Any:
    return next(reversed([*_found(documents, *path)]), None)


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _parsed(moment: str | None) -> datetime | None:
    return datetime.fromisoformat(moment) if moment else None


# --- OpenAI and those that speak its format ---------------------------------------------------------------------------


def _openai(exchange: Exchange, draft: _Draft) -> None:
    documents = exchange.documents
    # Groq tells a stream that did not ask for usage all the same, in a corner of its own.
    usage = _last(documents, "usage") or _last(documents, "x_groq", "usage")
    draft.model = _last(documents, "model") or draft.model
    draft.tier = _last(documents, "service_tier") or ""
    draft.at = _moment(_last(documents, "created"))
    draft.total = usage["total_tokens"]
    draft.whole("input_tokens", usage["prompt_tokens"])
    draft.whole("output_tokens", usage.get("completion_tokens"))
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    draft.part("cache_read_tokens", prompt.get("cached_tokens"))
    draft.part("input_audio_tokens", prompt.get("audio_tokens"))
    draft.part("output_audio_tokens", completion.get("audio_tokens"))
    draft.part("output_reasoning_tokens", completion.get("reasoning_tokens"))


def _responses(exchange: Exchange, draft: _Draft) -> None:
    documents = exchange.documents
    answers = [*_found(documents, "response")] or list(documents)
    answer = next(item for item in reversed(answers) if item.get("usage"))
    usage = answer["usage"]
    draft.model = answer["model"]
    draft.tier = answer.get("service_tier") or ""
    draft.at = _moment(answer["created_at"])
    draft.total = usage["total_tokens"]
    draft.whole("input_tokens", usage["input_tokens"])
    draft.whole("output_tokens", usage["output_tokens"])
    draft.part("cache_read_tokens", usage["input_tokens_details"].get("cached_tokens"))
    draft.part("cache_write_tokens", usage["input_tokens_details"].get("cache_write_tokens"))
    draft.part("output_reasoning_tokens", usage["output_tokens_details"].get("reasoning_tokens"))
    # A tool's fee is in no usage object: one search for each such item of the output.
    searches = [item for item in answer["output"] if item["type"] == "web_search_call"]
    draft.part("web_searches", sum(item.get("action", {}).get("type", "search") == "search" for item in searches))


# --- Anthropic --------------------------------------------------------------------------------------------------------


def _anthropic(exchange: Exchange, draft: _Draft) -> None:
    documents = exchange.documents
    draft.model = _last(documents, "message", "model") or _last(documents, "model") or draft.model
    # A stream tells its input at the start and its output at the end: what came last of each field counts.
    usage: Document = {}
    for told in (*_found(documents, "message", "usage"), *_found(documents, "usage")):
        usage.update({name: value for name, value in told.items() if value is not None})
    _anthropic_usage(usage, draft)


def _anthropic_usage(usage: Document, draft: _Draft) -> None:
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    draft.tier = usage.get("service_tier", "")
    draft.whole("input_tokens", usage["input_tokens"], read, written)
    draft.whole("output_tokens", usage["output_tokens"])
    draft.part("cache_read_tokens", read)
    draft.part("cache_write_tokens", written)
    kinds = usage.get("cache_creation") or {}
    draft.part("cache_write_5m_tokens", kinds.get("ephemeral_5m_input_tokens"))
    draft.part("cache_write_1h_tokens", kinds.get("ephemeral_1h_input_tokens"))
    draft.part("output_reasoning_tokens", (usage.get("output_tokens_details") or {}).get("thinking_tokens"))
    draft.part("web_searches", (usage.get("server_tool_use") or {}).get("web_search_requests"))


# --- Google -----------------------------------------------------------------------------------------------------------


_MODALITIES: Final[Mapping[str | int, str]] = {
    **{name.upper(): name for name in ("text", "image", "video", "audio")},
    1: "text",
    2: "image",
    3: "video",
    4: "audio",  # asked for with enum-encoding=int
}


def _gemini(exchange: Exchange, draft: _Draft) -> None:
    documents = exchange.documents
    usage = _last(documents, "usageMetadata")
    draft.model = _last(documents, "modelVersion") or draft.model
    draft.tier = usage.get("serviceTier", "")
    draft.at = _parsed(_last(documents, "createTime"))
    draft.total = usage.get("totalTokenCount")
    draft.whole("input_tokens", usage.get("promptTokenCount"), usage.get("toolUsePromptTokenCount"))
    draft.whole("output_tokens", usage.get("candidatesTokenCount"), usage.get("thoughtsTokenCount"))
    draft.part("output_reasoning_tokens", usage.get("thoughtsTokenCount"))
    draft.part("input_tool_tokens", usage.get("toolUsePromptTokenCount"))
    draft.part("cache_read_tokens", usage.get("cachedContentTokenCount"))
    for name, direction in (
        ("promptTokensDetails", "input"),
        ("toolUsePromptTokensDetails", "input"),
        ("candidatesTokensDetails", "output"),
    ):
        for detail in usage.get(name, ()):
            modality = _MODALITIES[detail["modality"]]
            if modality != "text":  # text has no rate of its own; it is what is left
                draft.part(f"{direction}_{modality}_tokens", detail["tokenCount"])


# --- AWS --------------------------------------------------------------------------------------------------------------


def _converse(exchange: Exchange, draft: _Draft) -> None:
    usage = _last(exchange.documents, "usage")
    read, written = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    draft.total = usage["totalTokens"]
    draft.whole("input_tokens", usage["inputTokens"], read, written)
    draft.whole("output_tokens", usage["outputTokens"])
    draft.part("cache_read_tokens", read)
    draft.part("cache_write_tokens", written)


def _invoke(exchange: Exchange, draft: _Draft) -> None:
    """Bodies differ by the model's maker; the counts of uncached input and of output are in headers for all."""
    [body] = exchange.documents
    usage = body.get("usage") or {}
    read = usage.get("cacheReadInputTokenCount", usage.get("cache_read_input_tokens"))
    written = usage.get("cacheWriteInputTokenCount", usage.get("cache_creation_input_tokens"))
    into, out = (int(exchange.headers[f"x-amzn-bedrock-{name}-token-count"]) for name in ("input", "output"))
    draft.whole("input_tokens", into, read, written)
    draft.whole("output_tokens", out)
    draft.part("cache_read_tokens", read)
    draft.part("cache_write_tokens", written)
    draft.total = _total_of_body(body, usage, (read or 0) + (written or 0))


_INPUTS: Final = ("inputTokens", "input_tokens", "prompt_tokens", "prompt_token_count", "inputTextTokenCount")
_OUTPUTS: Final = ("outputTokens", "output_tokens", "completion_tokens", "generation_token_count")


def _total_of_body(body: Document, usage: Document, cached: int) -> int | None:
    """The same counts as the model's maker writes them, where it does."""
    told = {**body, **usage}
    into = [told[name] for name in _INPUTS if name in told]
    out = [told[name] for name in _OUTPUTS if name in told]
    out += [result["tokenCount"] for result in body.get("results", ())]
    return int(sum(into) + sum(out)) + cached if into and out else None


# --- others -----------------------------------------------------------------------------------------------------------


def _cohere(exchange: Exchange, draft: _Draft) -> None:
    """``billed_units`` are what is billed; ``tokens`` beside them count Cohere's own preamble as well."""
    for path in (("meta",), ("usage",), ("delta", "usage"), ("response", "meta")):
        billed = _last(exchange.documents, *path, "billed_units")
        if billed is not None:
            draft.whole("input_tokens", billed.get("input_tokens"))
            draft.whole("output_tokens", billed.get("output_tokens"))
            draft.whole("rerank_searches", billed.get("search_units"))


def _ollama(exchange: Exchange, draft: _Draft) -> None:
    """A count of 0 is left out: of a prompt that Ollama still had in memory nothing is evaluated."""
    last = exchange.documents[-1]
    draft.at = _parsed(last["created_at"])
    draft.whole("input_tokens", last.get("prompt_eval_count", 0))
    draft.whole("output_tokens", last["eval_count"])


def _watsonx(exchange: Exchange, draft: _Draft) -> None:
    """In a stream the first event tells the input; each tells the output so far."""
    results = [document["results"][0] for document in exchange.documents]
    draft.at = _parsed(exchange.documents[0]["created_at"])
    draft.whole("input_tokens", max(result["input_token_count"] for result in results))
    draft.whole("output_tokens", max(result["generated_token_count"] for result in results))


_READERS: Final[Mapping[str, Callable[[Exchange, _Draft], None]]] = {
    "openai": _openai,
    "responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "converse": _converse,
    "invoke": _invoke,
    "cohere": _cohere,
    "ollama": _ollama,
    "watsonx": _watsonx,
}
