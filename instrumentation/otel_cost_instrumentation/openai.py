"""The ``openai`` SDK: chat and text completions, responses, embeddings, images, speech, transcription, and what is
fetched later; also against hosts that speak its formats.

Supported from 1.66 on, tested with that and 3.54. Clients keep their methods, so they have to be made after otel-cost
is active. Sources: the types of ``openai`` 3.54. OpenAI's input and output counts include their parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _hosts, _openai_fetched
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._ask_usage import may_ask, with_usage
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._estimates import Prompt, Written
from otel_cost_instrumentation._openai_answers import chat, embeddings, response
from otel_cost_instrumentation._openai_media import (
    characters,
    image_reader,
    images,
    speech,
    transcription,
    transcription_reader,
)
from otel_cost_instrumentation._openai_streams import ChatReader, ResponseReader
from otel_cost_instrumentation._read import Attributes, Names, count, numbers, text, text_bytes
from otel_cost_instrumentation._request import Arguments, Reader, Request
from otel_cost_instrumentation._stainless import Post, read_post
from otel_cost_instrumentation._unread import UnreadStream, unread

# --- what goes in -----------------------------------------------------------------------------------------------------


def _nothing_yet(body: Mapping[str, object]) -> Attributes:
    return {}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """``inputs``, ``tools``: fields that are sent as tokens. ``elsewhere``: fields that stand for tokens which are not
    in the body. ``asks``: a stream tells its usage only when asked. ``accepted``: usage that the request tells."""

    operation: str
    answer: Callable[[object], Attributes]
    reader: Callable[[Text], Reader]
    written: Written
    inputs: tuple[str, ...]
    tools: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    output_limits: tuple[str, ...] = ()
    asks: bool = False
    accepted: Callable[[Mapping[str, object]], Attributes] = _nothing_yet


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
    provider = _hosts.behind(client, post.address, _hosts.OPENAI, "openai")
    path = post.path.removeprefix("v1/")
    endpoint, body = ENDPOINTS.get(path), post.body
    if endpoint is None:
        return unread(post._replace(path=path), provider, kwargs, FREE)
    later = path == "responses" and body.get("background") is True
    limit, choices = _limit(body, endpoint.output_limits), count(body, "n") or 1
    asks = endpoint.asks and post.stream and may_ask(client, post, _hosts.OPENAI, kwargs)
    return Request(
        operation=endpoint.operation,
        provider=provider,
        model=text(body, "model"),
        address=post.address,
        port=post.port,
        answer=endpoint.answer,
        reader=partial(ChatReader, conceal=True) if asks else endpoint.reader,
        arguments=with_usage(kwargs, body) if asks else kwargs,
        parameters=_parameters(post, limit, choices) | ({semconv.USAGE_FOLLOWS: True} if later else {}),
        written=endpoint.written,
        prompt=None if later else _prompt(endpoint, body),
        input_bytes=text_bytes(*[body.get(name) for name in (*endpoint.inputs, *endpoint.tools)]),
        max_output_tokens=limit,
        choices=choices,
        accepted=endpoint.accepted(body),
        told_again=later,
    )


def _prompt(endpoint: _Endpoint, body: Mapping[str, object]) -> Prompt | None:
    if endpoint.written is written.nothing:
        return None
    return Prompt.of(
        *(body.get(name) for name in endpoint.inputs),
        tools=next((body[name] for name in endpoint.tools if body.get(name)), None),
        conversation=endpoint.operation == semconv.OP_CHAT,
        unseen=[name for name in endpoint.elsewhere if body.get(name)],
        answered=endpoint.operation != semconv.OP_EMBEDDINGS,
    )


def _limit(body: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    return next((limit for name in names if (limit := count(body, name)) is not None), None)


_IMAGES: Final = _Endpoint(
    operation=semconv.OP_GENERATE_CONTENT,
    answer=images,
    reader=image_reader,
    written=written.nothing,
    inputs=("prompt",),
)
_LISTENING: Final = _Endpoint(
    operation=semconv.OP_GENERATE_CONTENT,
    answer=transcription,
    reader=transcription_reader,
    written=written.nothing,
    inputs=("prompt",),
)
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
    "images/generations": _IMAGES,
    "images/edits": _IMAGES,
    "images/variations": _IMAGES,
    "audio/transcriptions": _LISTENING,
    "audio/translations": _LISTENING,
    "audio/speech": _Endpoint(
        operation=semconv.OP_GENERATE_CONTENT,
        answer=speech,
        reader=UnreadStream,
        written=written.nothing,
        inputs=("input", "instructions"),
        accepted=characters,
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
        Method(module="openai._base_client", name="SyncAPIClient.get", read=_openai_fetched.read),
        Method(module="openai._base_client", name="AsyncAPIClient.get", read=_openai_fetched.read, asynchronous=True),
    ),
)
