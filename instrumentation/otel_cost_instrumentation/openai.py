"""The ``openai`` SDK: chat and text completions, responses and embeddings, also against hosts that speak its formats.

Sources: the types of ``openai`` 3.54. OpenAI's input and output counts include their parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._ask_usage import AZURE, may_ask, with_usage
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._call import Arguments, Reader, Request
from otel_cost_instrumentation._estimates import Prompt, Written
from otel_cost_instrumentation._hosted_tools import hosted_tools
from otel_cost_instrumentation._read import (
    Attributes,
    Names,
    count,
    field,
    items,
    numbers,
    parts,
    text,
    text_bytes,
    texts,
    totals,
)
from otel_cost_instrumentation._reported import reported_cost
from otel_cost_instrumentation._stainless import Post, provider_of, read_post
from otel_cost_instrumentation._unread import unread

HOSTS: Final[Mapping[str, str]] = {
    "api.openai.com": "openai",
    ".api.openai.com": "openai",
    ".openai.azure.com": AZURE,
    ".cognitiveservices.azure.com": AZURE,
    ".services.ai.azure.com": "azure.ai.inference",
    ".amazonaws.com": "aws.bedrock",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
}
"""Host, or domain from the dot on, to the provider's conventional name."""


# --- what goes in -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """``inputs``, ``tools``: fields that are sent as tokens. ``elsewhere``: fields that stand for tokens which are not
    in the body. ``asks``: a stream tells its usage only when asked."""

    operation: str
    answer: Callable[[object], Attributes]
    reader: Callable[[Text], Reader]
    written: Written
    inputs: tuple[str, ...]
    tools: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    output_limits: tuple[str, ...] = ()
    asks: bool = False


_PARAMETERS: Final[Names] = {semconv.REQUEST_TEMPERATURE: "temperature", semconv.REQUEST_TOP_P: "top_p"}


def _parameters(post: Post, limit: int | None, choices: int) -> Attributes:
    found = numbers(post.body, _PARAMETERS)
    tier = text(post.body, "service_tier")
    if limit is not None:
        found[semconv.REQUEST_MAX_TOKENS] = limit
    if choices != 1:
        found[semconv.REQUEST_CHOICE_COUNT] = choices
    if post.stream:
        found[semconv.REQUEST_STREAM] = True
    if tier and tier != "auto":
        found[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
    return found


def _read(client: object, args: tuple[object, ...], kwargs: Arguments) -> Request | None:
    post = read_post(client, args, kwargs)
    if post is None:
        return None
    provider = provider_of(post.address, HOSTS, "openai")
    path = post.path.removeprefix("v1/")
    endpoint, body = ENDPOINTS.get(path), post.body
    if endpoint is None:
        return unread(post._replace(path=path), provider, kwargs, FREE)
    limit, choices = _limit(body, endpoint.output_limits), count(body, "n") or 1
    asks = endpoint.asks and post.stream and may_ask(client, post, HOSTS, kwargs)
    return Request(
        operation=endpoint.operation,
        provider=provider,
        model=text(body, "model"),
        address=post.address,
        port=post.port,
        answer=endpoint.answer,
        reader=partial(ChatReader, conceal=True) if asks else endpoint.reader,
        arguments=with_usage(kwargs, body) if asks else kwargs,
        parameters=_parameters(post, limit, choices),
        written=endpoint.written,
        prompt=_prompt(endpoint, body),
        input_bytes=text_bytes(*[body.get(name) for name in (*endpoint.inputs, *endpoint.tools)]),
        max_output_tokens=limit,
        choices=choices,
    )


def _prompt(endpoint: _Endpoint, body: Mapping[str, object]) -> Prompt:
    return Prompt.of(
        *(body.get(name) for name in endpoint.inputs),
        tools=next((body[name] for name in endpoint.tools if body.get(name)), None),
        conversation=endpoint.operation == semconv.OP_CHAT,
        unseen=[name for name in endpoint.elsewhere if body.get(name)],
        answered=endpoint.operation != semconv.OP_EMBEDDINGS,
    )


def _limit(body: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    return next((limit for name in names if (limit := count(body, name)) is not None), None)


# --- what comes out ---------------------------------------------------------------------------------------------------


_HEAD: Final[Names] = {
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
    found = texts(completion, _HEAD)
    reasons = [text(choice, "finish_reason") or "error" for choice in items(completion, "choices")]
    if reasons:
        found[semconv.RESPONSE_FINISH_REASONS] = reasons
    found.update(token_usage(field(completion, "usage")))
    return found


def response(answer: object) -> Attributes:
    found = texts(answer, _HEAD)
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


class ChatReader:
    """Chunks of a chat completion. ``conceal``: the chunk that only carries usage was asked for by otel-cost."""

    def __init__(self, heard: Text, conceal: bool = False) -> None:
        self._heard = heard
        self._conceal = conceal
        self._usage: object = None
        self._head: Attributes = {}
        self._reasons: dict[int, str] = {}

    @property
    def final(self) -> bool:
        return self._usage is not None

    def read(self, chunk: object) -> bool:
        choices = items(chunk, "choices")
        for choice in choices:
            self._read_choice(choice)
        if not self._head.get(semconv.RESPONSE_ID) or text(chunk, "service_tier"):
            self._head = texts(chunk, _HEAD)
        usage = field(chunk, "usage")
        if usage is not None:
            self._usage = usage
            return not self._conceal or bool(choices)
        if self._reasons:
            # Groq tells its usage with the last choice, asked or not, in a corner of its own.
            self._usage = field(chunk, "x_groq", "usage") or self._usage
        if self._conceal:
            _hide_usage(chunk)
        return True

    def _read_choice(self, choice: object) -> None:
        for piece in written.said(choice, "delta"):
            self._heard.add(piece)
        reason = text(choice, "finish_reason")
        if reason:
            self._reasons[count(choice, "index") or 0] = reason

    def attributes(self) -> Attributes:
        found = self._head | token_usage(self._usage)
        if self._reasons:
            found[semconv.RESPONSE_FINISH_REASONS] = [self._reasons[index] for index in sorted(self._reasons)]
        return found


def _hide_usage(chunk: object) -> None:
    """Asked for usage, the API writes ``usage: null`` on every other chunk: without us the field would be unset."""
    fields = getattr(chunk, "model_fields_set", None)
    if isinstance(fields, set):
        cast("set[str]", fields).discard("usage")


_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponseReader:
    """Events of a streamed response."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._known: Attributes = {}
        self.final = False

    def read(self, event: object) -> bool:
        kind = text(event, "type")
        if kind.endswith(".delta"):
            self._heard.add(text(event, "delta"))
        elif kind in _ENDS or kind == "response.created":
            answer = field(event, "response")
            self._known = response(answer)
            self.final = kind in _ENDS and field(answer, "usage") is not None
        elif kind == "error":
            self._known[semconv.ERROR_TYPE] = text(event, "code") or kind
        return True

    def attributes(self) -> Attributes:
        return dict(self._known)


