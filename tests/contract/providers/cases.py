"""How each provider module's SDK is driven through the common scenarios. A new provider adds its cases here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from opentelemetry.trace import TracerProvider

from otel_cost_instrumentation import _stream

MODEL = "gpt-4o"
EMBEDDER = "text-embedding-3-small"
CLAUDE = "claude-opus-4-5"
Client = Any
"""SDK clients are driven by name here; what they return is compared, not used."""


@dataclass(frozen=True)
class Case:
    """One way of calling a provider.

    Attributes:
        provider: Name of the provider module that it exercises.
        client: (base URL, retries, the tracer provider for an SDK that traces itself, asynchronous) to a client.
        call: (client, text of the user's message, stream or not) to what the SDK's method returns.
        stream_types: What a stream is, sync and async; empty where nothing streams.
        api_error: The root of the SDK's errors.
        raw: Calls through ``with_raw_response``.
        helper: The SDK's stream helper, a context manager; None where there is none.
    """

    name: str
    provider: str
    client: Callable[[str, int, TracerProvider | None, bool], Client]
    call: Callable[[Client, str, bool], Any]
    raw: Callable[[Client, str, bool], Any]
    stream_types: tuple[type, ...]
    api_error: type[Exception]
    model: str
    operation: str = "chat"
    helper: Callable[[Client, str], Any] | None = None
    streams_usage_before_end: bool = False

    @property
    def streams(self) -> bool:
        return bool(self.stream_types)


def _openai(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return kind(base_url=base_url + "/v1", api_key="none", max_retries=retries)


def _anthropic(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    option: Any = False if tracing is None else {"tracer_provider": tracing}
    return kind(base_url=base_url, api_key="none", max_retries=retries, open_telemetry=option)


def _anthropic_untraced(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    return _anthropic(base_url, retries, None, asynchronous)


def _user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _optional(stream: bool) -> dict[str, bool]:
    return {"stream": True} if stream else {}


def _chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat.completions.create(model=MODEL, messages=_user(text), **_optional(stream))


def _raw_chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat.completions.with_raw_response.create(model=MODEL, messages=_user(text), **_optional(stream))


def _responses(client: Client, text: str, stream: bool) -> Any:
    return client.responses.create(model=MODEL, input=_user(text), **_optional(stream))


def _raw_responses(client: Client, text: str, stream: bool) -> Any:
    return client.responses.with_raw_response.create(model=MODEL, input=_user(text), **_optional(stream))


def _embeddings(client: Client, text: str, stream: bool) -> Any:
    return client.embeddings.create(model=EMBEDDER, input=text)


def _raw_embeddings(client: Client, text: str, stream: bool) -> Any:
    return client.embeddings.with_raw_response.create(model=EMBEDDER, input=text)


def _message(client: Client, text: str, stream: bool) -> Any:
    return client.messages.create(model=CLAUDE, max_tokens=64, messages=_user(text), **_optional(stream))


def _raw_message(client: Client, text: str, stream: bool) -> Any:
    raw = client.messages.with_raw_response
    return raw.create(model=CLAUDE, max_tokens=64, messages=_user(text), **_optional(stream))


def _beta_message(client: Client, text: str, stream: bool) -> Any:
    return client.beta.messages.create(model=CLAUDE, max_tokens=64, messages=_user(text), **_optional(stream))


def _raw_beta_message(client: Client, text: str, stream: bool) -> Any:
    raw = client.beta.messages.with_raw_response
    return raw.create(model=CLAUDE, max_tokens=64, messages=_user(text), **_optional(stream))


_OPENAI_STREAMS = (openai.Stream, openai.AsyncStream)
_ANTHROPIC_STREAMS = (anthropic.Stream, anthropic.AsyncStream)

CASES = (
    Case(
        "openai-chat", "openai", _openai, _chat, _raw_chat, _OPENAI_STREAMS, openai.APIError, MODEL,
        helper=lambda client, text: client.chat.completions.stream(model=MODEL, messages=_user(text)),
    ),
    Case(
        "openai-responses", "openai", _openai, _responses, _raw_responses, _OPENAI_STREAMS, openai.APIError, MODEL,
        helper=lambda client, text: client.responses.stream(model=MODEL, input=_user(text)),
    ),
    Case(
        "openai-embeddings", "openai", _openai, _embeddings, _raw_embeddings, (), openai.APIError, EMBEDDER,
        operation="embeddings",
    ),
    Case(
        "anthropic-self-traced", "anthropic", _anthropic, _message, _raw_message, _ANTHROPIC_STREAMS,
        anthropic.APIError, CLAUDE,
        helper=lambda client, text: client.messages.stream(model=CLAUDE, max_tokens=64, messages=_user(text)),
        streams_usage_before_end=True,
    ),
    Case(
        "anthropic-untraced", "anthropic", _anthropic_untraced, _message, _raw_message, _ANTHROPIC_STREAMS,
        anthropic.APIError, CLAUDE,
        helper=lambda client, text: client.messages.stream(model=CLAUDE, max_tokens=64, messages=_user(text)),
        streams_usage_before_end=True,
    ),
    Case(
        "anthropic-beta", "anthropic", _anthropic, _beta_message, _raw_beta_message, _ANTHROPIC_STREAMS,
        anthropic.APIError, CLAUDE,
        helper=lambda client, text: client.beta.messages.stream(model=CLAUDE, max_tokens=64, messages=_user(text)),
        streams_usage_before_end=True,
    ),
)  # fmt: skip

STAND_INS = (_stream.SyncStream, _stream.AsyncStream, _stream.RawResponse)
