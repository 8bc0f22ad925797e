"""The ``mistralai`` SDK, without its own tracing, which is off unless an app asks for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import httpx2
from mistralai.client import Mistral, errors
from mistralai.client.utils import BackoffStrategy, RetryConfig
from mistralai.client.utils.eventstreaming import EventStream, EventStreamAsync
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, user
from tests.support.wires.mistral import PREFIX, wires

__all__ = ["CASES", "wires"]

MODEL = "mistral-large-latest"
EMBEDDER = "mistral-embed"
CODER = "codestral-latest"
_RETRYING = RetryConfig("backoff", BackoffStrategy(10, 20, 1.5, 10_000), retry_connection_errors=False)


def _client(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    # One client does both: ``_way`` is what the names of its methods end in.
    client: Any = Mistral(api_key="none", server_url=base_url + PREFIX, retry_config=_RETRYING if retries else None)
    client._way = "_async" if asynchronous else ""
    return client


def _close(client: Client) -> Any:
    return client.__aexit__(None, None, None) if client._way else client.__exit__(None, None, None)


def _timed(client: Client, seconds: float) -> Client:
    client.sdk_configuration.timeout_ms = int(seconds * 1000)
    return client


def _chat(client: Client, text: str, stream: bool) -> Any:
    name = ("stream" if stream else "complete") + client._way
    return getattr(client.chat, name)(model=MODEL, messages=user(text))


def _fim(client: Client, text: str, stream: bool) -> Any:
    name = ("stream" if stream else "complete") + client._way
    return getattr(client.fim, name)(model=CODER, prompt=text)


def _embed(client: Client, text: str, stream: bool) -> Any:
    return getattr(client.embeddings, "create" + client._way)(model=EMBEDDER, inputs=text)


_CHAT = Case(
    name="mistral-chat",
    provider="mistralai",
    provider_name="mistral_ai",
    client=_client,
    call=_chat,
    stream_types=(EventStream, EventStreamAsync),
    api_error=errors.MistralError,
    network_error=(httpx.HTTPError, httpx2.HTTPError),
    error_names=("ReadTimeout", "ConnectError", "RemoteProtocolError"),
    timed=_timed,
    sender=lambda client: (client.sdk_configuration.client, "send"),
    close=_close,
    model=MODEL,
    own_iterator=True,
)
CASES = (
    _CHAT,
    replace(_CHAT, name="mistral-fim", call=_fim, model=CODER, operation="text_completion"),
    replace(
        _CHAT,
        name="mistral-embeddings",
        call=_embed,
        model=EMBEDDER,
        operation="embeddings",
        stream_types=(),
        zero_output=True,
    ),
)