ENDPOINTS: Final[Mapping[str, _Endpoint]] = {
    "chat/completions": _Endpoint(
        operation=semconv.OP_CHAT,
        answer=chat,
        reader=ChatReader,
        written=written.chat,
        inputs=("messages", "response_format"),
        tools=("tools", "functions"),
        output_limits=("max_completion_tokens", "max_tokens"),
        asks=True,
    ),
    "responses": _Endpoint(
        operation=semconv.OP_CHAT,
        answer=response,
        reader=ResponseReader,
        written=written.response,
        inputs=("input", "instructions", "text"),
        tools=("tools",),
        elsewhere=("previous_response_id", "conversation", "prompt"),
        output_limits=("max_output_tokens",),
    ),
    "responses/compact": _Endpoint(
        operation=semconv.OP_CHAT,
        answer=response,
        reader=ResponseReader,
        written=written.response,
        inputs=("input", "instructions"),
        elsewhere=("previous_response_id",),
    ),
    "completions": _Endpoint(
        operation=semconv.OP_TEXT_COMPLETION,
        answer=chat,
        reader=ChatReader,
        written=written.chat,
        inputs=("prompt", "suffix"),
        output_limits=("max_tokens",),
        asks=True,
    ),
    "embeddings": _Endpoint(
        operation=semconv.OP_EMBEDDINGS,
        answer=embeddings,
        reader=ResponseReader,
        written=written.embeddings,
        inputs=("input",),
    ),
}

FREE: Final = frozenset(
    {
        "responses/input_tokens",
        *("agents", "assistants", "batches", "chatkit", "containers", "conversations", "evals", "files", "fine_tuning"),
        *("live", "models", "moderations", "organization", "projects", "realtime", "skills", "uploads", "vaults"),
        *("vector_stores", "webhook_endpoints"),
    }
)
"""Paths that are free, or set up something that is billed elsewhere (jobs, sessions, stores), and all below them."""

PROVIDER: Final = Provider(
    name="openai",
    methods=(
        Method(module="openai._base_client", name="SyncAPIClient.post", read=_read),
        Method(module="openai._base_client", name="AsyncAPIClient.post", read=_read, asynchronous=True),
    ),
)
