"""The ``openai`` SDK, and its client for Azure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import openai
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, optional, user
from tests.support.wires.azure import wires

__all__ = ["CASES", "wires"]

MODEL = "gpt-4o"
EMBEDDER = "text-embedding-3-small"


def _client(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return kind(base_url=base_url + "/v1", api_key="none", max_retries=retries)


def _azure(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = openai.AsyncAzureOpenAI if asynchronous else openai.AzureOpenAI
    return kind(azure_endpoint=base_url, api_version="2024-10-21", api_key="none", max_retries=retries)


def _chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat.completions.create(model=MODEL, messages=user(text), **optional(stream))


def _raw_chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat.completions.with_raw_response.create(model=MODEL, messages=user(text), **optional(stream))


def _responses(client: Client, text: str, stream: bool) -> Any:
    return client.responses.create(model=MODEL, input=user(text), **optional(stream))


def _raw_responses(client: Client, text: str, stream: bool) -> Any:
    return client.responses.with_raw_response.create(model=MODEL, input=user(text), **optional(stream))


def _embeddings(client: Client, text: str, stream: bool) -> Any:
    return client.embeddings.create(model=EMBEDDER, input=text)


def _raw_embeddings(client: Client, text: str, stream: bool) -> Any:
    return client.embeddings.with_raw_response.create(model=EMBEDDER, input=text)


_CHAT = Case(
    name="openai-chat",
    provider="openai",
    client=_client,
    call=_chat,
    raw=_raw_chat,
    helper=lambda client, text: client.chat.completions.stream(model=MODEL, messages=user(text)),
    stream_types=(openai.Stream, openai.AsyncStream),
    api_error=openai.APIError,
    model=MODEL,
)
CASES = (
    _CHAT,
    replace(
        _CHAT,
        name="openai-responses",
        call=_responses,
        raw=_raw_responses,
        helper=lambda client, text: client.responses.stream(model=MODEL, input=user(text)),
    ),
    replace(
        _CHAT,
        name="openai-embeddings",
        call=_embeddings,
        raw=_raw_embeddings,
        helper=None,
        stream_types=(),
        model=EMBEDDER,
        operation="embeddings",
    ),
    replace(_CHAT, name="azure-chat", client=_azure, provider_name="azure.ai.openai"),
)
