"""The ``google-genai`` SDK, against the developer API and Vertex AI."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import httpx
import httpx2
from google import genai
from google.genai import errors, types
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client
from tests.support.wires.google import wires

__all__ = ["CASES", "wires"]

GEMINI = "gemini-2.5-flash"
EMBEDDER = "gemini-embedding-001"


def _client(
    base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool, *, vertex: bool = False
) -> Client:
    retrying = types.HttpRetryOptions(attempts=1 + retries, initial_delay=0.01, max_delay=0.02, jitter=0.01)
    # With aiohttp about (aiobotocore brings it) the SDK would use that for asynchronous calls: one way is enough here.
    transport = {"transport": httpx.AsyncHTTPTransport()} if asynchronous else None
    options = types.HttpOptions(base_url=base_url, retry_options=retrying, async_client_args=transport)
    client = genai.Client(api_key="none", vertexai=vertex, http_options=options)
    if not asynchronous:
        return client
    client.aio._owner = client  # type: ignore[attr-defined]  # closing the one closes both, as losing it does
    return client.aio


def _close(client: Client) -> Any:
    return client.aclose() if hasattr(client, "aclose") else client.close()


def _timed(client: Client, seconds: float) -> Client:
    client._api_client._http_options.timeout = int(seconds * 1000)
    return client


def _generate(client: Client, text: str, stream: bool) -> Any:
    models = client.models
    return (models.generate_content_stream if stream else models.generate_content)(model=GEMINI, contents=text)


def _embed(client: Client, text: str, stream: bool) -> Any:
    return client.models.embed_content(model=EMBEDDER, contents=text)


_GEMINI = Case(
    name="google-gemini",
    provider="google_genai",
    provider_name="gcp.gemini",
    client=_client,
    call=_generate,
    stream_types=(GeneratorType, AsyncGeneratorType),
    api_error=errors.APIError,
    network_error=(httpx.HTTPError, httpx2.HTTPError),
    error_names=("ReadTimeout", "ConnectError", "RemoteProtocolError"),
    status_of=lambda error: error.code,
    timed=_timed,
    sender=lambda client: (client._api_client._httpx_client, "send"),
    close=_close,
    close_stream=lambda stream: stream.aclose(),
    model=GEMINI,
    operation="generate_content",
    blocks=False,
    response=False,
    lazy=True,
    streams_usage_before_end=True,
    of_the_moment=frozenset({"sdk_http_response"}),
)
CASES = (
    _GEMINI,
    replace(_GEMINI, name="google-vertex", provider_name="gcp.vertex_ai", client=partial(_client, vertex=True)),
    replace(
        _GEMINI,
        name="google-embeddings",
        call=_embed,
        stream_types=(),
        model=EMBEDDER,
        operation="embeddings",
        answers_model=False,
    ),
)
