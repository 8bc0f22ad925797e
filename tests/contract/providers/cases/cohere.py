"""The ``cohere`` SDK, by both of its clients."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import cohere
import httpx
from cohere.core.api_error import ApiError
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, user
from tests.support.wires.cohere import wires

__all__ = ["CASES", "wires"]

COMMAND = "command-r-08-2024"
EMBEDDER = "embed-v4.0"


def _client(
    base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool, *, version: int = 2
) -> Client:
    kinds = (cohere.Client, cohere.AsyncClient) if version == 1 else (cohere.ClientV2, cohere.AsyncClientV2)
    return kinds[asynchronous](api_key="none", base_url=base_url, max_retries=retries)


def _close(client: Client) -> Any:
    http = client._client_wrapper.httpx_client.httpx_client
    return http.aclose() if isinstance(http, httpx.AsyncClient) else http.close()


def _timed(client: Client, seconds: float) -> Client:
    client._client_wrapper._timeout = seconds
    return client


def _chat(client: Client, text: str, stream: bool) -> Any:
    if not stream:
        return client.chat(model=COMMAND, messages=user(text))
    chunks = client.chat_stream(model=COMMAND, messages=user(text))
    return _awaited(chunks) if isinstance(client, cohere.AsyncClientV2) else chunks


async def _awaited(chunks: Any) -> Any:
    return chunks


def _older_chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat(model=COMMAND, message=text)


def _embed(client: Client, text: str, stream: bool) -> Any:
    return client.embed(model=EMBEDDER, texts=[text], input_type="search_document", embedding_types=["int8"])


_CHAT = Case(
    name="cohere-chat",
    provider="cohere",
    client=_client,
    call=_chat,
    stream_types=(GeneratorType, AsyncGeneratorType),
    api_error=ApiError,
    network_error=httpx.HTTPError,
    error_names=("ReadTimeout", "ConnectError", "RemoteProtocolError"),
    timed=_timed,
    sender=lambda client: (client._client_wrapper.httpx_client.httpx_client, "send"),
    close=_close,
    close_stream=lambda stream: stream.aclose(),
    model=COMMAND,
    answers_model=False,
    blocks=False,
    response=False,
    lazy=True,
    raises_midstream=False,
)
CASES = (
    _CHAT,
    replace(_CHAT, name="cohere-v1-chat", client=partial(_client, version=1), call=_older_chat, stream_types=()),
    replace(_CHAT, name="cohere-embeddings", call=_embed, model=EMBEDDER, operation="embeddings", stream_types=()),
)
