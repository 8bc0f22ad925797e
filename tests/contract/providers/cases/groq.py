"""The ``groq`` SDK."""

from __future__ import annotations

from typing import Any

import groq
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, optional, user
from tests.support.wires.groq import wires

__all__ = ["CASES", "wires"]

MODEL = "llama-3.3-70b-versatile"


def _client(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = groq.AsyncGroq if asynchronous else groq.Groq
    return kind(base_url=base_url, api_key="none", max_retries=retries)


def _chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat.completions.create(model=MODEL, messages=user(text), **optional(stream))


def _raw_chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat.completions.with_raw_response.create(model=MODEL, messages=user(text), **optional(stream))


CASES = (
    Case(
        name="groq-chat",
        provider="groq",
        client=_client,
        call=_chat,
        raw=_raw_chat,
        stream_types=(groq.Stream, groq.AsyncStream),
        api_error=groq.APIError,
        model=MODEL,
    ),
)
