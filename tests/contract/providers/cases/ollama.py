"""The ``ollama`` SDK, on a server that somebody put a price on."""

from __future__ import annotations

from dataclasses import replace
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import httpx
import ollama
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, user
from tests.support.wires.ollama import wires

__all__ = ["CASES", "PRICES", "wires"]

MODEL = "llama3.3"
EMBEDDER = "nomic-embed-text"
PRICES = tuple(
    {"provider": "ollama", "model": model, "per_1m": {"input": 0.1, "output": 0.2}} for model in (MODEL, EMBEDDER)
)


def _client(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    return (ollama.AsyncClient if asynchronous else ollama.Client)(base_url)


def _timed(client: Client, seconds: float) -> Client:
    client._client.timeout = seconds
    return client


def _chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat(model=MODEL, messages=user(text), stream=stream)


def _generate(client: Client, text: str, stream: bool) -> Any:
    return client.generate(model=MODEL, prompt=text, stream=stream)


def _embed(client: Client, text: str, stream: bool) -> Any:
    return client.embed(model=EMBEDDER, input=text)


_CHAT = Case(
    name="ollama-chat",
    provider="ollama",
    client=_client,
    call=_chat,
    stream_types=(GeneratorType, AsyncGeneratorType),
    api_error=ollama.ResponseError,
    network_error=(httpx.HTTPError, ConnectionError),
    error_names=("ReadTimeout", "ConnectionError", "RemoteProtocolError"),
    timed=_timed,
    sender=lambda client: (client._client, "send"),
    close=lambda client: client._client.aclose() if isinstance(client, ollama.AsyncClient) else client._client.close(),
    close_stream=lambda stream: stream.aclose(),
    model=MODEL,
    blocks=False,
    response=False,
    lazy=True,
    retries=False,
)
CASES = (
    _CHAT,
    replace(_CHAT, name="ollama-generate", call=_generate, operation="text_completion"),
    replace(_CHAT, name="ollama-embed", call=_embed, stream_types=(), model=EMBEDDER, operation="embeddings"),
)
