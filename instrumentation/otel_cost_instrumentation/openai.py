"""The ``openai`` SDK: chat and text completions, responses, embeddings, images, speech, transcription, and what is
fetched later; also against hosts that speak its formats.

Supported from 1.66 on, tested with that and 3.54. Clients keep their methods, so they have to be made after otel-cost
is active. Sources: the types of ``openai`` 3.54. OpenAI's input and output counts include their parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation import _hosts, _openai_fetched
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._address import Server
from otel_cost_instrumentation._ask_usage import may_ask, with_usage
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint
from otel_cost_instrumentation._openai_answers import chat, embeddings, response, token_usage_beside
from otel_cost_instrumentation._openai_media import (
    characters,
    image_reader,
    images,
    speech,
    transcription,
    transcription_reader,
)
from otel_cost_instrumentation._openai_streams import ChatReader, ResponseReader
from otel_cost_instrumentation._read import text
from otel_cost_instrumentation._reported import cost_in_headers
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stainless import read_post
from otel_cost_instrumentation._unread import UnreadStream, unread

# --- what goes in -----------------------------------------------------------------------------------------------------

_OWN_HOST: Final = "api.openai.com"
_CHAT: Final = "chat/completions"
_THINKS_BESIDE: Final = frozenset({"gcp.gemini", _hosts.VERTEX})
"""Google tells thoughts in the total alone, and usage unasked."""
_RESPONDS: Final = "_process_response"


def _read(client: object, args: tuple[object, ...], kwargs: Arguments) -> Request | None:
    post = read_post(client, args, kwargs)
    if post is None:
        return None
    provider = _hosts.behind(client, post.address, _hosts.OPENAI, "openai")
    path = post.path.removeprefix("v1/")
    endpoint, body = ENDPOINTS.get(path), post.body
    if endpoint is None:
        return unread(post._replace(path=path), provider, kwargs, FREE)
    asks = path in _ASK and post.stream and may_ask(client, post, _hosts.OPENAI, kwargs)
    request = endpoint.request(
        Server(provider, post.address, post.port),
        body,
        with_usage(kwargs, body) if asks else kwargs,
        model=text(body, "model"),
        stream=post.stream,
    )
    if post.address != _OWN_HOST:
        request = request._replace(headers=cost_in_headers)
    if provider in _THINKS_BESIDE and path == _CHAT:
        return request._replace(
            answer=partial(chat, read_usage=token_usage_beside),
            reader=partial(ChatReader, read_usage=token_usage_beside),
        )
    if asks:
        return request._replace(reader=partial(ChatReader, conceal=True))
    return _later(request) if path == "responses" and body.get("background") is True else request


def _later(request: Request) -> Request:
    """A response that is made in the background, and charged when it is fetched."""
    return request._replace(
        parameters={**request.parameters, semconv.USAGE_FOLLOWS: True}, prompt=None, told_again=True
    )


_IMAGES: Final = Endpoint(
    operation=semconv.OP_GENERATE_CONTENT,
    answer=images,
    reader=image_reader,
    written=written.nothing,
    inputs=("prompt",),
)
_LISTENING: Final = Endpoint(
    operation=semconv.OP_GENERATE_CONTENT,
    answer=transcription,
    reader=transcription_reader,
    written=written.nothing,
    inputs=("prompt",),
)
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    _CHAT: Endpoint(
        operation=semconv.OP_CHAT,
        answer=chat,
        reader=ChatReader,
        written=written.chat,
        inputs=("messages", "response_format"),
        tools=("tools", "functions"),
        limits=("max_completion_tokens", "max_tokens"),
    ),
    "responses": Endpoint(
        operation=semconv.OP_CHAT,
        answer=response,
        reader=ResponseReader,
        written=written.response,
        inputs=("input", "instructions", "text"),
        unseen=("previous_response_id", "conversation", "prompt"),
        limits=("max_output_tokens",),
    ),
    "responses/compact": Endpoint(
        operation=semconv.OP_CHAT,
        answer=response,
        reader=ResponseReader,
        written=written.response,
        inputs=("input", "instructions"),
        unseen=("previous_response_id",),
    ),
    "completions": Endpoint(
        operation=semconv.OP_TEXT_COMPLETION,
        answer=chat,
        reader=ChatReader,
        written=written.chat,
        inputs=("prompt", "suffix"),
        limits=("max_tokens",),
    ),
    "embeddings": Endpoint(
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
    "audio/speech": Endpoint(
        operation=semconv.OP_GENERATE_CONTENT,
        answer=speech,
        reader=UnreadStream,
        written=written.nothing,
        inputs=("input", "instructions"),
        accepted=characters,
    ),
}
_ASK: Final = frozenset({_CHAT, "completions"})
"""Paths whose streams tell their usage only when they are asked to."""

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
        Method(module="openai._base_client", name="SyncAPIClient.post", read=_read, responds=_RESPONDS),
        Method(
            module="openai._base_client",
            name="AsyncAPIClient.post",
            read=_read,
            asynchronous=True,
            responds=_RESPONDS,
        ),
        Method(module="openai._base_client", name="SyncAPIClient.get", read=_openai_fetched.read),
        Method(module="openai._base_client", name="AsyncAPIClient.get", read=_openai_fetched.read, asynchronous=True),
    ),
)
