"""Recorded answers through SDKs that are called in ways of their own. What was asked does not matter to the answer: the
model does, and whether it streams."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import cohere
import httpx
import httpx2
import ollama
import urllib3
from botocore.awsrequest import AWSResponse
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


def call_bedrock(exchange: Exchange, transport: Transport) -> None:
    """Through ``boto3``, which lets a handler answer in place of the network. Bodies go as they were recorded; what
    Converse is asked does not matter."""
    client = _boto().client("bedrock-runtime", endpoint_url=f"https://{exchange.host}")

    def answer(request: Any, **more: object) -> AWSResponse:
        assert unquote(urlsplit(request.url).path) == exchange.path
        headers = urllib3.HTTPHeaderDict(exchange.headers)
        raw = urllib3.HTTPResponse(io.BytesIO(exchange.body), headers, 200, preload_content=False)
        return AWSResponse(request.url, 200, raw.headers, raw)

    client.meta.events.register("before-send.bedrock-runtime", answer)
    operation = {"invoke": "invoke_model"}.get(exchange.endpoint, exchange.endpoint.replace("-", "_"))
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": _LEFT_OUT}]}]}
    if exchange.endpoint == "invoke":
        asked = {"body": json.dumps(exchange.request)}
    result = getattr(client, operation)(modelId=exchange.model_requested, **asked)
    for _ in result.get("stream", result.get("body", ())):
        pass


def _boto() -> boto3.session.Session:
    return boto3.session.Session("none", "none", region_name="us-east-1")


_ASKED: dict[str, dict[str, Any]] = {
    "v1/chat": {"message": _LEFT_OUT},
    "v2/chat": {"messages": [{"role": "user", "content": _LEFT_OUT}]},
    "v1/generate": {"prompt": _LEFT_OUT},
    "v2/embed": {"texts": [_LEFT_OUT], "input_type": "search_document", "embedding_types": ["float"]},
    "v1/rerank": {"query": _LEFT_OUT, "documents": [_LEFT_OUT]},
    "v2/rerank": {"query": _LEFT_OUT, "documents": [_LEFT_OUT]},
}


def call_cohere(exchange: Exchange, transport: Transport) -> None:
    """Through ``cohere``, by the client of the version that was recorded."""
    kind = cohere.ClientV2 if exchange.path.startswith("/v2/") else cohere.Client
    with httpx.Client(transport=transport(httpx.Client, exchange)) as http:
        client: Any = kind(api_key="none", base_url=f"https://{exchange.host}", httpx_client=http)
        asked = {"model": exchange.model_requested, **_ASKED[exchange.path.strip("/")]}
        if exchange.streamed:
            for _ in client.chat_stream(**asked):
                pass
        else:
            getattr(client, exchange.endpoint)(**asked)


def call_ollama(exchange: Exchange, transport: Transport) -> None:
    """Through ``ollama``."""
    asked: dict[str, Any] = {"model": exchange.model_requested, "stream": exchange.streamed}
    with ollama.Client(f"http://{exchange.host}", transport=transport(httpx.Client, exchange)) as client:
        if exchange.endpoint == "generate":
            answer: Any = client.generate(prompt=_LEFT_OUT, **asked)
        else:
            answer = client.chat(messages=[{"role": "user", "content": _LEFT_OUT}], **asked)
        if exchange.streamed:
            list(answer)
