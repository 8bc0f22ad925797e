"""Recorded answers through SDKs that are called in ways of their own. What was asked does not matter to the answer: the
model does, and whether it streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from mistralai.client import Mistral

from tests.recorded.exchanges import Exchange

Transport = Callable[[type, Exchange], Any]
"""Makes a transport of the given HTTP client's library that answers from the recording."""
_LEFT_OUT = "(left out)"


def call_google(exchange: Exchange, transport: Transport) -> None:
    """Through ``google-genai``, to the developer API or to Vertex AI as a project of Google's cloud."""
    http = httpx2.Client(transport=transport(httpx2.Client, exchange))
    version, *words = exchange.path.strip("/").split("/")
    options = types.HttpOptions(base_url=f"https://{exchange.host}", api_version=version, httpx_client=http)
    kind: dict[str, Any] = {"api_key": "none"}
    if exchange.provider == "vertex":
        kind = {"vertexai": True, "project": words[1], "location": words[3], "credentials": Credentials(token="none")}
    client = genai.Client(**kind, http_options=options)
    asked: dict[str, Any] = {"model": exchange.model_requested.rpartition("/")[2], "contents": _LEFT_OUT}
    with http:
        if exchange.streamed:
            for _ in client.models.generate_content_stream(**asked):
                pass
        else:
            client.models.generate_content(**asked)


def call_mistral(exchange: Exchange, transport: Transport) -> None:
    """Through ``mistralai``."""
    http = httpx2.Client(transport=transport(httpx2.Client, exchange))
    messages: Any = [{"role": "user", "content": _LEFT_OUT}]
    model = exchange.model_requested
    with http, Mistral(api_key="none", server_url=f"https://{exchange.host}", client=http) as client:
        if exchange.endpoint == "embeddings":
            client.embeddings.create(model=model, inputs=_LEFT_OUT)
        elif exchange.streamed:
            with client.chat.stream(model=model, messages=messages) as stream:
                for _ in stream:
                    pass
        else:
            client.chat.complete(model=model, messages=messages)
